"""The books of a shard: each change is proven to follow on the one before, or the book is none until the next snapshot.

The rule itself stands in `books.sequence`, the levels in `books.book`. Here is what becomes of a stream around them: how it
begins, what a break announces, what is kept until a snapshot comes over REST, and which of two connections leads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeAlias

from marketfeed.events import GapReason
from marketfeed.exchanges.exchange import Market
from marketfeed.exchanges.message import Numbering
from marketfeed.grammar import Malformed
from marketfeed.normalizer import Row
from marketfeed_shard.books.checksums import Checksum
from marketfeed_shard.books.following import Following
from marketfeed_shard.books.sequence import Outcome, follows
from marketfeed_shard.books.shelf import Shelf
from marketfeed_shard.books.waiting import Waiting
from marketfeed_shard.books.watch import Watch
from marketfeed_shard.kernel.plain import Engine
from marketfeed_shard.pipeline.gaps import RENUMBERED_NS, Continuity, Gap
from marketfeed_shard.pipeline.output import Output
from marketfeed_shard.streams.current import Current
from marketfeed_shard.streams.kept import Kept
from marketfeed_shard.streams.table import ANY_CONNECTION, DROPPED, HELD, INTERRUPTED, STARTED, UNKNOWN, UNSYNCED, StreamTable

Replay: TypeAlias = Callable[[int, Kept | None], None]
"""(slot, what was kept of it) → its messages have their turn now."""


class Told(NamedTuple):
    """What a message says of its place in a book."""

    slot: int
    snapshot: bool
    seq: int
    """Number after it, or UNKNOWN."""
    prev: int
    """Number that it follows on, or UNKNOWN."""
    received_ns: int
    connection: int


class BookStreams:
    """All books of a shard, by slot."""

    def __init__(
        self,
        market: Market,
        table: StreamTable,
        engine: Engine,
        output: Output,
        current: Current,
        continuity: Continuity,
        replay: Replay,
        depth: int | None,
    ) -> None:
        """`depth`: levels a side that are kept, where the exchange does not tell which fall out of it."""
        messages = [message for message in market.wire.messages if message.numbering is Numbering.CHAINED]
        self.channels = frozenset(message.channel for message in messages)
        checksum = next((Checksum(message.hook.name) for message in messages if message.hook is not None), None)
        self._keeps_changes = market.snapshot is not None
        self._table = table
        self._output = output
        self._continuity = continuity
        self._replay = replay
        self._books = Shelf(engine, checksum, depth)
        self._waiting = Waiting(current)
        self._following = Following(table, current)
        self._watch = Watch(table)
        self._broken: set[int] = set()
        self.gaps = 0
        """Breaks that were found."""
        self.resyncs = 0
        """Snapshots that came after a break."""
        self.on_broken: Callable[[int], None] = lambda slot: None
        """Told of each break, in the middle of a message: to be noted and no more."""

    # ---- streams -----------------------------------------------------------------------------------------------------

    def __contains__(self, slot: int) -> bool:
        """Whether a stream is a book."""
        return slot in self._books

    def add(self, slot: int) -> None:
        """A stream begins, as no book yet."""
        self.remove(slot)
        self._table.flags[slot] |= UNSYNCED
        self._books.add(slot)

    def remove(self, slot: int) -> None:
        """Nothing of a stream is kept any more."""
        self._waiting.end(slot)
        self._following.forget(slot)
        self._broken.discard(slot)
        if slot in self._books:
            self._books[slot].clear()

    def interrupted(self, slots: Iterable[int]) -> None:
        """These books lost their connection: the next change has to join."""
        for slot in slots:
            self._table.flags[slot] |= INTERRUPTED
            self._waiting.end(slot)

    def own(self, slot: int, connection: int) -> None:
        """Another connection leads from now on; what it brought beyond the one before has its turn."""
        table = self._table
        if table.owner[slot] == connection:
            return
        was_led = table.owner[slot] != ANY_CONNECTION
        table.owner[slot] = connection
        kept = self._following.end(slot, connection)
        begins_anew = kept.frames[0].follows == UNKNOWN if kept else table.position[slot] == UNKNOWN
        if was_led and begins_anew:
            table.flags[slot] |= INTERRUPTED
        self._replay(slot, kept)

    def joining(self, slot: int) -> None:
        """Another connection is about to bring a book, too: what an earlier one brought is forgotten."""
        self._following.forget(slot)

    # ---- messages ----------------------------------------------------------------------------------------------------

    def admit(self, told: Told) -> bool:
        """Whether a message is looked at now, of a book that is flagged or that another connection leads."""
        table, slot = self._table, told.slot
        if table.owner[slot] not in {ANY_CONNECTION, told.connection}:
            self._following.keep(slot, told.snapshot, told.seq, told.prev, told.received_ns, told.connection)
            return False
        if told.snapshot:
            self._begin(told)
            return True
        if table.flags[slot] & UNSYNCED:
            table.flags[slot] &= ~INTERRUPTED
            self._wait(told)
            return False
        return not table.flags[slot] & INTERRUPTED or self._resumes(told)

    def take(self, told: Told, row: Row) -> bool:
        """For the plain engine: whether a message goes out, after the book was changed by it. It was admitted."""
        table, slot = self._table, told.slot
        outcome = Outcome.PASSES
        if not told.snapshot:
            outcome = follows(table.position[slot], self._books[slot].joining, told.seq, told.prev)
        if outcome is Outcome.DROPPED:
            table.repeated[slot] += 1
            return False
        if outcome is Outcome.PASSES:
            outcome = self._changed(slot, row)
        if outcome is not Outcome.PASSES:
            self.broken(told, outcome)
            return False
        self._books[slot].joining = False
        table.position[slot] = told.seq
        if table.flags[slot]:
            self.synced(slot)
        return True

    def broken(self, told: Told, outcome: Outcome) -> None:
        """A message does not pass: the book is none any more."""
        slot, last = told.slot, self._table.position[told.slot]
        if self._table.flags[slot] & UNSYNCED:  # it was none: its snapshot is wrong
            self._books[slot].clear()
            self.on_broken(slot)
            return
        if outcome is Outcome.CHECKSUM:
            reason, first = GapReason.CHECKSUM, _after(told.seq)
        else:
            reason, first = GapReason.SEQUENCE, _after(told.prev)
        self._break(slot, Gap(reason, last, first, self._table.received_ns[slot], told.received_ns))
        if outcome is Outcome.SEQUENCE and not told.snapshot:
            self._wait(told)

    def synced(self, slot: int) -> None:
        """There is a book again."""
        self._table.flags[slot] &= ~UNSYNCED
        self._waiting.end(slot)
        self.resyncs += slot in self._broken
        self._broken.discard(slot)

    def load(self, slot: int, row: Row, received_ns: int) -> bool:
        """Begin with a snapshot that came over REST, and go on with what waited for it. False: that needs a later one.

        A book that is well needs none. Raises `Malformed`.
        """
        table = self._table
        if not self._is_wanting(slot):
            return True
        seq = row.position = row.event["seq"]
        if seq is None:
            raise Malformed("a book without its number")
        if not self._waiting.can_follow(slot, seq):
            return False
        self._begin(Told(slot, True, seq, UNKNOWN, received_ns, ANY_CONNECTION))
        if self._changed(slot, row) is not Outcome.PASSES:
            self._books[slot].clear()
            return False
        kept = self._waiting.end(slot)
        self._books[slot].joining = True
        table.position[slot], table.received_ns[slot] = seq, received_ns
        self.synced(slot)
        self._output.publish(row, slot, received_ns)
        self._replay(slot, kept)
        return True

    def check(self, now_ns: int) -> None:
        """Break the books that are seen to be wrong although each change followed: to be called every few seconds."""
        for slot in self._watch.wrong({slot: self._books[slot] for slot in self._well()}, now_ns):
            last, last_ns = self._table.position[slot], self._table.received_ns[slot]
            self._break(slot, Gap(GapReason.SEQUENCE, last, UNKNOWN, last_ns, now_ns))

    # ---- report ------------------------------------------------------------------------------------------------------

    @property
    def desired(self) -> int:
        """Books that are wanted."""
        return sum(not self._table.flags[slot] & DROPPED for slot in self._books)

    @property
    def synced_count(self) -> int:
        """Of these, those that are the exchange's, as far as anybody can tell."""
        return len(self._well())

    def unsynced(self) -> list[int]:
        """Slots of the books that wait for a snapshot."""
        return [slot for slot in self._books if self._is_wanting(slot)]

    def levels(self, slot: int) -> tuple[list[list[str]], list[list[str]]]:
        """(bids, asks) of a book, each from the best on."""
        return self._books[slot].levels()

    # ---- inside ------------------------------------------------------------------------------------------------------

    def _is_wanting(self, slot: int) -> bool:
        return self._table.flags[slot] & (UNSYNCED | DROPPED | HELD) == UNSYNCED

    def _well(self) -> list[int]:
        return [slot for slot in self._books if not self._table.flags[slot]]

    def _begin(self, told: Told) -> None:
        """Announce what a snapshot does not make good: the time before the stream, or without a connection."""
        table, slot = self._table, told.slot
        flags, last = table.flags[slot], table.position[slot]
        if flags & STARTED:
            gap = self._continuity.gap(slot, told.seq, told.received_ns)
        elif flags & INTERRUPTED and not flags & UNSYNCED and (last == UNKNOWN or told.seq != last):
            cut_ns = table.cut_since_event_ns(slot)
            gap = Gap(GapReason.DISCONNECTED, last, told.seq, table.received_ns[slot], told.received_ns, cut_ns)
        else:
            gap = None  # it went on where it was, or its break was announced
        table.flags[slot] &= ~INTERRUPTED
        if gap is not None:
            self._output.announce(slot, gap)

    def _resumes(self, told: Told) -> bool:
        """Whether a change goes on where the book was when its connection was lost; if not, the book is none."""
        table, slot = self._table, told.slot
        last, last_ns = table.position[slot], table.received_ns[slot]
        outcome = follows(last, self._books[slot].joining, told.seq, told.prev)
        if outcome is Outcome.PASSES and told.seq != UNKNOWN:
            table.flags[slot] &= ~INTERRUPTED
            return True
        if outcome is Outcome.DROPPED and told.received_ns - last_ns < RENUMBERED_NS:
            return True  # a late copy, left out as such
        first = _after(told.prev) if outcome is Outcome.SEQUENCE else UNKNOWN
        cut_ns = table.cut_since_event_ns(slot)
        self._break(slot, Gap(GapReason.DISCONNECTED, last, first, last_ns, told.received_ns, cut_ns))
        self._wait(told)
        return False

    def _break(self, slot: int, gap: Gap) -> None:
        self._output.announce(slot, gap)
        self._books[slot].clear()
        self._table.position[slot] = UNKNOWN
        self._table.flags[slot] = self._table.flags[slot] & ~INTERRUPTED | UNSYNCED
        self._waiting.end(slot)
        self._broken.add(slot)
        self.gaps += 1
        self.on_broken(slot)

    def _wait(self, told: Told) -> None:
        """Keep a change until a snapshot comes over REST, if any may."""
        if self._keeps_changes:
            self._waiting.keep(told.slot, told.seq, told.prev, told.received_ns, told.connection)

    def _changed(self, slot: int, row: Row) -> Outcome:
        event = row.event
        told = row.extras[0] if row.extras else None
        return self._books.change(slot, bool(event["snapshot"]), event["bids"], event["asks"], told)


def _after(number: int) -> int:
    return UNKNOWN if number == UNKNOWN else number + 1
