"""The budget of REST calls: at most so much weight in any interval of a given length, without a burst beyond it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Protocol

GUARD_S = 0.1
"""Added to every interval: two calls that leave a minute apart may arrive a little closer."""


class Turns(Protocol):
    """Moments at which something may be asked, where many share a budget."""

    def next(self, now_s: float) -> float:
        """`now_s` while it is our turn, else when it comes."""
        ...


class Weights:
    """A strict rolling window of weight, the same for whichever interval an exchange looks at."""

    def __init__(self, count: int, seconds: float, turns: Turns | None = None) -> None:
        self._taken: deque[tuple[float, int]] = deque()
        self._used = 0
        self.resize(count, seconds, turns)

    def resize(self, count: int, seconds: float, turns: Turns | None = None) -> None:
        """Another budget from now on; what was taken counts."""
        if count < 1 or seconds <= 0:
            raise ValueError(f"a budget of {count} in {seconds} s allows nothing")
        self.count, self.seconds, self._turns = count, seconds, turns

    def remember(self, taken: Iterable[tuple[float, int]]) -> None:
        """This was taken before, in rising order: (when, weight)."""
        earlier = list(taken)
        self._taken.extendleft(reversed(earlier))
        self._used += sum(weight for _, weight in earlier)

    def free_at(self, weight: int, now_s: float, spare: int = 0) -> float:
        """When so much may be taken: `now_s` or later; never, where it is more than the whole budget.

        `spare`: so much has to be left over, as far as the budget holds both.
        """
        self._forget(now_s)
        if weight > self.count:
            return float("inf")
        excess = self._used + min(weight + spare, self.count) - self.count
        free_s = now_s
        for taken_s, taken in self._taken:
            if excess <= 0:
                break
            excess -= taken
            free_s = taken_s + self.seconds + GUARD_S
        return free_s if self._turns is None else self._turns.next(free_s)

    def take(self, weight: int, now_s: float, spare: int = 0) -> bool:
        """Take so much if that is allowed."""
        if self.free_at(weight, now_s, spare) > now_s:
            return False
        self._taken.append((now_s, weight))
        self._used += weight
        return True

    def _forget(self, now_s: float) -> None:
        while self._taken and self._taken[0][0] + self.seconds + GUARD_S <= now_s:
            self._used -= self._taken.popleft()[1]
