"""One message's way: frame → event → bytes → batch → publishers.

The compiled engine does the common case by itself and asks here for what is rare; a frame that it declines goes through the
plain normalizer, by the same rules. Whether an event goes out is decided in `gate` and, of books, in `books.streams`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from marketfeed.clock import Clock
from marketfeed.encoding import encode, own_fields
from marketfeed.exchanges.exchange import Control, Market
from marketfeed.exchanges.message import Message, Numbering
from marketfeed.normalizer import Data, Ignored, Malformed, Normalizer, Row
from marketfeed_shard.batch import DATA
from marketfeed_shard.books.checksums import Checksum
from marketfeed_shard.books.sequence import Outcome
from marketfeed_shard.books.streams import BookStreams, Told
from marketfeed_shard.candles import Candles
from marketfeed_shard.counts import LATENCY_BOUNDS_MS, Counts
from marketfeed_shard.current import Current
from marketfeed_shard.filling import Fills
from marketfeed_shard.gaps import Continuity, Gap
from marketfeed_shard.gate import Gate
from marketfeed_shard.kept import Kept
from marketfeed_shard.kernel import compiled_engine
from marketfeed_shard.output import Output
from marketfeed_shard.plain import Engine, PlainEngine
from marketfeed_shard.progress import Progress
from marketfeed_shard.publishers.publisher import Loss, Publisher
from marketfeed_shard.recent import recent_kind
from marketfeed_shard.streams import ANY_CONNECTION, DROPPED, INTERRUPTED, STARTED, UNKNOWN, Stream, StreamTable

CANDLE_END = "candle_end"
HOOKS = frozenset({CANDLE_END, *(checksum.value for checksum in Checksum)})
"""Names that a declaration may give to a hook."""


class Pipeline:
    """All streams of one shard."""

    def __init__(
        self,
        market: Market,
        publishers: Sequence[Publisher],
        progress: Progress,
        on_control: Callable[[int, Control], None],
        clock: Clock,
        book_depth: int | None = None,
    ) -> None:
        """`book_depth`: the manifest's. Raises `LookupError` where a declaration names a hook that there is not."""
        for message in market.wire.messages:
            if message.hook is not None and message.hook.name not in HOOKS:
                raise LookupError(f"{market.exchange} {market.name} names an unknown hook {message.hook.name!r}")
        self.market = market
        self._clock = clock
        self.table = StreamTable()
        self.counts = Counts()
        self._symbols: dict[str, str] = {}
        self._followers: dict[str, list[str]] = {}
        """By index, the symbols whose price follows it."""
        self._of_index = {message.channel for message in market.wire.messages if message.of_index}
        self._unique = {message.channel for message in market.wire.messages if message.numbering is Numbering.UNIQUE}
        self._new_recent = recent_kind()
        depth = market.depth(book_depth) if market.cuts_books else None
        self._normalizer = Normalizer(
            market, self._symbols.get, merge=True, followers=lambda i: self._followers.get(i, ()), depth=depth
        )
        self.engine: Engine = compiled_engine(market, self._normalizer, self, LATENCY_BOUNDS_MS) or PlainEngine(
            LATENCY_BOUNDS_MS
        )
        self._progress = progress
        self._output = output = Output(market, self.table, self.engine, self.counts, publishers, progress.commit)
        self.continuity = Continuity(self.table, progress.known)
        self._current = current = Current(self.engine)
        self._gate = Gate(self.table, output, current, self.continuity)
        self.books = BookStreams(market, self.table, self.engine, output, current, self.continuity, self._replay, depth)
        self._candles = Candles()
        self._on_control = on_control

    @property
    def fills(self) -> Fills | None:
        """Who fetches what is missing, or None: then all of it is announced."""
        return self._gate.fills

    @fills.setter
    def fills(self, fills: Fills | None) -> None:
        self._gate.fills = fills

    # ---- streams -----------------------------------------------------------------------------------------------------

    def add(self, streams: Iterable[Stream]) -> list[int]:
        """Give streams their slots; each begins with a gap of reason `started` before its first event."""
        slots = []
        for stream in streams:
            known = self.table.slot(stream.channel, stream.symbol)
            if known is not None:
                self.continuity.know(known)
            slot = self.table.add(stream)
            self._symbols[stream.native] = stream.symbol
            self._follow(stream)
            self.engine.define(slot, *self._normalizer.stream_head(stream.channel, stream.symbol))
            slots.append(slot)
        self.engine.bind(self.table)
        for slot in slots:
            self._watch_over(slot)
        self._progress.resize([s.name for s in self.table.streams])
        return slots

    def _follow(self, stream: Stream) -> None:
        """Hand a stream what comes about its index."""
        index = self.market.index(stream.native) if stream.channel in self._of_index else None
        if index is not None and stream.symbol not in (followers := self._followers.setdefault(index, [])):
            followers.append(stream.symbol)

    def _watch_over(self, slot: int) -> None:
        """Give a stream what proves its messages, where their numbers alone do not."""
        channel = self.table.streams[slot].channel
        if channel in self.books.channels:
            self.books.add(slot)
        if channel in self._unique and slot not in self._gate.recents:
            self._gate.recents[slot] = self._new_recent()
            self.engine.guard(slot, self._gate.recents[slot])

    def remove(self, slots: Iterable[int]) -> None:
        """From now on nothing of these streams goes out."""
        for slot in slots:
            self.table.flags[slot] = DROPPED
            self._gate.forget(slot)
            self.books.remove(slot)
            self._candles.forget(slot)

    def interrupted(self, slots: Iterable[int]) -> None:
        """These streams lost their connection: a gap is due before their next event, unless nothing is missing."""
        slots = list(slots)
        self.books.interrupted(slot for slot in slots if slot in self.books)
        self._gate.interrupted(slot for slot in slots if slot not in self.books)

    def messages(self, slot: int) -> int:
        """Messages of a stream so far, repetitions included."""
        return self.table.messages[slot]

    def own(self, slot: int, connection: int) -> None:
        """From now on events that the exchange does not number count from this connection only, and books follow it.

        A stream that was joining does so now: what came in between, the owner before can no longer bring.
        """
        if slot in self.books:
            self.books.own(slot, connection)
        else:
            self._replay(slot, self._gate.own(slot, connection))

    def joining(self, slots: Iterable[int]) -> None:
        """Another connection is about to bring these streams, too, perhaps ahead of their owner."""
        for slot in slots:
            if slot in self.books:
                self.books.joining(slot)
            else:
                self._gate.joining.begin([slot])

    def joined(self, slot: int) -> bool:
        """Whether nothing that the other connection brought waits for the owner to come as far."""
        return not self._gate.joining.keeps(slot)

    def hold(self, slot: int) -> None:
        """Keep a stream's latest frames back until `release`."""
        self._gate.hold(slot)

    def release(self, slot: int) -> None:
        """Publish what was held of a stream, and from now on what comes."""
        self._replay(slot, self._gate.release(slot))

    # ---- over REST ---------------------------------------------------------------------------------------------------

    def answer(self, slot: int, declared: Message, body: bytes) -> list[Row]:
        """The events of an answer over REST about a stream's symbol. Raises `Malformed`."""
        return self._normalizer.body(declared, self.table.streams[slot].symbol, body)

    def book_snapshot(self, slot: int, body: bytes, received_ns: int) -> bool:
        """Begin a book anew with the exchange's answer over REST. False: older than what waits for it needs; ask again.

        Raises `Malformed`.
        """
        if self.market.snapshot is None:
            raise LookupError(f"{self.market.exchange} {self.market.name} has no books over REST")
        rows = self.answer(slot, self.market.snapshot.message, body)
        if not rows:
            raise Malformed("no book")
        self.engine.mark_read(received_ns)
        is_taken = self.books.load(slot, rows[0], received_ns)
        self._output.deliver()
        return is_taken

    def check_books(self, now_ns: int) -> None:
        """Break the books that are seen to be wrong: to be called every few seconds."""
        self.engine.mark_read(now_ns)
        self.books.check(now_ns)
        self._output.deliver()

    def fill(self, slot: int, parts: Iterable[Row | Gap], received_ns: int) -> int:
        """Publish missed events of a stream that waits for them, in the order given, and gaps where some are lost.

        Returns how many events were no copies.
        """
        published = 0
        recents = self._gate.recents
        self.engine.mark_read(received_ns)
        for part in parts:
            if isinstance(part, Gap):
                self._output.announce(slot, part)
            elif slot not in recents or recents[slot].add(str(part.event["id"]).encode(), received_ns):
                part.event["backfill"] = True
                self._output.publish(part, slot, received_ns)
                published += 1
        return published

    def go_on(self, slot: int, gap: Gap | None) -> None:
        """Publish what waited of a stream, after a gap where something is still missing; from now on it waits no more."""
        kept = self._gate.filling.end(slot)
        if gap is not None:
            self.engine.mark_read(gap.to_ns)
            self._output.announce(slot, gap)
        self._replay(slot, kept)
        if self._gate.filling.broken(slot):
            self.table.flags[slot] |= INTERRUPTED

    def waiting(self, slot: int) -> list[Row]:
        """The events of the first message that waits for a stream's missed ones."""
        stream, first = self.table.streams[slot], next(iter(self._gate.filling.waiting(slot)))
        decoded = self._normalizer.decode(first.content)
        rows = decoded.rows if isinstance(decoded, Data) else ()
        return [row for row in rows if (row.channel, row.symbol) == (stream.channel, stream.symbol)]

    def published(self, slot: int, identifier: str) -> bool:
        """Whether an event went out not long ago, of a stream that only tells its events apart by their ids."""
        return identifier.encode() in self._gate.recents[slot]

    def tell(self, slot: int, event: dict[str, Any], received_ns: int) -> bool:
        """Publish an event that no connection brought and the exchange does not number; False: not while its stream is held.

        Nor while it is interrupted: what is missing is only known when its connection brings something again.
        """
        if self.table.flags[slot] & ~STARTED:
            return False
        self.engine.mark_read(received_ns)
        gap = self.continuity.gap(slot, UNKNOWN, received_ns)
        if gap is not None:
            self._output.announce(slot, gap)
        self.table.received_ns[slot] = received_ns
        self.table.n[slot] += 1
        event["recv"], event["n"] = received_ns, self.table.n[slot]
        self.engine.append(slot, encode(event), UNKNOWN, DATA)
        self.flush()
        return True

    def announce(self, losses: Iterable[Loss]) -> None:
        """A publisher delivers again: what its consumers can no longer get is announced to all."""
        now_ns = self._clock.time_ns()
        self.engine.mark_read(now_ns)
        for loss in losses:
            self._output.announce(loss.slot, Gap.of(loss, now_ns))
        self.flush()

    # ---- frames ------------------------------------------------------------------------------------------------------

    def decode(self, frame: bytes, connection: int, received_ns: int, only: int = -1) -> list[int]:
        """One frame through the plain normalizer. Returns the slots that it brought data of."""
        self.engine.mark_read(received_ns)
        self._current.begin(frame)
        try:
            decoded = self._normalizer.decode(frame)
            if isinstance(decoded, Data):
                return self._rows(decoded.rows, connection, received_ns, only)
        except Malformed as problem:
            self.counts.malformed += 1
            self.counts.last_malformed = str(problem)
            return []
        finally:
            self._current.end()
        if isinstance(decoded, Ignored):
            self.counts.ignored += 1
        elif (control := self.market.control(decoded.body)) is not None:
            self._on_control(connection, control)
        return []

    def _rows(self, rows: Iterable[Row], connection: int, received_ns: int, only: int) -> list[int]:
        slots: list[int] = []
        for row in rows:
            slot = self.table.slot(row.channel, row.symbol)
            if slot is None:
                self.counts.ignored += 1
            elif only < 0 or slot == only:
                if slot not in slots[-1:]:  # a message may bring several records
                    self.table.messages[slot] += 1
                slots.append(slot)
                self._row(row, slot, connection, received_ns)
        return slots

    def _row(self, row: Row, slot: int, connection: int, received_ns: int) -> None:
        """The compiled engine's `_publish`, for one record of the plain normalizer."""
        ts_ns = row.event["ts"]
        if isinstance(ts_ns, int):
            self.engine.observe(ts_ns)
        proven = self._book_passes if slot in self.books else self._passes
        if not proven(row, slot, connection, received_ns):
            return
        if row.message.hook is not None and row.message.hook.name == CANDLE_END:
            self.candle(slot, ts_ns or 0, own_fields(row.event))
        self.table.received_ns[slot] = received_ns
        self._output.publish(row, slot, received_ns)

    def _passes(self, row: Row, slot: int, connection: int, received_ns: int) -> bool:
        table, recents = self.table, self._gate.recents
        position = UNKNOWN if row.position is None else row.position
        if table.flags[slot] and not self.gate(slot, position, received_ns, connection):
            return False
        if row.message.numbering is not Numbering.NONE and position != UNKNOWN:
            last = table.position[slot]
            is_copy = UNKNOWN != last >= position
            jumps = row.message.numbering is Numbering.CONSECUTIVE and last != UNKNOWN and position > last + 1
            if jumps and not self.hole(slot, last, position, received_ns, connection):
                return False
            if not is_copy:
                table.position[slot] = position
        elif slot in recents:
            is_copy = not recents[slot].add(str(row.event["id"]).encode(), received_ns)
        else:
            is_copy = table.owner[slot] not in {ANY_CONNECTION, connection}
        table.repeated[slot] += is_copy
        return not is_copy

    def _book_passes(self, row: Row, slot: int, connection: int, received_ns: int) -> bool:
        table, position, prev = self.table, row.position, row.event["prev_seq"]
        told = Told(
            slot,
            bool(row.event["snapshot"]),
            UNKNOWN if position is None else position,
            UNKNOWN if prev is None else prev,
            received_ns,
            connection,
        )
        is_rare = table.flags[slot] or table.owner[slot] not in {ANY_CONNECTION, connection}
        return (not is_rare or self._admits(told)) and self.books.take(told, row)

    def flush(self) -> None:
        """A socket read is over: what it brought goes to every publisher."""
        self._output.deliver()
        for slot in self._gate.joining.met():
            self._replay(slot, self._gate.joining.end(slot))
        if self.fills is not None:
            for slot in self._gate.filling.full():
                self.fills.full(slot)

    def _replay(self, slot: int, kept: Kept | None) -> None:
        """Kept frames of a stream have their turn; they were counted when they came."""
        for frame in kept or ():
            self.table.messages[slot] -= 1
            if frame.interrupted:
                self.table.flags[slot] |= INTERRUPTED
            self.engine.mark_read(frame.received_ns)
            if not self.engine.feed(frame.content, frame.connection, frame.received_ns, slot):
                self.decode(frame.content, frame.connection, frame.received_ns, only=slot)
        self._output.deliver()

    # ---- what the compiled engine asks for ---------------------------------------------------------------------------

    def gate(self, slot: int, position: int, received_ns: int, connection: int) -> bool:
        """Whether an event of a flagged stream goes out."""
        if self.table.flags[slot] & (STARTED | INTERRUPTED):
            self._candles.forget(slot)
        return self._gate.passes(slot, position, received_ns, connection)

    def hole(self, slot: int, last: int, position: int, received_ns: int, connection: int) -> bool:
        """The exchange's numbers jumped from `last` to `position`: whether the event goes out now."""
        return self._gate.passes_after_hole(slot, last, position, received_ns, connection)

    def candle(self, slot: int, ts_ns: int, own: bytes) -> None:
        """A candle is about to go out; where it is the first of its own, the one before has ended."""
        ended = self._candles.ended(slot, ts_ns, own)
        if ended is not None:
            stream = self.table.streams[slot]
            head, _, _ = self._normalizer.stream_head(stream.channel, stream.symbol)
            self._output.close(slot, ended, head)

    def admit(self, slot: int, snapshot: bool, seq: int, prev: int, received_ns: int, connection: int) -> bool:
        """Whether a message of a flagged book, or of one that another connection leads, is looked at now."""
        return self._admits(Told(slot, snapshot, seq, prev, received_ns, connection))

    def _admits(self, told: Told) -> bool:
        is_withheld = self._gate.withholds(told.slot, told.seq, told.received_ns, told.connection)
        return not is_withheld and self.books.admit(told)

    def broken(self, slot: int, outcome: int, snapshot: bool, seq: int, prev: int, received_ns: int, connection: int) -> None:
        """A message of a book does not pass."""
        self.books.broken(Told(slot, snapshot, seq, prev, received_ns, connection), Outcome(outcome))

    def synced(self, slot: int) -> None:
        """A book that was none is one again."""
        self.books.synced(slot)
