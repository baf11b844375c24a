"""Where two connections bring one stream, and one takes over from the other: from which message on either may bring it.

The connections of an exchange may be apart. Taken at once, the first message of the new one would push out what the old
one, the stream's owner, still has on its way. So what the new one brings is kept until the owner has come as far; from then
on each message counts from whichever brings it first. Decisions only; the pipeline has the streams.
"""

from __future__ import annotations

from collections.abc import Iterable

from marketfeed_shard.streams.kept import Kept
from marketfeed_shard.streams.table import DROPPED, INTERRUPTED, JOINING, STARTED, UNKNOWN, StreamTable


class Joining:
    """The streams of a shard that are joining, by their flag."""

    def __init__(self, table: StreamTable) -> None:
        self._table = table
        self._kept: dict[int, Kept] = {}
        self._met: list[int] = []

    def begin(self, slots: Iterable[int]) -> None:
        """Another connection than their owner is about to bring these streams; what an earlier one brought is forgotten."""
        for slot in slots:
            if not self._table.flags[slot] & DROPPED:
                self._table.flags[slot] |= JOINING
            self.forget(slot)

    def forget(self, slot: int) -> None:
        """What is kept of a stream is not wanted."""
        self._kept.pop(slot, None)

    def keeps(self, slot: int) -> bool:
        """Whether something of a stream waits for its owner."""
        return slot in self._kept

    def waits(self, slot: int, position: int, connection: int) -> bool:
        """Whether a message is ahead of what the owner may still bring, and has to be kept."""
        table, kept = self._table, self._kept.get(slot)
        if position == UNKNOWN:  # its owner or its id decides; there is nothing to wait for
            table.flags[slot] &= ~JOINING
            return False
        if connection == table.owner[slot]:
            if kept is not None and kept.frames[0].position <= position + 1:
                self._met.append(slot)
            return False
        if kept is not None:
            return True
        last = table.position[slot]
        if position > last + 1 and last != UNKNOWN and not table.flags[slot] & (STARTED | INTERRUPTED):
            return True
        table.flags[slot] &= ~JOINING
        return False

    def waiting(self, slot: int) -> Kept:
        """Where what has to wait is kept."""
        return self._kept.setdefault(slot, Kept())

    def met(self) -> list[int]:
        """Streams whose owner has come as far as what is kept of them; each is told once."""
        met, self._met = self._met, []
        return met

    def end(self, slot: int) -> Kept | None:
        """From now on a stream's messages count from either connection: what was kept is to be published."""
        self._table.flags[slot] &= ~JOINING
        return self._kept.pop(slot, None)
