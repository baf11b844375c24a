"""Bybit's symbols and ours, by their form alone (enum.mdx, 2026-07-24).

| ours | linear | inverse |
|---|---|---|
| BTC-USDT-PERP, BTC-USD-PERP | BTCUSDT | BTCUSD |
| BTC-USDC-PERP | BTCPERP | |
| BTC-USDT-261225, BTC-USD-261225 | BTCUSDT-25DEC26 | BTCUSDZ26, the last Friday of the quarter |
| BTC-USDC-261225 | BTC-25DEC26 | |

A day on which no future can end is left as it is: the exchange refuses the name.
"""

from __future__ import annotations

import re
from datetime import date, timedelta

from marketfeed.symbols import is_symbol, split_by_quote

_SPOT_QUOTES = ("USDT USDC USDE USD1 RLUSD XUSD USDQ USDR USD DAI EUR GBP PLN TRY BRL BRZ AED KZT BTC ETH SOL MNT").split()
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_QUARTERS = {"H": 3, "M": 6, "U": 9, "Z": 12}
_FRIDAY = 4
_dated = re.compile(r"(.+)-([0-9]{2})([A-Z]{3})([0-9]{2})").fullmatch
_quarterly = re.compile(r"(.+USD)([HMUZ])([0-9]{2})").fullmatch


def spot_native(symbol: str) -> str:
    base, quote = symbol.split("-")
    return base + quote


def spot_symbol(native: str) -> str | None:
    return split_by_quote(native, _SPOT_QUOTES)


def linear_native(symbol: str) -> str:
    base, quote, form = symbol.split("-")
    pair = base if quote == "USDC" else base + quote
    if form == "PERP":
        return f"{pair}PERP" if quote == "USDC" else pair
    month = int(form[2:4])
    return f"{pair}-{form[4:]}{_MONTHS[month - 1]}{form[:2]}" if 1 <= month <= 12 else f"{pair}-{form}"


def linear_symbol(native: str) -> str | None:
    found = _dated(native)
    if found is None:
        base = native.removesuffix("PERP")
        pair = f"{base}-USDC" if base != native else split_by_quote(native, ("USDT",))
        return _known(pair and f"{pair}-PERP")
    pair = split_by_quote(found[1], ("USDT",)) or f"{found[1]}-USDC"
    day = f"{found[4]}{_MONTHS.index(found[3]) + 1:02}{found[2]}" if found[3] in _MONTHS else ""
    return _known(f"{pair}-{day}")


def inverse_native(symbol: str) -> str:
    base, quote, form = symbol.split("-")
    if form == "PERP":
        return base + quote
    letter = next((letter for letter, month in _QUARTERS.items() if month == int(form[2:4])), None)
    return f"{base}{quote}{form}" if letter is None else f"{base}{quote}{letter}{form[:2]}"


def inverse_symbol(native: str) -> str | None:
    found = _quarterly(native)
    if found is None:
        pair, form = native, "PERP"
    else:
        pair, form = found[1], f"{_last_friday(2000 + int(found[3]), _QUARTERS[found[2]]):%y%m%d}"
    split = split_by_quote(pair, ("USD",))
    return split and f"{split}-{form}"


def _known(symbol: str | None) -> str | None:
    return symbol if symbol is not None and is_symbol(symbol) else None


def _last_friday(year: int, month: int) -> date:
    last = date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)
    return last - timedelta(days=(last.weekday() - _FRIDAY) % 7)
