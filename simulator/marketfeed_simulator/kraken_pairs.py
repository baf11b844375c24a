"""Kraken's pairs: their names, and their list on the WebSocket (docs.kraken.com, spot-websocket-v2 instrument, 2026-11)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from marketfeed_simulator.listing import Listing

_DECIMALS: Final = 8
"""Of sizes, of every pair."""
ONLINE: Final = "online"


def native(listing: Listing) -> str:
    """BTC/USDT: v2 has the common names."""
    return f"{listing.base}/{listing.quote}"


def listed(listing: Listing) -> Listing:
    """A listing as Kraken has it: named, numbers with all the decimals of their pair."""
    return replace(listing, native=native(listing), price_places=0, size_places=_DECIMALS, lot_decimals=_DECIMALS)


def instruments(listings: Sequence[Listing], kind: str) -> str:
    """All assets and pairs."""
    names = sorted({name for each in listings for name in (each.base, each.quote)})
    data = {"assets": [_asset(name) for name in names], "pairs": [_pair(each) for each in listings]}
    return json.dumps({"channel": "instrument", "type": kind, "data": data}, separators=(",", ":"))


def _asset(name: str) -> dict[str, Any]:
    return {
        "id": name,
        "status": "enabled",
        "precision": 10,
        "precision_display": 5,
        "borrowable": False,
        "collateral_value": 0.9,
        "margin_rate": 0.02,
    }


def _pair(listing: Listing) -> dict[str, Any]:
    tick_size, lot_size = float(listing.tick_size), float(listing.lot_size)
    return {
        "symbol": listing.native,
        "base": listing.base,
        "quote": listing.quote,
        "status": listing.status or ONLINE,
        "qty_precision": listing.lot_decimals,
        "qty_increment": lot_size,
        "price_precision": listing.tick_decimals,
        "cost_precision": 5,
        "marginable": False,
        "has_index": True,
        "cost_min": 0.5,
        "tick_size": tick_size,
        "price_increment": tick_size,
        "qty_min": lot_size,
    }
