"""REST calls that Binance's markets have in common; what differs is their path and weight."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from marketfeed.exchanges.exchange import Call, Hole

ROWS = 1000
"""Trades of one answer at most (rest-api.md, 2026-07-21; Compressed-Aggregate-Trades-List, stored 2026)."""


def book(path: str, weights: Mapping[int, int], native: str, depth: int | None) -> Call:
    """The fewest levels that hold `depth`, else the most there are. `weights`: levels → weight of the call."""
    levels = min((d for d in weights if depth is not None and d >= depth), default=max(weights))
    return Call(f"{path}?symbol={quote(native)}&limit={levels}", weights[levels])


def trades(path: str, weight: int, native: str, hole: Hole) -> Call:
    """From the first missing id on."""
    begin = "" if hole.first is None else f"&fromId={hole.first}"
    return Call(f"{path}?symbol={quote(native)}{begin}&limit={ROWS}", weight)
