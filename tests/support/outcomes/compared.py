"""A case of another project, and one thing of it beside ours."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple


@dataclass(frozen=True)
class Case:
    """One message, and what the other one makes of it."""

    id: str
    exchange: str
    market: str
    channel: str
    transport: str
    raw: str
    expect: dict[str, Any]
    group: str = ""
    """Messages that go through one mapper, where it has a state …"""
    local_timestamp: str = ""
    """… which depends on the date."""

    def __str__(self) -> str:
        return f"{self.expect['style']} {self.exchange} {self.market} {self.channel} {self.id.rpartition('-')[2]}"


class Compared(NamedTuple):
    """One thing that both tell."""

    name: str
    """In the other one's words."""
    theirs: Any
    ours: Any


Vocabulary = tuple[tuple[str, Callable[..., Any] | None], ...]
"""(pattern of a path, (our event, all our events, what the pattern's groups found) → our value); null: not in our words."""

ABSENT = object()
"""Ours does not tell it in this unit."""


def asserted(
    asserts: dict[str, Any], vocabulary: Vocabulary, events: list[dict[str, Any]], plain: Callable[[Any], Any]
) -> list[Compared]:
    """Paths that a test asserts, each beside the value of ours. A path that no pattern fits is an error."""
    compared = []
    for path, theirs in asserts.items():
        find, found = next((find, m) for pattern, find in vocabulary if (m := re.fullmatch(pattern, path)))
        if find is None:
            continue
        ours = find(events[0] if events else {}, events, *found.groups())
        if ours is not ABSENT:
            compared.append(Compared(path, plain(theirs), plain(ours)))
    return compared


def worded(value: Any) -> Any:
    """Numbers by their value, whatever their digits; all else as it is."""
    if isinstance(value, bool) or not re.fullmatch(r"-?\d+(\.\d+)?(e-?\d+)?", str(value)):
        return value
    return Decimal(str(value))


def level(event: dict[str, Any], side: str, at: str) -> list[str]:
    """A level of ours; beyond the last one nothing is bid or asked."""
    levels: list[list[str]] = event[side]
    return levels[int(at)] if int(at) < len(levels) else ["0", "0"]
