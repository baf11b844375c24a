"""The one place where a stream is held, dropped or added to: asked for what is rare, by either engine.

What is missing before an event that follows on an interruption is decided in `gaps`, what waits while two connections bring one
stream in `joining`, what waits for events that are being fetched in `filling`. Books have a rule of their own (`books`).
"""

from __future__ import annotations

from collections.abc import Iterable

from marketfeed.events import GapReason
from marketfeed_shard.pipeline.filling import Filling, Fills
from marketfeed_shard.pipeline.gaps import Continuity, Gap
from marketfeed_shard.pipeline.joining import Joining
from marketfeed_shard.pipeline.output import Output
from marketfeed_shard.streams.current import Current
from marketfeed_shard.streams.kept import Kept
from marketfeed_shard.streams.recent import Recent
from marketfeed_shard.streams.table import (
    ANY_CONNECTION,
    DROPPED,
    FILLING,
    HELD,
    INTERRUPTED,
    JOINING,
    UNKNOWN,
    StreamTable,
)


class Gate:
    """All streams of a shard that are no books."""

    def __init__(self, table: StreamTable, output: Output, current: Current, continuity: Continuity) -> None:
        self._table = table
        self._output = output
        self._current = current
        self._continuity = continuity
        self._held: dict[int, Kept] = {}
        """Streams that another owner still publishes."""
        self.joining = Joining(table)
        self.filling = Filling(table)
        self.recents: dict[int, Recent] = {}
        """What tells copies apart, of streams whose ids promise no order."""
        self.fills: Fills | None = None
        """Who fetches what is missing, or None: then all of it is announced."""

    # ---- streams -----------------------------------------------------------------------------------------------------

    def forget(self, slot: int) -> None:
        """Nothing of a stream is kept any more."""
        self._held.pop(slot, None)
        self.joining.forget(slot)
        self.filling.end(slot)

    def interrupted(self, slots: Iterable[int]) -> None:
        """These streams lost their connection; where one waits for missed events, that has its place among what waits."""
        slots = list(slots)
        for slot in set(slots).difference(self.filling.interrupted(slots)):
            self._table.flags[slot] |= INTERRUPTED

    def own(self, slot: int, connection: int) -> Kept | None:
        """Another owner from now on. Returns what was kept of the stream until it was known who brings it."""
        self._table.owner[slot] = connection
        if not self._table.flags[slot] & JOINING:
            return None
        if self.joining.keeps(slot):
            self._table.flags[slot] |= INTERRUPTED
        return self.joining.end(slot)

    def hold(self, slot: int) -> None:
        """Keep a stream's latest frames back until `release`."""
        self._table.flags[slot] |= HELD
        self._held.setdefault(slot, Kept())

    def release(self, slot: int) -> Kept | None:
        """What was held of a stream: it is to be published, and from now on what comes."""
        self._table.flags[slot] &= ~HELD
        return self._held.pop(slot, None)

    # ---- messages ----------------------------------------------------------------------------------------------------

    def withholds(self, slot: int, position: int, received_ns: int, connection: int) -> bool:
        """Whether nothing of a flagged stream may go out now, whatever it is."""
        flags = self._table.flags[slot]
        if flags & HELD and not flags & DROPPED:
            self._keep(self._held[slot], position, received_ns, connection)
        return bool(flags & (DROPPED | HELD))

    def passes(self, slot: int, position: int, received_ns: int, connection: int) -> bool:
        """Whether an event of a flagged stream goes out."""
        table, flags = self._table, self._table.flags[slot]
        if self.withholds(slot, position, received_ns, connection):
            return False
        if flags & FILLING:
            self._wait(slot, position, received_ns, connection)
            return False
        if position == UNKNOWN and slot not in self.recents and table.owner[slot] not in {ANY_CONNECTION, connection}:
            table.repeated[slot] += 1
            return False
        if flags & JOINING and self.joining.waits(slot, position, connection):
            self._keep(self.joining.waiting(slot), position, received_ns, connection)
            return False
        gap = self._continuity.gap(slot, position, received_ns)
        if gap is not None and self._is_filled(slot, gap):
            self._wait(slot, position, received_ns, connection)
            return False
        return True

    def passes_after_hole(self, slot: int, last: int, position: int, received_ns: int, connection: int) -> bool:
        """Whether an event goes out whose number jumped from `last` to `position`."""
        gap = Gap(GapReason.SEQUENCE, last, position, self._table.received_ns[slot], received_ns)
        if not self._is_filled(slot, gap):
            return True
        self._table.position[slot] = position - 1
        self._wait(slot, position, received_ns, connection)
        return False

    def _is_filled(self, slot: int, gap: Gap) -> bool:
        """Whether a gap is being filled; else it is announced."""
        if self.fills is not None and gap.reason is not GapReason.STARTED and self.fills.wants(slot, gap):
            self.filling.begin(slot)
            return True
        self._output.announce(slot, gap)
        return False

    def _keep(self, kept: Kept, position: int, received_ns: int, connection: int) -> None:
        """Keep the message at its first record, within the bound."""
        if not self._current.is_last_of(kept):
            kept.add(self._current.frame(connection, received_ns, position))
            kept.trim()

    def _wait(self, slot: int, position: int, received_ns: int, connection: int) -> None:
        """Keep a message of a stream that is being filled, whatever the bound: nothing of it may be lost."""
        if not self._current.is_last_of(self.filling.waiting(slot)):
            is_broken = self.filling.broken(slot)
            self.filling.keep(slot, self._current.frame(connection, received_ns, position, interrupted=is_broken))
