"""What the pipeline needs of an engine, and the engine without a kernel: it declines every frame and only makes batches."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Protocol

from marketfeed_shard.books.book import Book
from marketfeed_shard.streams.batch import Batch
from marketfeed_shard.streams.recent import Recent
from marketfeed_shard.streams.table import StreamTable


class Engine(Protocol):
    """What the pipeline needs of an engine. A frame that it declines is decoded by the plain normalizer."""

    frames: int
    """Frames that it was given."""
    declined: int
    """Of these, frames left to the plain normalizer."""
    received_ns: int
    """Wall clock of the socket read whose events are added."""

    def bind(self, table: StreamTable) -> None:
        """The stream table has grown."""
        ...

    def define(self, slot: int, head: bytes, interval: bytes = b"", length_ns: int = 0) -> None:
        """What the events of a slot begin with; for candles their interval as JSON, and its length (0: not fixed)."""
        ...

    def guard(self, slot: int, recent: Recent | None) -> None:
        """Give a stream whose ids promise no order what tells its copies apart; its slot was bound before."""
        ...

    def keep_book(self, slot: int, book: Book | None) -> None:
        """Give a stream its book, or None: its messages are for the plain normalizer; its slot was bound before."""
        ...

    def feed(self, frame: bytes, connection: int, received_ns: int, only: int = -1) -> bool:
        """One frame: True if its events are in the batch, False if it is for the plain normalizer."""
        ...

    def append(self, slot: int, event: bytes, position: int, kind: int) -> None:
        """Add an event that was encoded elsewhere."""
        ...

    def mark_read(self, received_ns: int) -> None:
        """Wall clock of the socket read whose events follow."""
        ...

    def flush(self, done: Callable[[Batch], None] | None = None) -> Batch | None:
        """The events since the last call, or None."""
        ...

    def frame(self) -> bytes:
        """The frame that is being published."""
        ...

    def observe(self, ts_ns: int) -> None:
        """Count the latency of an event, from its time to the receipt."""
        ...

    def latency(self) -> tuple[list[int], float, int]:
        """(events by bucket, the last one without a bound; their sum in ms; most that an exchange was ahead, in ns)."""
        ...


class PlainEngine:
    """Collects what the pipeline encodes."""

    def __init__(self, latency_bounds_ms: Sequence[float]) -> None:
        self.frames = self.declined = 0
        self._bounds_ms = list(latency_bounds_ms)
        self._buckets = [0] * (len(self._bounds_ms) + 1)
        self._sum_ms = 0.0
        self._skew_ns = 0
        self._parts: list[bytes] = []
        self._size = 0
        self._index = array("q")
        self.received_ns = 0

    def bind(self, table: StreamTable) -> None:
        """Nothing: the pipeline writes the table."""

    def define(self, slot: int, head: bytes, interval: bytes = b"", length_ns: int = 0) -> None:
        """Nothing: events come encoded."""

    def guard(self, slot: int, recent: Recent | None) -> None:
        """Nothing: the pipeline asks it."""

    def keep_book(self, slot: int, book: Book | None) -> None:
        """Nothing: the pipeline changes it."""

    def feed(self, frame: bytes, connection: int, received_ns: int, only: int = -1) -> bool:
        self.received_ns = received_ns
        self.frames += 1
        return False

    def mark_read(self, received_ns: int) -> None:
        self.received_ns = received_ns

    def append(self, slot: int, event: bytes, position: int, kind: int) -> None:
        start = self._size
        self._size += len(event)
        self._parts.append(event)
        self._index.extend((slot, start, self._size, position, kind))

    def flush(self, done: Callable[[Batch], None] | None = None) -> Batch | None:
        if not self._parts:
            return None
        batch = Batch(b"".join(self._parts), self._index, self.received_ns, done)
        self._parts, self._size, self._index = [], 0, array("q")
        return batch

    def frame(self) -> bytes:
        raise RuntimeError("the plain engine publishes no frame of its own")

    def observe(self, ts_ns: int) -> None:
        ms = (self.received_ns - ts_ns) / 1e6
        self._buckets[bisect_left(self._bounds_ms, ms)] += 1
        self._sum_ms += ms
        self._skew_ns = max(self._skew_ns, ts_ns - self.received_ns)

    def latency(self) -> tuple[list[int], float, int]:
        return list(self._buckets), self._sum_ms, self._skew_ns
