"""What a shard publishes does not depend on its engine: recordings with losses, repetitions, holds and changes of streams."""

from __future__ import annotations

import re
from array import array
from itertools import islice
from pathlib import Path
from random import Random

import pytest
from engines import needs_kernel
from mutations import mutated
from recordings import captures, lines, needs_recordings

from marketfeed.clock import ManualClock
from marketfeed.exchanges.catalogue import MARKETS
from marketfeed.exchanges.exchange import Control, Market
from marketfeed_shard.pipeline.pipeline import Pipeline
from marketfeed_shard.state.progress import Progress
from marketfeed_shard.streams.batch import Batch
from marketfeed_shard.streams.table import Stream

pytestmark = [needs_recordings, needs_kernel]

CHANNELS = ("trades", "bbo", "book", "ticker", "candles.1m")
NATIVES = {
    ("binance", "spot"): ("BTCUSDT", "NKNUSDT", "BLZETH"),
    ("binance", "inverse"): ("BTCUSD_PERP", "BCHUSD_210924"),
    ("bybit", "linear"): ("BTCUSDT", "SOLUSDT"),
    ("okx", "inverse"): ("BTC-USD-220527",),
    ("kraken", "spot"): ("BTC/USD", "XRP/USD"),
}
FRAMES = 15_000
_CHANGE = re.compile(rb'"s":"(\w+)".*"u":(\d+)')


def streams(market: Market) -> list[Stream]:
    natives = NATIVES[market.exchange, market.name]
    return [Stream(channel, str(market.symbol(native)), native) for native in natives for channel in CHANNELS]


class Sink:
    """Keeps batches as they are."""

    name = "sink"
    required = True

    def __init__(self) -> None:
        self.published: list[tuple[bytes, array[int], int]] = []

    def put(self, batch: Batch) -> None:
        self.published.append((batch.data, batch.index, batch.received_ns))


class Bed:
    """One pipeline, and what it was told."""

    def __init__(self, folder: Path, market: Market) -> None:
        folder.mkdir()
        self.sink = Sink()
        self.controls: list[tuple[int, Control]] = []
        self.progress = Progress(folder / "progress")
        self.pipeline = Pipeline(
            market, [self.sink], self.progress, lambda c, told: self.controls.append((c, told)), ManualClock()
        )

    def feed(self, frame: bytes, connection: int, received_ns: int) -> None:
        if not self.pipeline.engine.feed(frame, connection, received_ns):
            self.pipeline.decode(frame, connection, received_ns)


def act(pipeline: Pipeline, random: Random, slots: list[int], now_ns: int) -> None:
    """Something happens to a stream."""
    slot = random.choice(slots)
    match random.randrange(7):
        case 0:
            pipeline.interrupted([slot])
        case 1:
            pipeline.hold(slot)
        case 2:
            pipeline.release(slot)
        case 3:
            pipeline.own(slot, random.choice((-1, 0, 1)))
        case 4:
            pipeline.joining([slot])
        case 5:
            pipeline.check_books(now_ns)
        case _:
            pipeline.remove([slot])
            pipeline.add([pipeline.table.streams[slot]])


def snapshots(pipeline: Pipeline, random: Random, latest: dict[str, int], now_ns: int) -> None:
    """An answer over REST for each book that waits for one: sometimes too old, sometimes ahead."""
    for slot in pipeline.books.unsynced():
        seq = latest.get(pipeline.table.streams[slot].native, 1) - random.randrange(-1, 300)
        pipeline.supply.book(slot, b'{"lastUpdateId":%d,"bids":[["1","2"]],"asks":[]}' % max(seq, 1), now_ns)


def drive(bed: Bed, frames: list[bytes], seed: int) -> None:
    """A bad day in one go; the seed alone decides what happens."""
    random, pipeline = Random(seed), bed.pipeline
    slots = pipeline.add(streams(pipeline.market))
    now_ns = 1_723_161_255_000_000_000
    earlier: list[bytes] = []
    latest: dict[str, int] = {}
    for frame in frames:
        if random.random() < 0.3:
            pipeline.flush()
            now_ns += random.randrange(50_000_000)
            pipeline.engine.mark_read(now_ns)
        if (fate := random.random()) < 0.02:
            continue
        bed.feed(mutated(frame, random) if fate > 0.97 else frame, random.choice((0, 0, 0, 1)), now_ns)
        earlier = [*earlier[-20:], frame]
        if random.random() < 0.05:
            bed.feed(random.choice(earlier), 1, now_ns)
        if numbered := _CHANGE.search(frame):
            latest[numbered[1].decode()] = int(numbered[2])
        if random.random() < 0.01:
            act(pipeline, random, slots, now_ns)
        if random.random() < 0.02 and pipeline.market.exchange == "binance":
            snapshots(pipeline, random, latest, now_ns)
    pipeline.flush()


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(("exchange", "name"), NATIVES)
def test_both_engines_publish_the_same_batches(
    exchange: str, name: str, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = [frame for path in captures(exchange, name) for frame in islice(lines(path), FRAMES // 3)]
    beds = []
    for engine in ("compiled", "plain"):
        monkeypatch.setenv("MARKETFEED_ENGINE", engine)
        bed = Bed(tmp_path / engine, MARKETS[exchange, name])
        drive(bed, frames, seed)
        beds.append(bed)
    compiled, plain = beds
    assert compiled.pipeline.engine.declined < len(frames) // 2  # merged tickers, unknown symbols, raw streams
    assert compiled.sink.published == plain.sink.published
    assert any(b'"type":"book"' in data for data, _, _ in plain.sink.published)
    assert compiled.controls == plain.controls
    one, other = compiled.pipeline, plain.pipeline
    assert one.counts == other.counts
    assert (one.books.gaps, one.books.resyncs) == (other.books.gaps, other.books.resyncs)
    for slot, stream in enumerate(one.table.streams):
        assert stream.channel != "book" or one.books.levels(slot) == other.books.levels(slot)
    for column in ("n", "position", "received_ns", "messages", "repeated", "owner", "flags"):
        assert getattr(one.table, column) == getattr(other.table, column), column
    assert one.engine.latency() == other.engine.latency()
    for bed in beds:
        bed.progress.close()
