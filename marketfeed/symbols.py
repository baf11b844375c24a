"""Symbols as marketfeed writes them, and instruments as exchanges list them.

`BTC-USDT` is spot, `BTC-USDT-PERP` a perpetual, `BTC-USD-261225` a dated future (yymmdd).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

_CODE = r"[^\W_a-z]+"
SYMBOL_PATTERN = rf"{_CODE}-{_CODE}(-PERP|-[0-9]{{6}})?"
"""BASE-QUOTE, BASE-QUOTE-PERP or BASE-QUOTE-yymmdd: upper case, digits, other letters as the exchange has them."""
_symbol = re.compile(SYMBOL_PATTERN).fullmatch
_code = re.compile(_CODE).fullmatch

MOST_NAMES = 1 << 17
"""Names that are split may come from anywhere: those beyond are split anew each time."""


@dataclass(frozen=True, slots=True)
class Instrument:
    """One instrument of an exchange's list."""

    symbol: str
    """Normalised."""
    native: str
    base: str
    quote: str
    status: str
    """The exchange's own word."""
    trading: bool
    tick_size: str | None = None
    lot_size: str | None = None
    contract_size: str | None = None
    contract_currency: str | None = None
    expiry_ns: int | None = None


def is_symbol(text: str) -> bool:
    """Whether a text is a normalised symbol."""
    return _symbol(text) is not None


def is_code(text: str) -> bool:
    """Whether a text is the code of an asset, such as BTC."""
    return _code(text) is not None


def split_by_quote(native: str, quotes: Iterable[str]) -> str | None:
    """BTCUSDT → BTC-USDT: by the longest quote currency that fits, or None."""
    for quote in sorted(quotes, key=len, reverse=True):
        base = native.removesuffix(quote)
        if base and base != native and is_symbol(f"{base}-{quote}"):
            return f"{base}-{quote}"
    return None


class Names:
    """The normalised symbol of an exchange's own: from its instrument list, or by its form."""

    def __init__(self, known: Mapping[str, str], by_form: Callable[[str], str | None] = lambda native: None) -> None:
        self._known = dict(known)
        self._by_form = by_form

    @classmethod
    def of(cls, instruments: Iterable[Instrument]) -> Names:
        """Those that an instrument list has, and no others."""
        return cls({i.native: i.symbol for i in instruments})

    def __call__(self, native: str) -> str | None:
        """The normalised symbol, or None where it is not known."""
        found = self._known.get(native)
        if found is None:
            found = self._by_form(native)
            if found is not None and len(self._known) < MOST_NAMES:
                self._known[native] = found
        return found
