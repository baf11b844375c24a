"""What a new plan asks of the shards that run. Decisions, without I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from marketfeed.assignment import Assignment

READ_AGAIN: Final = frozenset({"generation", "symbols", "connects", "bans", "role", "peers", "watchdog", "limits"})
"""What a running shard takes from its assignment when that changes; for anything else it starts anew."""


@dataclass(frozen=True, slots=True)
class Rollout:
    """Steps, in this order: none of them lets two shards hold one stream, or all of them more than the address's budget."""

    stop: tuple[str, ...]
    """Shards that are no longer planned."""
    first: tuple[Assignment, ...]
    """Shards that give something up: to be confirmed before the next step."""
    then: tuple[Assignment, ...]
    """Shards that get something."""
    start: tuple[Assignment, ...]
    """New shards."""


def rollout(running: Mapping[str, Assignment], planned: Sequence[Assignment]) -> Rollout:
    """From what runs to what is planned."""
    names = {a.shard for a in planned}
    changed = [a for a in planned if a.shard in running and a != running[a.shard]]
    first = tuple(a for a in changed if _gives_up(running[a.shard], a))
    then = tuple(a for a in changed if a not in first)
    start = tuple(a for a in planned if a.shard not in running)
    return Rollout(tuple(name for name in running if name not in names), first, then, start)


def _gives_up(before: Assignment, after: Assignment) -> bool:
    had = {(s.symbol, c) for s in before.symbols for c in s.channels}
    has = {(s.symbol, c) for s in after.symbols for c in s.channels}
    return not had <= has or after.connects.count / after.connects.seconds < before.connects.count / before.connects.seconds


def starts_anew(before: Assignment, after: Assignment) -> bool:
    """Whether a running shard has to be started again for this change."""
    if before.limits.streams_per_connection != after.limits.streams_per_connection:
        return True  # open connections keep their streams, and may hold more than is now allowed
    natives = {s.symbol: s.native for s in before.symbols}
    if any(natives.get(s.symbol, s.native) != s.native for s in after.symbols):
        return True
    same = {name: getattr(before, name) for name in READ_AGAIN}
    return after.model_copy(update=same) != before
