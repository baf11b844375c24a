"""Whether a stream is fresh, judged by its own pace; and when one that is silent is worth another subscription.

A quiet market is no fault: a stream counts as stale only when it is silent for much longer than it usually is. Decisions only;
the caller counts messages and says what time it is.
"""

from __future__ import annotations

from dataclasses import dataclass

SHORTEST_PERIOD_S = 60.0
"""No stream is taken for stale before."""
LONGEST_PERIOD_S = 3600.0
USUAL_INTERVALS = 20.0
"""A stream is stale after so many of its usual intervals between messages."""
FIRST_ATTEMPT_S = 30.0
"""After a subscription that brought nothing."""
LONGEST_WAIT_S = 1800.0


@dataclass(slots=True)
class Pulse:
    """One stream, from its subscription on."""

    counted: int
    """Messages when it was last looked at."""
    began_s: float
    """First subscribed."""
    began_count: int = 0
    quiet_since_s: float = 0.0
    """Last seen to deliver, or subscribed."""
    stale: bool = False
    _wait_s: float = FIRST_ATTEMPT_S
    _attempt_s: float | None = None
    """When the next attempt is due, after one that brought nothing; None: not before it is stale."""

    @classmethod
    def subscribed(cls, messages: int, now_s: float) -> Pulse:
        """A stream that is subscribed now: it has to prove itself."""
        return cls(messages, now_s, messages, now_s, _wait_s=2.0 * FIRST_ATTEMPT_S, _attempt_s=now_s + FIRST_ATTEMPT_S)

    @property
    def proven(self) -> bool:
        """Whether it delivered since it was subscribed."""
        return self.counted > self.began_count

    def period_s(self) -> float:
        """How long it may be silent."""
        messages = self.counted - self.began_count
        usual_s = (self.quiet_since_s - self.began_s) / messages if messages else 0.0
        return min(max(SHORTEST_PERIOD_S, USUAL_INTERVALS * usual_s), LONGEST_PERIOD_S)

    def look(self, messages: int, now_s: float) -> None:
        """So many messages came so far."""
        if messages != self.counted:
            self.counted, self.quiet_since_s = messages, now_s
            self.stale, self._wait_s, self._attempt_s = False, FIRST_ATTEMPT_S, None
        elif self.proven and now_s - self.quiet_since_s > self.period_s():
            self.stale = True

    def wants_renewal(self, now_s: float) -> bool:
        """Whether it should be subscribed again now."""
        return now_s >= self._attempt_s if self._attempt_s is not None else self.stale

    def reconnected(self, now_s: float) -> None:
        """It is subscribed on a new socket, which has to prove itself."""
        self._attempt_s = now_s + FIRST_ATTEMPT_S
        self._wait_s = max(self._wait_s, 2.0 * FIRST_ATTEMPT_S)

    def renewed(self, now_s: float) -> None:
        """It is subscribed again; if that brings nothing the next attempt waits twice as long."""
        self._attempt_s = now_s + self._wait_s
        self._wait_s = min(2.0 * self._wait_s, LONGEST_WAIT_S)
