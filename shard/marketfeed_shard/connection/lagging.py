"""Which streams one connection brings no more while another one still does. Decisions only.

A stream is compared on all connections that carry it, at each look; that one is a moment behind the other is no finding. What
a connection that follows has never brought is the concern of `proof`.
"""

from __future__ import annotations

from dataclasses import dataclass

from marketfeed_shard.connection.pulse import FIRST_ATTEMPT_S, LONGEST_WAIT_S


@dataclass(slots=True)
class Lag:
    """Of one stream on one connection, since it brought nothing while others did."""

    since_s: float
    """Others were first seen to go on, or it was last asked for again."""
    published: int
    """Events that had gone out when it began."""
    until_s: float
    """Others were last seen to go on, a look ago at least."""
    attempts: int = 0
    """How often it was found."""
    wait_s: float = 0.0
    """After the latest attempt."""


class Lags:
    """Of one connection, for as long as its socket lasts."""

    def __init__(self) -> None:
        self._lags: dict[int, Lag] = {}

    def clear(self) -> None:
        """The socket is gone."""
        self._lags.clear()

    def forget(self, slot: int) -> None:
        """A stream comes here again, or is to be had here no more."""
        self._lags.pop(slot, None)

    def silent(self) -> list[int]:
        """Streams that were found to lag, and do so still."""
        return [slot for slot, lag in self._lags.items() if lag.attempts]

    def attempts(self, slot: int) -> int:
        """How often a stream was found since it last came here."""
        return self._lags[slot].attempts if slot in self._lags else 0

    def published(self, slot: int) -> int:
        """Events of a stream that had gone out when it began to lag."""
        return self._lags[slot].published

    def look(self, slot: int, elsewhere: bool, period_s: float, published: int, now_s: float) -> bool:
        """A stream brought nothing here since the last look; `elsewhere`: others did. Whether it is to be asked for again.

        `period_s`: how long that is no finding; from the first attempt on the waits double.
        """
        lag = self._lags.get(slot)
        if lag is None:
            if elsewhere:
                self._lags[slot] = Lag(now_s, published, now_s)
            return False
        is_found = lag.until_s - lag.since_s >= (lag.wait_s or period_s)
        if is_found:
            lag.attempts += 1
            lag.wait_s = min(2.0 * lag.wait_s or FIRST_ATTEMPT_S, LONGEST_WAIT_S)
            lag.since_s = now_s
        if elsewhere:
            lag.until_s = now_s
        return is_found
