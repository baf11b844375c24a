"""Changes of books that are none yet: they wait, within a bound, for a snapshot that comes over REST."""

from __future__ import annotations

from marketfeed_shard.streams.current import Current
from marketfeed_shard.streams.kept import Kept


class Waiting:
    """What waits, by slot."""

    def __init__(self, current: Current) -> None:
        self._current = current
        self._kept: dict[int, Kept] = {}

    def keep(self, slot: int, seq: int, prev: int, received_ns: int, connection: int) -> None:
        """A change, which is being published."""
        kept = self._kept.setdefault(slot, Kept())
        if not self._current.is_last_of(kept):
            kept.add(self._current.frame(connection, received_ns, seq, prev))
            kept.trim()

    def can_follow(self, slot: int, seq: int) -> bool:
        """Whether the first change beyond a snapshot's number may follow on it; so it is where there is none."""
        first = next((frame for frame in self._kept.get(slot, ()) if frame.position > seq), None)
        return first is None or first.follows <= seq

    def end(self, slot: int) -> Kept | None:
        """What waited has its turn, or is forgotten."""
        return self._kept.pop(slot, None)
