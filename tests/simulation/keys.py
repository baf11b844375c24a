"""What tells the events of a stream apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

Key: TypeAlias = tuple[Any, ...]

_FIELDS = {
    "trades": ("id",),
    "bbo": ("ts", "bid_price", "bid_size", "ask_price", "ask_size"),
    "candles": ("ts", "open_time", "closed", "volume"),
    "liquidations": ("ts", "price", "size"),
    "derivative": ("ts", "mark_price", "index_price", "funding_rate", "next_funding_time", "open_interest"),
    "ticker": ("ts",),
}


def key(channel: str, event: Mapping[str, Any]) -> Key:
    """Of an event: its number where it has one."""
    if channel == "bbo" and event["seq"] is not None:
        return (event["seq"],)
    return tuple(event.get(field) for field in _FIELDS[channel.partition(".")[0]])


def keys(channel: str, event: Mapping[str, Any]) -> list[Key]:
    """Of a joined trade those of all its fills, in order; else its own."""
    count = int(event.get("count") or 1)
    if count == 1:
        return [key(channel, event)]
    last = int(event["id"])
    return [(str(number),) for number in range(last - count + 1, last + 1)]


def number(event: Mapping[str, Any]) -> int:
    """What tells the states of a book apart: its number, or the time, where the exchange gives it none."""
    found: int = event["ts"] if event["seq"] is None else event["seq"]
    return found
