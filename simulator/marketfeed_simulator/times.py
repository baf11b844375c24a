"""When the steps of a market were made."""

from __future__ import annotations

from bisect import bisect_left

MOST = 1 << 18
"""Moments that are kept; earlier ones follow from a pace."""
EARLIER_MS = 10
"""Before the first moment that is kept a round is thought to have taken so long."""


class Times:
    """A step is (round, place). Each moment is kept with the last step that was made at it. Markets begin with round 0."""

    def __init__(self) -> None:
        self._since = 0, 0
        """Steps before this one are older than what is kept: (round, places before which they are)."""
        self._until: list[tuple[int, int]] = []
        """Rising: (round, places before which all steps were made)."""
        self._ms: list[int] = []

    def mark(self, rounds: int, cursor: int, now_ms: int) -> None:
        """Steps up to this round, and in it those of places before the cursor, were made by now."""
        if self._ms and self._ms[-1] >= now_ms:  # a clock that is set back does not put trades out of order
            self._until[-1] = rounds, cursor
            return
        self._until.append((rounds, cursor))
        self._ms.append(now_ms)
        if len(self._ms) > MOST:
            self._since = self._until[MOST // 2 - 1]
            del self._until[: MOST // 2], self._ms[: MOST // 2]

    def at(self, step: int, place: int) -> int:
        """When a step was made, as ms since the epoch; of one that was not: the last moment."""
        if not self._ms:
            return 0
        if (step, place + 1) <= self._since:
            return self._ms[0] - (self._since[0] - step) * EARLIER_MS
        return self._ms[min(bisect_left(self._until, (step, place + 1)), len(self._ms) - 1)]

    def since(self, time_ms: int, place: int) -> int:
        """The first step of a place that was made at this time or later, or comes next."""
        found = bisect_left(self._ms, time_ms)
        if found:
            rounds, cursor = self._until[found - 1]
        else:
            rounds, cursor = self._since
            rounds -= max(0, self._ms[0] - time_ms) // EARLIER_MS if self._ms else 0
        return rounds + (place < cursor)
