"""How long something took, each time: a histogram for the metrics."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field

BOUNDS_S = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0)


@dataclass(slots=True)
class Durations:
    """All of one kind."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_S) + 1))
    """By bucket, the last one without a bound."""
    sum_s: float = 0.0

    def add(self, duration_s: float) -> None:
        """It happened once more. A clock that was set back counts as no time."""
        self.counts[bisect_left(BOUNDS_S, duration_s)] += 1
        self.sum_s += max(0.0, duration_s)
