"""Assignments of a feed of Binance spot, as a planner writes them."""

from __future__ import annotations

from marketfeed.assignment import Assignment, EffectiveLimits, Share, SymbolStreams
from marketfeed.resource import Grpc, Publishers


def assignment(number: int = 0, symbols: str = "AB", *, attempts: int = 100, port: int = 9090) -> Assignment:
    """Of the shard with this number; a letter of `symbols` is the base of one."""
    return Assignment(
        generation=1,
        feed="feed",
        shard=f"feed-binance-spot-{number}",
        exchange="binance",
        market="spot",
        symbols=tuple(SymbolStreams(symbol=f"{c}-USDT", native=f"{c}USDT", channels=("trades",)) for c in symbols),
        limits=EffectiveLimits(streams_per_connection=900, messages_per_second=2),
        connects=Share(count=attempts, seconds=300),
        publishers=Publishers(grpc=Grpc(port=port)),
    )
