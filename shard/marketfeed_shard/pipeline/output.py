"""What goes out: events are numbered, added to the batch, and handed to every publisher."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from marketfeed.clock import Clock
from marketfeed.encoding import encode
from marketfeed.exchanges.exchange import Market
from marketfeed.normalizer import Row
from marketfeed_shard.kernel.plain import Engine
from marketfeed_shard.pipeline.candles import Candle
from marketfeed_shard.pipeline.counts import Counts
from marketfeed_shard.pipeline.gaps import Gap
from marketfeed_shard.publishers.publisher import Publisher
from marketfeed_shard.streams.batch import DATA, GAP, Batch
from marketfeed_shard.streams.table import UNKNOWN, StreamTable


class Output:
    """The end of the data path. The compiled engine numbers and adds the common events by itself."""

    def __init__(
        self,
        market: Market,
        table: StreamTable,
        engine: Engine,
        counts: Counts,
        publishers: Sequence[Publisher],
        done: Callable[[Batch], None],
        clock: Clock,
    ) -> None:
        """`done`: told of each batch for which every publisher has its answer."""
        self._market = market
        self._table = table
        self._engine = engine
        self._counts = counts
        self._publishers = publishers
        self._done = done
        self._clock = clock

    def publish(self, row: Row, slot: int, received_ns: int) -> None:
        """An event of the plain normalizer, in its place among the others."""
        self._table.n[slot] += 1
        row.event["recv"], row.event["n"] = received_ns, self._table.n[slot]
        position = UNKNOWN if row.position is None else row.position
        self._engine.append(slot, encode(row.event), position, DATA)

    def close(self, slot: int, candle: Candle, head: bytes) -> None:
        """The last event of a candle once more, closed; `head`: what the stream's events begin with."""
        self._table.n[slot] += 1
        received_ns = self._engine.received_ns
        self._engine.append(slot, candle.closed(head, received_ns, self._table.n[slot]), UNKNOWN, DATA)

    def announce(self, slot: int, gap: Gap) -> None:
        """A gap, in its place among the events."""
        self._table.n[slot] += 1
        self._counts.gaps[gap.reason.value] += 1
        if gap.cut_ns:
            self._counts.announced.add((self._clock.time_ns() - gap.cut_ns) / 1e9)
        event = gap.event(self._market, self._table.streams[slot], self._table.n[slot])
        self._engine.append(slot, encode(event), gap.position, GAP)

    def deliver(self) -> None:
        """What was added since the last time, as one batch."""
        batch = self._engine.flush(self._done)
        if batch is None:
            return
        batch.hold()
        for publisher in self._publishers:
            publisher.put(batch)
        batch.release()
