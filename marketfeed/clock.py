"""Time as an argument: what decides asks a clock, and a test turns it."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Two clocks: one that never jumps, for waiting, and one that others share, for stamping."""

    def monotonic(self) -> float:
        """Seconds that never go back."""
        ...

    def time_ns(self) -> int:
        """Nanoseconds since the epoch."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def monotonic(self) -> float:
        return time.monotonic()

    def time_ns(self) -> int:
        return time.time_ns()


class ManualClock:
    """A clock that stands until it is turned."""

    def __init__(self, monotonic_s: float = 0.0, epoch_ns: int = 1_767_225_600_000_000_000) -> None:
        self._monotonic_s = monotonic_s
        self._epoch_ns = epoch_ns

    def monotonic(self) -> float:
        return self._monotonic_s

    def time_ns(self) -> int:
        return self._epoch_ns

    def advance(self, seconds: float) -> None:
        """Turn both clocks forward."""
        if seconds < 0:
            raise ValueError("a clock is never turned back")
        self._monotonic_s += seconds
        self._epoch_ns += round(seconds * 1e9)
