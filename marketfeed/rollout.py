"""What a new plan asks of the shards that run. Decisions, without I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from marketfeed.assignment import Assignment, Share
from marketfeed.exchanges import catalogue

SHARES: Final = ("connects", "connects_burst", "rest")
"""Parts of what an exchange counts by address."""
READ_AGAIN: Final = frozenset(
    {"generation", "symbols", *SHARES, "bans", "role", "peers", "watchdog", "limits", "backfill", "book_depth"}
)
"""What a running shard takes from its assignment when that changes; `lasting` is the rest."""


@dataclass(frozen=True, slots=True)
class Rollout:
    """Steps, in this order: none of them lets two shards hold one stream, or all of them more than the address's budget."""

    stop: tuple[str, ...]
    """Shards that are no longer planned."""
    first: tuple[Assignment, ...]
    """Shards that give something up, with nothing that they did not have: to be confirmed before the next step."""
    then: tuple[Assignment, ...]
    """Shards that get something."""
    start: tuple[Assignment, ...]
    """New shards."""


def rollout(running: Mapping[str, Assignment], planned: Sequence[Assignment]) -> Rollout:
    """From what runs to what is planned."""
    names = {a.shard for a in planned}
    first: list[Assignment] = []
    then: list[Assignment] = []
    for after in planned:
        before = running.get(after.shard)
        if before is None or before == after:
            continue
        if not _gives_up(before, after):
            then.append(after)
            continue
        others = [a for a in (*running.values(), *planned) if a.shard != after.shard and a.exchange == after.exchange]
        kept = _kept(before, after, others)
        first.append(kept)
        if kept != after:
            then.append(after.model_copy(update={"generation": after.generation + 1}))
    start = tuple(a for a in planned if a.shard not in running)
    return Rollout(tuple(name for name in running if name not in names), tuple(first), tuple(then), start)


def _gives_up(before: Assignment, after: Assignment) -> bool:
    return not _streams(before) <= _streams(after) or any(
        _lower(getattr(before, name), getattr(after, name)) for name in SHARES
    )


def _lower(before: Share | None, after: Share | None) -> bool:
    """Whether a share is less than it was, or at other times."""
    if before is None or after is None:
        return before is not None
    if _rate(before) != _rate(after):
        return _rate(after) < _rate(before)
    return (before.turn_s, before.period_s) != (after.turn_s, after.period_s)


def _kept(before: Assignment, after: Assignment, others: Sequence[Assignment]) -> Assignment:
    """The assignment after without what others may still have: streams that they carried, shares that they had."""
    theirs = {stream for other in others for stream in _streams(other)} - _streams(before)
    symbols = [(s, tuple(c for c in s.channels if (after.market, s.symbol, c) not in theirs)) for s in after.symbols]
    kept = tuple(s.model_copy(update={"channels": channels}) for s, channels in symbols if channels)
    shares = {}
    for name in SHARES if others else ():
        was, will = getattr(before, name), getattr(after, name)
        if was is not None and will is not None and _rate(was) < _rate(will):
            shares[name] = was
    return after.model_copy(update={"symbols": kept, **shares})


def _streams(assignment: Assignment) -> set[tuple[str, str, str]]:
    return {(assignment.market, s.symbol, c) for s in assignment.symbols for c in s.channels}


def _rate(share: Share) -> float:
    """So much a second."""
    return share.count / share.seconds


def lasting(assignment: Assignment) -> dict[str, Any]:
    """What a shard has for as long as it runs: where that changes, it starts anew. Defaults are left out."""
    settings = assignment.model_dump(mode="json", exclude=set(READ_AGAIN), exclude_defaults=True)
    # Open connections keep their streams, and may hold more than is allowed later.
    settings["streams_per_connection"] = assignment.limits.streams_per_connection
    market = catalogue.market(assignment.exchange, assignment.market)
    if market.cuts_books:  # all books of a shard are cut to this
        settings["book_depth"] = market.depth(assignment.book_depth)
    return settings


def starts_anew(before: Assignment, after: Assignment) -> bool:
    """Whether a running shard has to be started again for this change."""
    natives = {s.symbol: s.native for s in before.symbols}
    if any(natives.get(s.symbol, s.native) != s.native for s in after.symbols):
        return True
    return lasting(before) != lasting(after)
