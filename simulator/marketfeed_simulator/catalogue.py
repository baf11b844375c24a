"""The exchanges that can be simulated. A further one is its files and its lines here."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from marketfeed_simulator import binance, binance_futures, bybit, kraken, okx
from marketfeed_simulator.exchange import Exchange

EXCHANGES: dict[tuple[str, str], Exchange] = {
    (made.name, made.market): made
    for made in (binance.SPOT, *binance_futures.MARKETS, *bybit.MARKETS, *okx.MARKETS, kraken.SPOT)
}


def exchange(name: str, market: str, **limits: Any) -> Exchange:
    """One of them, with single limits changed. Raises `LookupError` with a sentence that names those there are."""
    names = sorted({name for name, _ in EXCHANGES})
    if name not in names:
        raise LookupError(f"unknown exchange {name!r}; there are {', '.join(names)}")
    found = EXCHANGES.get((name, market))
    if found is None:
        markets = ", ".join(m for n, m in EXCHANGES if n == name)
        raise LookupError(f"{name} has no market {market!r}; it has {markets}")
    return replace(found, limits=replace(found.limits, **limits)) if limits else found
