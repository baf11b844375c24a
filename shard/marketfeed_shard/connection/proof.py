"""Whether a connection is seen to carry streams that another one carries, too: proven, not timed. Decisions only.

A stream is proven by its data, or, where it is quiet by nature, by its acknowledgement.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from marketfeed_shard.connection.ports import Streams
from marketfeed_shard.connection.topics import Topics

QUIET_S = 5.0
"""A stream of which no connection brought anything for so long after the acknowledgement here is quiet by nature."""
MISSING_S = 30.0
"""A stream that only others deliver for so long is subscribed again here; twice as long after each time."""
LONGEST_MISSING_S = 1800.0
PARTED_S = 1.0
"""What is brought here of a stream waits for so long until its leader has come as far: no two are further apart."""


class Proof:
    """Of one connection, for as long as its socket lasts."""

    def __init__(self, topics: Topics, streams: Streams, seen: Callable[[int], bool]) -> None:
        """`seen`: whether the socket delivered data of a stream."""
        self._topics = topics
        self._streams = streams
        self._seen = seen
        self._acknowledged: dict[int, tuple[float, int]] = {}
        """Slot → (when its acknowledgement was noticed, messages then)."""
        self._patience_s: dict[int, float] = {}
        """Slot → how long it may be missing, where it was before."""
        self._waiting_s: dict[int, float] = {}
        """Slot → when it was noticed that what came here waits for the leader."""
        self._failed: set[int] = set()
        self._failed_before: set[int] = set()
        """Of these, those that had failed when it was last looked."""

    def forget(self) -> None:
        """The socket is gone."""
        for noted in (self._acknowledged, self._patience_s, self._waiting_s, self._failed, self._failed_before):
            noted.clear()

    def carries(self, slot: int, now_s: float) -> bool:
        """Whether a stream would go on if only this connection were left."""
        return slot not in self._failed and (self._delivers(slot) or self._quiet(slot, now_s))

    def failed(self, slot: int) -> None:
        """A stream does not come here any more."""
        self._failed.add(slot)

    def heard(self, slots: frozenset[int]) -> None:
        """These came here since the last look; of what failed in between nobody knows whether it came before that."""
        self._failed -= self._failed_before & slots
        self._failed_before = set(self._failed)

    def missing(self, slots: Iterable[int], now_s: float) -> list[int]:
        """Those that this connection has not yet proven, or of which something still waits. A refused name is none of them."""
        refused = self._topics.rejections()
        return [slot for slot in slots if slot not in refused and not self._proven(slot, now_s)]

    def parted(self, missing: Iterable[int], now_s: float) -> list[int]:
        """Of these, those on which the leader does not come as far as this connection: it brings them no more."""
        self._waiting_s = {
            s: self._waiting_s.get(s, now_s) for s in missing if self._delivers(s) and not self._streams.joined(s)
        }
        return [slot for slot, since_s in self._waiting_s.items() if now_s - since_s >= PARTED_S]

    def overdue(self, missing: Iterable[int], now_s: float) -> list[int]:
        """Of these, those that were acknowledged long ago while others went on delivering them: each is told once."""
        found = []
        for slot in missing:
            noted, patience_s = self._acknowledged.get(slot), self._patience_s.get(slot, MISSING_S)
            if noted is not None and not self._delivers(slot) and now_s - noted[0] >= patience_s:
                del self._acknowledged[slot]
                self._patience_s[slot] = min(2.0 * patience_s, LONGEST_MISSING_S)
                found.append(slot)
        return found

    # ---- inside ------------------------------------------------------------------------------------------------------

    def _proven(self, slot: int, now_s: float) -> bool:
        if self._delivers(slot):
            return slot not in self._failed and self._streams.joined(slot)
        return self._quiet(slot, now_s)

    def _delivers(self, slot: int) -> bool:
        """Whether it is seen to; what was subscribed again since then has to be acknowledged."""
        return self._seen(slot) and self._topics.live(slot, seen=True)

    def _quiet(self, slot: int, now_s: float) -> bool:
        if not self._topics.acknowledged(slot):
            self._acknowledged.pop(slot, None)
            return False
        since_s, before = self._acknowledged.setdefault(slot, (now_s, self._streams.messages(slot)))
        return now_s - since_s >= QUIET_S and self._streams.messages(slot) == before
