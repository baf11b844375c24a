"""What a shard publishes does not depend on its engine: recordings with losses, repetitions, holds and changes of streams."""

from __future__ import annotations

from array import array
from itertools import islice
from pathlib import Path
from random import Random

import pytest
from engines import needs_kernel
from mutations import mutated
from recordings import captures, lines, needs_recordings

from marketfeed.clock import ManualClock
from marketfeed.exchanges import catalogue
from marketfeed.exchanges.exchange import Control
from marketfeed_shard.batch import Batch
from marketfeed_shard.pipeline import Pipeline
from marketfeed_shard.progress import Progress
from marketfeed_shard.streams import Stream

pytestmark = [needs_recordings, needs_kernel]

MARKET = catalogue.market("binance", "spot")
CHANNELS = ("trades", "bbo", "book", "ticker", "candles.1m")
NATIVES = {"BTCUSDT": "BTC-USDT", "NKNUSDT": "NKN-USDT", "BLZETH": "BLZ-ETH"}
STREAMS = [Stream(channel, symbol, native) for native, symbol in NATIVES.items() for channel in CHANNELS]
FRAMES = 15_000


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

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.sink = Sink()
        self.controls: list[tuple[int, Control]] = []
        self.progress = Progress(folder / "progress")
        self.pipeline = Pipeline(
            MARKET, [self.sink], self.progress, lambda c, told: self.controls.append((c, told)), ManualClock()
        )

    def feed(self, frame: bytes, connection: int, received_ns: int) -> None:
        if not self.pipeline.engine.feed(frame, connection, received_ns):
            self.pipeline.decode(frame, connection, received_ns)


def drive(bed: Bed, frames: list[bytes], seed: int) -> None:
    """A bad day in one go; the seed alone decides what happens."""
    random, pipeline = Random(seed), bed.pipeline
    slots = pipeline.add(STREAMS)
    now_ns = 1_723_161_255_000_000_000
    earlier: list[bytes] = []
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
        if random.random() < 0.01:
            slot = random.choice(slots)
            act = random.randrange(5)
            if act == 0:
                pipeline.interrupted([slot])
            elif act == 1:
                pipeline.hold(slot)
            elif act == 2:
                pipeline.release(slot)
            elif act == 3:
                pipeline.own(slot, random.choice((-1, 0, 1)))
            else:
                pipeline.remove([slot])
                pipeline.add([STREAMS[slot]])
    pipeline.flush()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_both_engines_publish_the_same_batches(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = [frame for path in captures("binance", "spot") for frame in islice(lines(path), FRAMES // 3)]
    beds = []
    for engine in ("compiled", "plain"):
        monkeypatch.setenv("MARKETFEED_ENGINE", engine)
        bed = Bed(tmp_path / engine)
        drive(bed, frames, seed)
        beds.append(bed)
    compiled, plain = beds
    assert compiled.pipeline.engine.declined < len(frames) // 10
    assert compiled.sink.published == plain.sink.published
    assert compiled.controls == plain.controls
    one, other = compiled.pipeline, plain.pipeline
    assert one.counts == other.counts
    for column in ("n", "position", "received_ns", "messages", "repeated", "owner", "flags"):
        assert getattr(one.table, column) == getattr(other.table, column), column
    assert one.engine.latency() == other.engine.latency()
    for bed in beds:
        bed.progress.close()
