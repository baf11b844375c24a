"""Whether a stream is fresh, judged by its own pace; and when one that is silent is worth another subscription.

A quiet market is no fault: a stream counts as stale only when it is silent for much longer than it usually is. Decisions only;
the caller counts messages and says what time it is.
"""

from __future__ import annotations

from dataclasses import dataclass

from marketfeed_shard.connection.freshness import floor_s, least_messages

LONGEST_PERIOD_S = 3600.0
USUAL_INTERVALS = 20.0
"""A stream is stale after so many of its usual intervals between messages."""
LONGEST_SILENCES = 3.0
"""And not before it was silent for so many times its longest silence of late."""
FORGETS = 0.99
"""With each look at a stream that delivers, its longest silence counts this much less."""
UNKNOWN = 10.0
"""While its pace is not known, a stream may be silent for so many times the shortest time of its channel."""
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
    floor_s: float = 60.0
    """It is not taken for stale before."""
    least_messages: int = 1
    """While it brought fewer its pace is not known."""
    quiet_since_s: float = 0.0
    """Last seen to deliver, or subscribed."""
    stale: bool = False
    attempts: int = 0
    """Subscriptions that brought nothing, one after the other."""
    _longest_s: float = 0.0
    _wait_s: float = FIRST_ATTEMPT_S
    _attempt_s: float | None = None
    """When the next attempt is due, after one that brought nothing; None: not before it is stale."""

    @classmethod
    def subscribed(cls, channel: str, messages: int, now_s: float) -> Pulse:
        """A stream that is subscribed now: it has to prove itself."""
        pulse = cls(messages, now_s, messages, floor_s(channel), least_messages(channel), now_s)
        pulse.reconnected(now_s)
        return pulse

    @property
    def proven(self) -> bool:
        """Whether it delivered since it was subscribed."""
        return self.counted > self.began_count

    @property
    def has_pace(self) -> bool:
        """Whether it delivered enough to tell how often it does."""
        return self.counted - self.began_count >= self.least_messages

    @property
    def delivers(self) -> bool:
        """Whether it has delivered since it was last subscribed, and is not stale."""
        return self.proven and self._attempt_s is None

    def period_s(self) -> float:
        """How long it may be silent."""
        messages = self.counted - self.began_count
        usual_s = (self.quiet_since_s - self.began_s) / messages if messages else 0.0
        own_s = max(USUAL_INTERVALS * usual_s, LONGEST_SILENCES * self._longest_s)
        own_s = own_s if self.has_pace else max(own_s, UNKNOWN * self.floor_s)
        return max(self.floor_s, min(own_s, LONGEST_PERIOD_S))

    def look(self, messages: int, now_s: float) -> None:
        """So many messages came so far."""
        if messages != self.counted:
            if self.proven and self._attempt_s is None:  # else it was silent because it was not subscribed, perhaps
                self._longest_s = max(FORGETS * self._longest_s, now_s - self.quiet_since_s)
            self.counted, self.quiet_since_s = messages, now_s
            self.stale, self.attempts, self._wait_s, self._attempt_s = False, 0, FIRST_ATTEMPT_S, None
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
        self.attempts += 1
        self._attempt_s = now_s + self._wait_s
        self._wait_s = min(2.0 * self._wait_s, LONGEST_WAIT_S)

    def reopened(self, now_s: float) -> None:
        """Its symbol is traded again: its silence until now was no fault, and it has to prove itself."""
        if self.stale or self._attempt_s is not None:
            self.stale, self.attempts, self._wait_s, self.quiet_since_s = False, 0, FIRST_ATTEMPT_S, now_s
            self.reconnected(now_s)
