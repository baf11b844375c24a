"""A pipeline with one connection, fed by hand, and a sink that keeps what it published."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from marketfeed.clock import ManualClock
from marketfeed.exchanges import catalogue
from marketfeed.exchanges.exchange import Control, Market
from marketfeed_shard.pipeline.pipeline import Pipeline
from marketfeed_shard.state.progress import Progress
from marketfeed_shard.streams.batch import Batch
from marketfeed_shard.streams.table import Stream

T0 = 1_767_225_600_000_000_000
S = 1_000_000_000
MARKET = catalogue.market("binance", "spot")


class Sink:
    """Keeps every event; answers for it at once, or never."""

    name = "sink"
    required = True

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.batches: list[Batch] = []
        self.answers = True

    def put(self, batch: Batch) -> None:
        self.batches.append(batch)
        self.events += [json.loads(event) for _, event in batch.events()]
        batch.hold()
        if self.answers:
            batch.release()


class Bed:
    """One pipeline."""

    def __init__(self, folder: Path, market: Market = MARKET, **options: Any) -> None:
        self.sink = Sink()
        self.controls: list[Control] = []
        self.clock = ManualClock()
        self.progress = Progress(folder / "progress")
        self.pipeline = Pipeline(
            market, [self.sink], self.progress, lambda connection, control: self.controls.append(control), self.clock, **options
        )
        self.now_ns = T0
        self.dash = ""
        """Between base and quote in the exchange's names."""

    def add(self, *streams: tuple[str, str]) -> list[int]:
        return self.pipeline.add([Stream(channel, symbol, symbol.replace("-", self.dash)) for channel, symbol in streams])

    def feed(self, *messages: dict[str, Any] | str, connection: int = 0) -> None:
        """One socket read."""
        self.now_ns += 1000
        self.pipeline.engine.mark_read(self.now_ns)
        for message in messages:
            frame = (message if isinstance(message, str) else json.dumps(message, separators=(",", ":"))).encode()
            if not self.pipeline.engine.feed(frame, connection, self.now_ns):
                self.pipeline.decode(frame, connection, self.now_ns)
        self.pipeline.flush()

    def take(self) -> list[dict[str, Any]]:
        """The events since the last call."""
        events, self.sink.events = self.sink.events, []
        return events


def trade(number: int, symbol: str = "BTCUSDT", price: str = "67000.10") -> dict[str, Any]:
    data = {"e": "trade", "E": 1, "s": symbol, "t": number, "p": price, "q": "0.5", "T": T0 // 10**6, "m": True, "M": True}
    return {"stream": f"{symbol.lower()}@trade", "data": data}


def bbo(number: int, symbol: str = "BTCUSDT") -> dict[str, Any]:
    data = {"u": number, "s": symbol, "b": "1.0", "B": "2.0", "a": "1.1", "A": "3.0"}
    return {"stream": f"{symbol.lower()}@bookTicker", "data": data}


def gaps(events: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(e["reason"], e["from_seq"], e["to_seq"], e["n"]) for e in events if e["type"] == "gap"]
