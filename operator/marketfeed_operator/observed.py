"""What is known of a feed when its status is judged, and what has to be remembered between two judgements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from marketfeed.planner import Plan
from marketfeed.problem import Problem

NOTHING: Final = Plan((), {})
"""The plan of a feed of which nothing was ever accepted, or that is paused."""


@dataclass(frozen=True, slots=True)
class Absence:
    """Why a shard tells no status."""

    why: str
    """In words that stay the same while nothing changes, such as `the pod is Pending`."""
    fault: bool = False
    """It will not come by waiting: the image cannot be pulled, the pod crashes, no node fits."""


Told: TypeAlias = Mapping[str, Any] | Absence
"""A shard's `/status`, or why there is none."""


@dataclass(frozen=True, slots=True)
class Observed:
    """All that a status is computed from."""

    generation: int
    """Of the MarketFeed, as it was read."""
    plan: Plan
    """What is to run: of this spec, or of the last accepted one where this is refused."""
    stale_after_s: float
    """The watchdog's, of the spec that the plan is of."""
    problems: tuple[Problem, ...] = ()
    """Why the spec is refused; none: it is accepted."""
    list_faults: Mapping[str, str] = field(default_factory=dict)
    """By the place of a selector: why the instrument list that it goes by cannot be had."""
    paused: bool = False
    told: Mapping[str, Told] = field(default_factory=dict)
    """By shard. One that is not in it was not asked yet: of it stays what the status has."""
    refused: tuple[str, ...] = ()
    """Children that the API server refused, each with its reason."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What a judgement hands to the next one of the same feed. Lost with the operator, and nothing flaps for it."""

    unwell_since_s: Mapping[str, float] = field(default_factory=dict)
    """By shard: since when not all is as it should be, by the clock that never jumps."""
    was_well: frozenset[str] = frozenset()
    """Shards that were well before: from them more is expected than from those that are just starting."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """A status, and the memory for the next one."""

    status: dict[str, Any]
    memory: Memory
