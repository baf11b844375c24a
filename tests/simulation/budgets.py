"""What the assignment allows the shard, counted as it is spent. The exchange's own limits are counted where it is simulated."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from marketfeed.assignment import Assignment, Share
from tests.simulation.agenda import Agenda
from tests.simulation.broken import BrokenError


class Rolling:
    """At most so much in any interval: raises `BrokenError` at once where it is more."""

    def __init__(self, what: str, count: float, seconds: float) -> None:
        self._what, self._count, self._seconds = what, count, seconds
        self._taken: deque[tuple[float, float]] = deque()
        self._total = 0.0

    def take(self, now_s: float, weight: float = 1.0) -> None:
        """So much more."""
        while self._taken and self._taken[0][0] <= now_s - self._seconds:
            self._total -= self._taken.popleft()[1]
        self._taken.append((now_s, weight))
        self._total += weight
        if self._total > self._count:
            raise BrokenError(f"{self._total:g} {self._what} within {self._seconds:g} s, and {self._count:g} are allowed")


class Budgets:
    """Of one address."""

    def __init__(self, assignment: Assignment) -> None:
        self._messages = assignment.limits.messages_per_second
        shares = [share for share in (assignment.connects, assignment.connects_burst) if share is not None]
        self._attempts = [self._rolling("attempts to connect", share) for share in shares]
        rest = assignment.rest
        self._calls = None if rest is None else self._rolling("weight of REST calls", rest)

    def attempt(self, now_s: float) -> None:
        """A socket is opened."""
        for window in self._attempts:
            window.take(now_s)

    def call(self, weight: int, now_s: float) -> None:
        """A REST call goes out."""
        if self._calls is None:
            raise BrokenError("a REST call, and none is allowed")
        self._calls.take(now_s, weight)

    def connection(self, agenda: Agenda) -> Callable[[], None]:
        """For a new connection: to be called for each frame that the client sends on it."""
        window = Rolling("frames of a client on one connection", self._messages, 1.0)
        return lambda: window.take(agenda.now_s)

    def _rolling(self, what: str, share: Share) -> Rolling:
        return Rolling(what, share.count, share.seconds)
