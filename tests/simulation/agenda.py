"""What is to happen, in order, under a clock that jumps from one to the next."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import NamedTuple

from marketfeed.clock import ManualClock

EPOCH_NS = 1_767_225_600_000_000_000
"""A day begins at midnight."""


class _Event(NamedTuple):
    when_s: float
    number: int
    """What is due at the same time happens in the order in which it was noted."""
    act: Callable[[], None]


class Agenda:
    """Everything that is yet to happen."""

    def __init__(self) -> None:
        self.clock = ManualClock(0.0, EPOCH_NS)
        self._events: list[_Event] = []
        self._count = 0

    @property
    def now_s(self) -> float:
        return self.clock.monotonic()

    @property
    def now_ms(self) -> int:
        return self.clock.time_ns() // 1_000_000

    @property
    def next_s(self) -> float:
        """When the next is due."""
        return self._events[0].when_s if self._events else float("inf")

    def at(self, when_s: float, act: Callable[[], None]) -> None:
        """Note something; what is late happens at once."""
        self._count += 1
        heapq.heappush(self._events, _Event(when_s, self._count, act))

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        self.at(self.now_s + seconds, act)

    def advance(self, to_s: float) -> None:
        """Turn the clock; it never goes back."""
        self.clock.advance(max(0.0, to_s - self.now_s))

    def act(self) -> bool:
        """Let the first thing that is due happen; whether there was one."""
        if self.next_s > self.now_s:
            return False
        heapq.heappop(self._events).act()
        return True
