"""Symbols as OKX writes them, and what its contracts are (docs-v5 get-instruments, 2026-07)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from marketfeed_simulator.listing import PERPETUAL, SHORTEST, Listing

TYPES: Final = {"spot": ("SPOT",), "linear": ("SWAP", "FUTURES"), "inverse": ("SWAP", "FUTURES")}
_SWAP: Final = "-SWAP"
_CONTRACTS: Final = {"BTC": "0.01", "ETH": "0.1"}
"""Of linear contracts, in the base currency; of others one unit of it."""
_INVERSE_CONTRACTS: Final = {"BTC": "100"}
"""Of inverse contracts, in dollars; of others ten."""


def listed(listing: Listing) -> Listing:
    """A listing as OKX has it: named, numbers without needless zeros, sizes of derivatives in contracts."""
    named = replace(listing, native=native(listing), price_places=SHORTEST, size_places=SHORTEST)
    if not listing.term:
        return named
    if listing.inverse:
        return replace(named, contract=_INVERSE_CONTRACTS.get(listing.base, "10"))
    return replace(named, contract=_CONTRACTS.get(listing.base, "1"), lot_decimals=2)


def native(listing: Listing) -> str:
    """BTC-USDT; perpetual BTC-USDT-SWAP; dated BTC-USDT-261225."""
    pair = f"{listing.base}-{listing.quote}"
    if listing.term == PERPETUAL:
        return pair + _SWAP
    return f"{pair}-{listing.term}" if listing.term else pair


def type_of(name: str) -> str:
    """SPOT, SWAP or FUTURES, by a symbol's form."""
    if name.endswith(_SWAP):
        return "SWAP"
    return "FUTURES" if name.count("-") == 2 else "SPOT"


def index_of(name: str) -> str:
    """The index that a derivative follows: BTC-USDT of BTC-USDT-SWAP."""
    return "-".join(name.split("-")[:2])


def follower(index_name: str, traded: Mapping[str, int]) -> int | None:
    """The place of a symbol that follows an index, the perpetual one before others; null: none is traded."""
    at = traded.get(index_name + _SWAP)
    if at is not None or index_name.count("-") != 1:
        return at
    return next((at for name, at in traded.items() if name.startswith(f"{index_name}-")), None)
