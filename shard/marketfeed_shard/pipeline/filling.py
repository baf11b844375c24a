"""Streams whose missing events are being fetched: what comes meanwhile waits, without loss, for those that go before it.

Whether something is fetched, and when the wait ends, is decided by who fetches (`Fills`); here is what the pipeline keeps.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from marketfeed_shard.pipeline.gaps import Gap
from marketfeed_shard.streams.kept import Frame, Kept
from marketfeed_shard.streams.table import FILLING, StreamTable


class Fills(Protocol):
    """Who fetches what is missing. Both are told in the middle of a message or a read, to be noted and no more."""

    def wants(self, slot: int, gap: Gap) -> bool:
        """Whether the events of a gap are fetched: if so it is not announced, and the stream waits until `Supply.fill`."""
        ...

    def full(self, slot: int) -> None:
        """As much waits as may: the wait has to end now."""
        ...


class Filling:
    """What waits, by slot."""

    def __init__(self, table: StreamTable) -> None:
        self._table = table
        self._kept: dict[int, Kept] = {}
        self._broken: set[int] = set()
        self._full: list[int] = []

    def begin(self, slot: int) -> None:
        """From now on a stream waits."""
        self._table.flags[slot] |= FILLING
        self._kept[slot] = Kept()

    def waiting(self, slot: int) -> Kept:
        """What waits of a stream that is being filled."""
        return self._kept[slot]

    def keep(self, slot: int, frame: Frame) -> None:
        """One more waits; a stream of which too much does is told once, by `full`."""
        kept = self._kept[slot]
        was_full = kept.full
        kept.add(frame)
        if kept.full and not was_full:
            self._full.append(slot)

    def interrupted(self, slots: Iterable[int]) -> list[int]:
        """The connection of these streams was lost: those of them where that stands between two messages that wait."""
        between = [slot for slot in slots if slot in self._kept]
        self._broken.update(between)
        return between

    def broken(self, slot: int) -> bool:
        """Whether the connection was lost since the last message that waits; told once."""
        was_broken = slot in self._broken
        self._broken.discard(slot)
        return was_broken

    def full(self) -> list[int]:
        """Streams of which too much waits; each is told once."""
        full, self._full = self._full, []
        return [slot for slot in full if slot in self._kept]

    def end(self, slot: int) -> Kept | None:
        """What waited has its turn."""
        self._table.flags[slot] &= ~FILLING
        return self._kept.pop(slot, None)
