"""What the clients of the gRPC publisher want and have not got yet, each with a bound of its own. Without I/O.

Events are framed once for all clients that want the same streams; a message to a client is such frames, joined.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence

from marketfeed.stream_filter import StreamFilter
from marketfeed_shard.publishers.framing import protobuf, varint
from marketfeed_shard.streams.batch import Batch
from marketfeed_shard.streams.table import Stream

MESSAGE_BYTES = 128 * 1024
"""A message takes what waits up to this size, and one batch whatever its size."""
MISSED_TAG = b"\x10"
"""Of the field `missed` of the message `EventBatch`: number 2, varint."""


class _Delivery:
    """One batch on its way to those who want events of it."""

    __slots__ = ("batch", "unpublished")

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.unpublished = 0
        """Events that somebody wants and nobody has got yet."""


class _Chunk:
    """The events of one batch that clients with the same filter want."""

    __slots__ = ("count", "delivery", "entered_s", "framed", "handed")

    def __init__(self, framed: bytes, count: int, entered_s: float, delivery: _Delivery) -> None:
        self.framed = framed
        self.count = count
        self.entered_s = entered_s
        self.delivery = delivery
        self.handed = False


class Subscription:
    """One client: what waits for it, oldest first."""

    def __init__(self, owner: Subscriptions, wanted: StreamFilter, wake: Callable[[], None]) -> None:
        self.wanted = wanted
        self._owner = owner
        self._wake = wake
        self._waiting: deque[_Chunk] = deque()
        self._leaving: list[_Chunk] = []
        self._missed = 0
        self.size_bytes = 0
        """Of events that wait or are being written."""

    def put(self, chunk: _Chunk) -> None:
        """Take what a batch has for this client; the oldest give way to it."""
        chunk.delivery.batch.hold()
        self._waiting.append(chunk)
        self.size_bytes += len(chunk.framed)
        self._expire(chunk.entered_s)
        while self.size_bytes > self._owner.buffer_bytes and len(self._waiting) > 1:
            self._drop()
        self._wake()

    def take(self, now_s: float) -> bytes | None:
        """The next message, or None where nothing waits. `handed` tells when the client has it."""
        self._expire(now_s)
        waiting, size = self._waiting, 0
        frames: list[bytes] = []
        while waiting and (not frames or size + len(waiting[0].framed) <= MESSAGE_BYTES):
            chunk = waiting.popleft()
            self._leaving.append(chunk)
            frames.append(chunk.framed)
            size += len(chunk.framed)
        if self._missed:
            frames.append(MISSED_TAG + varint(self._missed))
            self._missed = 0
        return b"".join(frames) if frames else None

    def handed(self) -> None:
        """The client has the message that was taken last."""
        for chunk in self._leaving:
            self._owner.delivered(chunk)
            self._release(chunk)
        self._leaving.clear()

    def leave(self) -> None:
        """The client went away: what waits has no receiver any more, and nobody missed it."""
        self._leaving.extend(self._waiting)
        self._waiting.clear()
        self.handed()

    def abandon(self) -> None:
        """The server goes away: the client misses what waits, and nobody is left to tell it but an heir."""
        for chunk in (*self._leaving, *self._waiting):
            self._owner.dropped += chunk.count
            self.size_bytes -= len(chunk.framed)
            chunk.delivery.batch.abandon()
        self._leaving.clear()
        self._waiting.clear()

    def oldest_s(self) -> float | None:
        """When the oldest event that waits, or is being written, entered."""
        return self._leaving[0].entered_s if self._leaving else self._waiting[0].entered_s if self._waiting else None

    def _expire(self, now_s: float) -> None:
        oldest_s = now_s - self._owner.max_age_s
        while self._waiting and self._waiting[0].entered_s < oldest_s:
            self._drop()

    def _drop(self) -> None:
        chunk = self._waiting.popleft()
        self._missed += chunk.count
        self._owner.dropped += chunk.count
        self._release(chunk)

    def _release(self, chunk: _Chunk) -> None:
        self.size_bytes -= len(chunk.framed)
        chunk.delivery.batch.release()


class _Group:
    """Clients with the same filter."""

    def __init__(self, wanted: Callable[[str, str], bool]) -> None:
        self._wanted = wanted
        self._mask = b""
        self.members: list[Subscription] = []

    def mask(self, streams: Sequence[Stream]) -> bytes:
        """One byte a slot: 1 where its stream is wanted."""
        if len(self._mask) < len(streams):
            fresh = streams[len(self._mask) :]
            self._mask += bytes(self._wanted(stream.channel, stream.symbol) for stream in fresh)
        return self._mask


class Subscriptions:
    """All clients of one shard."""

    def __init__(self, exchange: str, market: str, streams: Sequence[Stream], buffer_bytes: int, max_age_s: float) -> None:
        """`buffer_bytes`: of each client."""
        self._exchange = exchange
        self._market = market
        self._streams = streams
        self._groups: dict[StreamFilter, _Group] = {}
        self.buffer_bytes = buffer_bytes
        self.max_age_s = max_age_s
        self.published = 0
        """Events that the first of their clients has, or that nobody wanted."""
        self.dropped = 0
        """Events that a client missed, each client counted."""

    def __iter__(self) -> Iterator[Subscription]:
        return iter([member for group in self._groups.values() for member in group.members])

    def add(self, wanted: StreamFilter, wake: Callable[[], None]) -> Subscription:
        """A client, from the next batch on. `wake` is called whenever something waits for it."""
        group = self._groups.get(wanted)
        if group is None:
            matches = wanted.matcher()
            group = _Group(lambda channel, symbol: matches(self._exchange, self._market, channel, symbol))
            self._groups[wanted] = group
        subscription = Subscription(self, wanted, wake)
        group.members.append(subscription)
        return subscription

    def remove(self, subscription: Subscription) -> None:
        """A client that went away."""
        group = self._groups[subscription.wanted]
        group.members.remove(subscription)
        if not group.members:
            del self._groups[subscription.wanted]
        subscription.leave()

    def put(self, batch: Batch, now_s: float) -> None:
        """Give every client what it wants of a batch."""
        batch.hold()
        delivery = _Delivery(batch)
        total = len(batch)
        for group in self._groups.values():
            framed, count = protobuf(batch.data, batch.index, group.mask(self._streams))
            if count:
                delivery.unpublished = min(total, delivery.unpublished + count)
                chunk = _Chunk(framed, count, now_s, delivery)
                for member in group.members:
                    member.put(chunk)
        self.published += total - delivery.unpublished
        batch.release()

    def delivered(self, chunk: _Chunk) -> None:
        """A client has these events: where it is the first, they are published."""
        if not chunk.handed:
            chunk.handed = True
            step = min(chunk.count, chunk.delivery.unpublished)
            chunk.delivery.unpublished -= step
            self.published += step
