"""Whether a message goes out, and what goes out with it: by the same rules, whichever engine has read it.

The compiled engine does the common case by itself and asks here for what is rare. What the plain normalizer has read goes all
of the way here.
"""

from __future__ import annotations

from collections.abc import Sequence

from marketfeed.clock import Clock
from marketfeed.encoding import own_fields
from marketfeed.exchanges.exchange import Market
from marketfeed.exchanges.message import Numbering
from marketfeed.normalizer import Normalizer, Row
from marketfeed_shard.books.checksums import Checksum
from marketfeed_shard.books.sequence import Outcome
from marketfeed_shard.kernel import compiled_engine
from marketfeed_shard.kernel.plain import Engine, PlainEngine
from marketfeed_shard.pipeline.book_streams import BookStreams, Replay, Told
from marketfeed_shard.pipeline.candles import Candles
from marketfeed_shard.pipeline.counts import LATENCY_BOUNDS_MS, Counts
from marketfeed_shard.pipeline.gaps import Continuity
from marketfeed_shard.pipeline.gate import Gate
from marketfeed_shard.pipeline.output import Output
from marketfeed_shard.publishers.publisher import Publisher
from marketfeed_shard.state.progress import Progress
from marketfeed_shard.streams.current import Current
from marketfeed_shard.streams.table import ANY_CONNECTION, INTERRUPTED, STARTED, UNKNOWN, StreamTable

CANDLE_END = "candle_end"
HOOKS = frozenset({CANDLE_END, *(checksum.value for checksum in Checksum)})
"""Names that a declaration may give to a hook."""


class Rules:
    """The engine of a shard, and its owner: the parts that decide about its streams."""

    def __init__(
        self,
        market: Market,
        normalizer: Normalizer,
        publishers: Sequence[Publisher],
        progress: Progress,
        replay: Replay,
        clock: Clock,
    ) -> None:
        """Raises `LookupError` where a declaration names a hook that there is not."""
        for message in market.wire.messages:
            if message.hook is not None and message.hook.name not in HOOKS:
                raise LookupError(f"{market.exchange} {market.name} names an unknown hook {message.hook.name!r}")
        self._normalizer = normalizer
        self.table = table = StreamTable()
        self.counts = Counts()
        made = compiled_engine(market, normalizer, self, LATENCY_BOUNDS_MS)
        self.engine: Engine = PlainEngine(LATENCY_BOUNDS_MS) if made is None else made
        self.output = Output(market, table, self.engine, self.counts, publishers, progress.commit, clock)
        self.continuity = Continuity(table, progress.known)
        self.current = Current(self.engine)
        self.gate = Gate(table, self.output, self.current, self.continuity)
        self.books = BookStreams(
            market, table, self.engine, self.output, self.current, self.continuity, replay, normalizer.depth
        )
        self._candles = Candles()

    # ---- streams -----------------------------------------------------------------------------------------------------

    def forget(self, slot: int) -> None:
        """Nothing of a stream is kept any more."""
        self.gate.forget(slot)
        self.books.remove(slot)
        self._candles.forget(slot)

    # ---- what the compiled engine asks for ---------------------------------------------------------------------------

    def passes(self, slot: int, position: int, received_ns: int, connection: int) -> bool:
        """Whether an event of a flagged stream goes out."""
        if self.table.flags[slot] & (STARTED | INTERRUPTED):
            self._candles.forget(slot)
        return self.gate.passes(slot, position, received_ns, connection)

    def hole(self, slot: int, last: int, position: int, received_ns: int, connection: int) -> bool:
        """The exchange's numbers jumped from `last` to `position`: whether the event goes out now."""
        return self.gate.passes_after_hole(slot, last, position, received_ns, connection)

    def candle(self, slot: int, ts_ns: int, own: bytes) -> None:
        """A candle is about to go out; where it is the first of its own, the one before has ended."""
        ended = self._candles.ended(slot, ts_ns, own)
        if ended is not None:
            stream = self.table.streams[slot]
            head, _, _ = self._normalizer.stream_head(stream.channel, stream.symbol)
            self.output.close(slot, ended, head)

    def admit(self, slot: int, snapshot: bool, seq: int, prev: int, received_ns: int, connection: int) -> bool:
        """Whether a message of a flagged book, or of one that another connection leads, is looked at now."""
        return self._admits(Told(slot, snapshot, seq, prev, received_ns, connection))

    def broken(self, slot: int, outcome: int, snapshot: bool, seq: int, prev: int, received_ns: int, connection: int) -> None:
        """A message of a book does not pass."""
        self.books.broken(Told(slot, snapshot, seq, prev, received_ns, connection), Outcome(outcome))

    def synced(self, slot: int) -> None:
        """A book that was none is one again."""
        self.books.synced(slot)

    def _admits(self, told: Told) -> bool:
        is_withheld = self.gate.withholds(told.slot, told.seq, told.received_ns, told.connection)
        return not is_withheld and self.books.admit(told)

    # ---- what the plain normalizer has read --------------------------------------------------------------------------

    def row(self, row: Row, slot: int, connection: int, received_ns: int) -> None:
        """One record: the compiled engine's `_publish`."""
        ts_ns = row.event["ts"]
        if isinstance(ts_ns, int):
            self.engine.observe(ts_ns)
        goes_out = self._book_passes if slot in self.books else self._row_passes
        if not goes_out(row, slot, connection, received_ns):
            return
        if row.message.hook is not None and row.message.hook.name == CANDLE_END:
            self.candle(slot, ts_ns or 0, own_fields(row.event))
        self.table.received_ns[slot] = received_ns
        self.output.publish(row, slot, received_ns)

    def _row_passes(self, row: Row, slot: int, connection: int, received_ns: int) -> bool:
        table, recents = self.table, self.gate.recents
        position = UNKNOWN if row.position is None else row.position
        if table.flags[slot] and not self.passes(slot, position, received_ns, connection):
            return False
        if row.message.numbering is not Numbering.NONE and position != UNKNOWN:
            last = table.position[slot]
            is_copy = UNKNOWN != last >= position
            jumps = row.message.numbering is Numbering.CONSECUTIVE and UNKNOWN != last < position - 1
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
        seq, prev = row.position, row.event["prev_seq"]
        told = Told(
            slot,
            bool(row.event["snapshot"]),
            UNKNOWN if seq is None else seq,
            UNKNOWN if prev is None else prev,
            received_ns,
            connection,
        )
        is_rare = self.table.flags[slot] or self.table.owner[slot] not in {ANY_CONNECTION, connection}
        return (not is_rare or self._admits(told)) and self.books.take(told, row)
