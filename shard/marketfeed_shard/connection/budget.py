"""Budgets: at most so many in any interval of a given length, without a burst beyond it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

GUARD_S = 0.1
"""Added to every interval: two messages that leave a second apart may arrive a little closer."""
TURN_S = 0.25
"""How long a turn lasts."""


class Window:
    """At most `count` in any `seconds`: a strict rolling window, the same for whichever interval an exchange looks at."""

    def __init__(self, count: int, seconds: float) -> None:
        self._taken: deque[float] = deque()
        self.resize(count, seconds)

    def resize(self, count: int, seconds: float) -> None:
        """Another budget from now on; what was taken counts."""
        if count < 1 or seconds <= 0:
            raise ValueError(f"a budget of {count} in {seconds} s allows nothing")
        self.count, self.seconds = count, seconds

    def remember(self, taken_s: Iterable[float]) -> None:
        """These were taken before, in rising order."""
        self._taken.extendleft(reversed(list(taken_s)))

    def free_at(self, now_s: float, reserve: int = 0) -> float:
        """When the next one may be taken: `now_s` or later. `reserve`: so many are left for what is more urgent."""
        self._forget(now_s)
        count = max(1, self.count - reserve)
        if len(self._taken) < count:
            return now_s
        return self._taken[-count] + self.seconds + GUARD_S

    def take(self, now_s: float, reserve: int = 0) -> bool:
        """Take one if that is allowed."""
        if self.free_at(now_s, reserve) > now_s:
            return False
        self._taken.append(now_s)
        return True

    def _forget(self, now_s: float) -> None:
        while self._taken and self._taken[0] + self.seconds + GUARD_S <= now_s:
            self._taken.popleft()


@dataclass(frozen=True, slots=True)
class Turns:
    """Moments at which something may happen, one a period: where many share a budget, each has its own."""

    first_s: float
    period_s: float

    def next(self, now_s: float) -> float:
        """`now_s` while it is our turn, else when it comes."""
        since_s = (now_s - self.first_s) % self.period_s
        return now_s if since_s <= TURN_S else now_s + self.period_s - since_s


def of_rate(per_second: float) -> tuple[int, float]:
    """(count, seconds) of a rate; below one a second it is one in a longer interval."""
    return (int(per_second), 1.0) if per_second >= 1 else (1, 1.0 / per_second)
