"""The exchanges there are. A further one is one file and one line here."""

from __future__ import annotations

from marketfeed.exchanges import binance, bybit, kraken, okx
from marketfeed.exchanges.exchange import Market

MARKETS: dict[tuple[str, str], Market] = {
    (m.exchange, m.name): m for m in (*binance.MARKETS, *bybit.MARKETS, *okx.MARKETS, *kraken.MARKETS)
}

_KRAKEN_FUTURES = "its documented futures feed ends on 2027-03-01"
REFUSED: dict[tuple[str, str], str] = {("kraken", "linear"): _KRAKEN_FUTURES, ("kraken", "inverse"): _KRAKEN_FUTURES}
"""Markets that the exchange has and that are left out on purpose: why."""


def market(exchange: str, name: str) -> Market:
    """One market of one exchange. Raises `LookupError` with a sentence that names those there are."""
    try:
        return MARKETS[exchange, name]
    except KeyError:
        if exchange not in exchanges():
            raise LookupError(f"unknown exchange {exchange!r}; there are {', '.join(exchanges())}") from None
        why = f": {reason}" if (reason := REFUSED.get((exchange, name))) else ""
        raise LookupError(f"{exchange} has no market {name!r}{why}; it has {', '.join(markets(exchange))}") from None


def exchanges() -> list[str]:
    """Names of the exchanges, sorted."""
    return sorted({exchange for exchange, _ in MARKETS})


def markets(exchange: str) -> list[str]:
    """Names of an exchange's markets, in the order in which its file lists them."""
    return [name for e, name in MARKETS if e == exchange]
