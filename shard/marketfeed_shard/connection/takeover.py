"""One connection takes over another's streams: proven, not timed. Decisions only; the caller says what time it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from marketfeed_shard.connection.connection import Connection
from marketfeed_shard.connection.ports import Streams
from marketfeed_shard.connection.subscriptions import State

QUIET_S = 5.0
"""A stream on which the old connection brought nothing for so long after the new one was acknowledged is quiet by nature."""
MISSING_S = 30.0
"""A stream that only the old connection delivers for so long is subscribed again on the new one."""
PARTED_S = 1.0
"""What the new connection brought of a stream waits for so long until the old one has come as far: no two are further apart."""


class Takeover:
    """Watches a new connection until it has shown that it carries every stream of the old one."""

    def __init__(self, new: Connection, streams: Streams) -> None:
        self._new = new
        self._streams = streams
        self._acknowledged: dict[int, tuple[float, int]] = {}
        """Slot → (when its acknowledgement was noticed, messages then)."""
        self._waiting_s: dict[int, float] = {}
        """Slot → when it was noticed that what the new one brought of it waits for the old one."""

    def missing(self, slots: Iterable[int], seen: Callable[[int], bool], now_s: float) -> list[int]:
        """The streams that the new connection has not yet proven."""
        return [slot for slot in slots if not (self._streams.joined(slot) if seen(slot) else self._quiet(slot, now_s))]

    def parted(self, missing: Iterable[int], now_s: float) -> list[int]:
        """Those on which the old connection does not come as far as the new one: it brings them no more."""
        self._waiting_s = {s: self._waiting_s.get(s, now_s) for s in missing if not self._streams.joined(s)}
        return [slot for slot, since_s in self._waiting_s.items() if now_s - since_s >= PARTED_S]

    def overdue(self, missing: Iterable[int], now_s: float) -> list[int]:
        """Those that were acknowledged long ago while the old connection went on delivering them."""
        found = []
        for slot in missing:
            noted = self._acknowledged.get(slot)
            if noted is not None and now_s - noted[0] >= MISSING_S:
                del self._acknowledged[slot]
                found.append(slot)
        return found

    def _quiet(self, slot: int, now_s: float) -> bool:
        subscription = self._new.subscriptions.get(slot)
        if subscription is None or subscription.state is State.REJECTED:
            return True
        if subscription.state is not State.ACKNOWLEDGED:
            self._acknowledged.pop(slot, None)
            return False
        since_s, before = self._acknowledged.setdefault(slot, (now_s, self._streams.messages(slot)))
        return now_s - since_s >= QUIET_S and self._streams.messages(slot) == before
