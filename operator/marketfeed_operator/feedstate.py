"""What the operator remembers of a feed between two pieces of work on it. All of it can be lost: the cluster has the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from marketfeed.assignment import Assignment
from marketfeed.planner import Plan
from marketfeed.problem import Problem
from marketfeed.resource import MarketFeed, Watchdog
from marketfeed_operator.manifests import Owner
from marketfeed_operator.observed import NOTHING, Memory, Observed, Told

ORPHANED_S: Final = 10.0
"""Pods without their Deployment are on their way out, and the API server takes a moment to say so; later they stay."""


def generation_of(report: Mapping[str, Any]) -> int:
    """Of the assignment that a shard says it carries; 0 where it says nothing of the kind."""
    generation = report.get("generation")
    return generation if isinstance(generation, int) else 0


@dataclass(slots=True)
class FeedState:
    """One feed, of one uid."""

    manifest: Mapping[str, Any]
    """As last read."""
    feed: MarketFeed | None = None
    """What runs: the spec that is accepted, or was last."""
    spec: Any = None
    """The spec of that."""
    plan: Plan = NOTHING
    problems: tuple[Problem, ...] = ()
    list_faults: Mapping[str, str] = field(default_factory=dict)
    """By the place of a selector: why the instrument list that it goes by cannot be had."""
    refused: tuple[str, ...] = ()
    """Children that the API server did not take."""
    status: Mapping[str, Any] = field(default_factory=dict)
    """As the API server has it."""
    memory: Memory = field(default_factory=Memory)
    told: dict[str, Told] = field(default_factory=dict)
    """By shard: what it said last, or why it says nothing."""
    orphans_s: dict[str, float] = field(default_factory=dict)
    """Pods without their Deployment, by uid: since when."""

    @property
    def uid(self) -> str:
        return str(self.manifest["metadata"]["uid"])

    @property
    def owner(self) -> Owner:
        metadata = self.manifest["metadata"]
        return Owner(metadata["name"], metadata["namespace"], metadata["uid"])

    @property
    def paused(self) -> bool:
        return self.feed is not None and self.feed.spec.paused

    @property
    def is_ready(self) -> bool:
        """Whether the status says so."""
        return any(c.get("type") == "Ready" and c.get("status") == "True" for c in self.status.get("conditions", ()))

    def planned(self) -> tuple[Assignment, ...]:
        """The shards that are to run."""
        return () if self.paused else self.plan.assignments

    def lags(self, assignment: Assignment) -> bool:
        """Whether a shard has said that it carries an older assignment."""
        told = self.told.get(assignment.shard)
        return isinstance(told, Mapping) and generation_of(told) < assignment.generation

    def observed(self) -> Observed:
        """All that the status is computed from."""
        watchdog = self.feed.spec.watchdog if self.feed is not None else Watchdog()
        return Observed(
            generation=self.manifest["metadata"]["generation"],
            plan=self.plan,
            stale_after_s=watchdog.stale_after,
            problems=self.problems,
            list_faults=self.list_faults,
            paused=self.paused,
            told=self.told,
            refused=self.refused,
        )
