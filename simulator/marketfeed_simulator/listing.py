"""The symbols that a simulated exchange lists: names, terms, and how many decimals their prices and sizes have."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from marketfeed.symbols import is_symbol

# Base, quote, price (whose decimals are the tick's), decimals of a size.
_KNOWN = [
    line.split()
    for line in """
    BTC USDT 61837.63 5
    ETH USDT 2683.41 4
    BNB USDT 571.80 3
    SOL USDT 163.52 3
    XRP USDT 0.6213 0
    DOGE USDT 0.10734 0
    ADA USDT 0.3587 1
    TRX USDT 0.1274 1
    AVAX USDT 23.46 2
    LINK USDT 10.87 2
    DOT USDT 4.812 2
    LTC USDT 63.58 3
    BCH USDT 351.4 3
    UNI USDT 6.254 2
    NEAR USDT 4.273 1
    ATOM USDT 4.816 2
    APT USDT 6.58 2
    FIL USDT 3.954 2
    ETC USDT 19.87 2
    XLM USDT 0.1023 0
    SUI USDT 0.9421 1
    ARB USDT 0.5738 1
    OP USDT 1.482 2
    INJ USDT 20.18 2
    AAVE USDT 101.47 3
    SHIB USDT 0.00001412 0
    PEPE USDT 0.00000831 0
    WIF USDT 1.764 2
    SEI USDT 0.2916 1
    TIA USDT 5.637 2
    ETH BTC 0.04339 4
    BNB BTC 0.009247 3
    SOL BTC 0.0026443 2
    BTC USDC 61842.05 5
    ETH USDC 2683.77 4
    BTC FDUSD 61839.48 5
    ETH FDUSD 2683.52 4
    BTC EUR 56611.22 5
    SOL ETH 0.06094 3
    DOGE BTC 0.00000174 0
    """.strip().splitlines()
]


PERPETUAL: Final = "PERP"
SHORTEST: Final = -1
"""Decimals of a text that has as few as its number takes (OKX)."""
_FORMS: Final = {
    "spot": "BTC-USDT",
    "linear": "BTC-USDT-PERP or BTC-USDT-261225",
    "inverse": "BTC-USD-PERP or BTC-USD-261225",
}


@dataclass(frozen=True, slots=True)
class Listing:
    """One symbol."""

    base: str
    quote: str
    price_ticks: int
    """About where it trades, in ticks."""
    tick_decimals: int
    lot_decimals: int
    term: str = ""
    """`PERP`, or the day of expiry as yymmdd; empty: spot."""
    native: str = ""
    """As the exchange writes it; base and quote where nothing is said."""
    price_places: int = 8
    """Decimals that prices are written with, where they need fewer; `SHORTEST`: none that they do not need."""
    size_places: int = 8
    """And sizes."""
    contract: str = ""
    """What one contract is, where sizes count contracts: so much of the base, or of the quote currency where `inverse`."""
    inverse: bool = False
    """It is settled in the base currency."""
    status: str = ""
    """The exchange's own word where it is not simply traded."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "native", self.native or self.base + self.quote)

    def called(self, native: str) -> Listing:
        """The same with the exchange's name."""
        return replace(self, native=native)

    @property
    def symbol(self) -> str:
        """Normalised: BTC-USDT, BTC-USDT-PERP, BTC-USD-261225."""
        return "-".join(filter(None, (self.base, self.quote, self.term)))

    @property
    def expiry_ms(self) -> int | None:
        """Of a dated future: 08:00 UTC of its day; else null."""
        if not self.term or self.term == PERPETUAL:
            return None
        day = datetime.strptime(self.term, "%y%m%d").replace(tzinfo=UTC)
        return int((day + timedelta(hours=8)).timestamp() * 1000)

    @property
    def tick_size(self) -> str:
        return decimal(1, self.tick_decimals, self.price_places)

    @property
    def lot_size(self) -> str:
        return decimal(1, self.lot_decimals, self.size_places)


def decimal(units: int, decimals: int, least: int = 8) -> str:
    """So many units of the last decimal as exact text of `least` decimals, or of more where there are more."""
    places = max(decimals, least)
    whole, rest = divmod(units * 10 ** (places - decimals), 10**places)
    text = f"{whole}.{rest:0{places}d}" if places else str(whole)
    return text.rstrip("0").rstrip(".") if places and least == SHORTEST else text


def listings(count: int, market: str = "spot") -> list[Listing]:
    """The first so many: those that everybody knows, then `SYM041USDT` and so on. Derivatives are perpetual."""
    if market == "spot":
        known = [_known(line) for line in _KNOWN[:count]]
        return known + [_made(f"SYM{number:03d}", "USDT") for number in range(len(known) + 1, count + 1)]
    quote = "USD" if market == "inverse" else "USDT"
    bases = [line[0] for line in _KNOWN if line[1] == "USDT"][:count]
    bases += [f"SYM{number:03d}" for number in range(len(bases) + 1, count + 1)]
    return [_derivative(base, quote, PERPETUAL) for base in bases]


def named(symbols: Iterable[str], market: str = "spot") -> list[Listing]:
    """Listings of these symbols, written `BTC-USDT`, of derivatives `BTC-USDT-PERP` or `BTC-USDT-261225`.

    Raises `ValueError` for one that is written otherwise or twice.
    """
    known = {tuple(line[:2]): line for line in _KNOWN}
    found: dict[str, Listing] = {}
    for symbol in symbols:
        base, quote, term = [*symbol.split("-"), "", ""][:3]
        if (
            not is_symbol(symbol)
            or (market == "spot") == bool(term)
            or (market == "inverse") != (quote == "USD" and bool(term))
        ):
            raise ValueError(f"{symbol!r} is no {market} symbol: write it as {_FORMS[market]}")
        if symbol in found:
            raise ValueError(f"{symbol} is named twice")
        line = known.get((base, quote))
        found[symbol] = _derivative(base, quote, term) if term else _known(line) if line else _made(base, quote)
    return list(found.values())


def _known(line: list[str]) -> Listing:
    base, quote, price, lot_decimals = line
    whole, _, rest = price.partition(".")
    return Listing(base, quote, int(whole + rest), len(rest), int(lot_decimals))


def _made(base: str, quote: str) -> Listing:
    """Decimals and price follow from the name, so that they are the same in every run."""
    number = zlib.crc32(f"{base}-{quote}".encode())
    return Listing(base, quote, 1_000 + number % 90_000, number % 6, number % 4)


def _derivative(base: str, quote: str, term: str) -> Listing:
    """As its pair against USDT is; what follows the base's own currency is traded in whole contracts."""
    line = next((line for line in _KNOWN if line[:2] == [base, "USDT"]), None)
    pair = _known(line) if line else _made(base, "USDT")
    inverse = quote == "USD"
    return replace(
        pair,
        quote=quote,
        native="",
        term=term,
        inverse=inverse,
        contract="1" if inverse else "",
        lot_decimals=0 if inverse else min(pair.lot_decimals, 3),
    )
