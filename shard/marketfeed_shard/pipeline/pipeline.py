"""One message's way: frame → event → bytes → batch → publishers.

The compiled engine does the common case by itself; a frame that it declines goes through the plain normalizer. Both keep to the
same `rules`: whether an event goes out is decided in `gate` and, of books, in `book_streams`. What comes another way than the
connections takes its place in `supply`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from marketfeed.clock import Clock
from marketfeed.exchanges.exchange import Control, Market
from marketfeed.exchanges.message import Numbering
from marketfeed.normalizer import Data, Ignored, Malformed, Normalizer, Row
from marketfeed_shard.pipeline.filling import Fills
from marketfeed_shard.pipeline.gaps import Gap
from marketfeed_shard.pipeline.rules import Rules
from marketfeed_shard.pipeline.supply import Supply
from marketfeed_shard.publishers.publisher import Loss, Publisher
from marketfeed_shard.state.progress import Progress
from marketfeed_shard.streams.kept import Kept
from marketfeed_shard.streams.recent import recent_kind
from marketfeed_shard.streams.table import DROPPED, INTERRUPTED, Stream


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
        self.market = market
        self._clock = clock
        self._symbols: dict[str, str] = {}
        self._followers: dict[str, list[str]] = {}
        """By index, the symbols whose price follows it."""
        self._of_index = {message.channel for message in market.wire.messages if message.of_index}
        self._unique = {message.channel for message in market.wire.messages if message.numbering is Numbering.UNIQUE}
        self._new_recent = recent_kind()
        self._normalizer = Normalizer(
            market,
            self._symbols.get,
            merge=True,
            followers=lambda index: self._followers.get(index, ()),
            depth=market.depth(book_depth) if market.cuts_books else None,
        )
        self._rules = rules = Rules(market, self._normalizer, publishers, progress, self._replay, clock)
        self.table = rules.table
        self.engine = rules.engine
        self.counts = rules.counts
        self.continuity = rules.continuity
        self.books = rules.books
        self._gate = rules.gate
        self._output = rules.output
        self.supply = Supply(market, self._normalizer, rules, self._replay)
        self._progress = progress
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
            self._rules.forget(slot)

    def interrupted(self, slots: Iterable[int]) -> None:
        """These streams lost their connection: a gap is due before their next event, unless nothing is missing."""
        slots, now_ns = list(slots), self._clock.time_ns()
        for slot in slots:
            self.table.cut(slot, now_ns)
        self.books.interrupted(slot for slot in slots if slot in self.books)
        self._gate.interrupted(slot for slot in slots if slot not in self.books)

    def messages(self, slot: int) -> int:
        """Messages of a stream so far, repetitions included."""
        return self.table.messages[slot]

    def published(self, slot: int) -> int:
        """Events of a stream that went out so far."""
        return self.table.n[slot]

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

    def check_books(self, now_ns: int) -> None:
        """Break the books that are seen to be wrong: to be called every few seconds."""
        self.engine.mark_read(now_ns)
        self.books.check(now_ns)
        self._output.deliver()

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
        self._rules.current.begin(frame)
        try:
            decoded = self._normalizer.decode(frame)
            if isinstance(decoded, Data):
                return self._rows(decoded.rows, connection, received_ns, only)
        except Malformed as problem:
            self.counts.malformed += 1
            self.counts.last_malformed = str(problem)
            return []
        finally:
            self._rules.current.end()
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
                self._rules.row(row, slot, connection, received_ns)
        return slots

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
