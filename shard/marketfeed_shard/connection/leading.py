"""Which connection leads a stream that several carry. Without I/O.

What the exchange's numbers do not tell apart counts from the leader alone; the rest goes out from whichever comes first.
"""

from __future__ import annotations

from collections.abc import Iterable

from marketfeed_shard.connection.connection import Connection
from marketfeed_shard.connection.pool import Pool
from marketfeed_shard.connection.ports import Streams

ANY_KEY = -1


class Leading:
    """The leaders of all streams, one for each address that a stream takes."""

    def __init__(self, pool: Pool, streams: Streams) -> None:
        self._pool = pool
        self._streams = streams
        self._leaders: dict[tuple[int, str], Connection] = {}

    def leads(self, connection: Connection, slot: int) -> bool:
        """Whether a stream counts from this connection."""
        return self._leaders.get((slot, connection.url)) is connection

    def led(self, connection: Connection) -> list[int]:
        """The streams that count from this connection."""
        return [slot for slot in connection.subscriptions.slots if self.leads(connection, slot)]

    def give(self, slot: int, connection: Connection) -> None:
        """From now on a stream counts from this connection. One that comes from several addresses counts from each."""
        self._leaders[slot, connection.url] = connection
        self._streams.own(slot, ANY_KEY if self._pool.is_divided(slot) else connection.key)

    def pass_on(self, slot: int, connection: Connection) -> None:
        """The leader of a stream does not bring it any more; this connection does."""
        leader = self._leaders.get((slot, connection.url))
        if leader is not None:
            leader.proof.failed(slot)
        self.give(slot, connection)

    def forget(self, slot: int) -> None:
        """A stream is wanted no more."""
        for connection in self._pool.carrying(slot):
            self._leaders.pop((slot, connection.url), None)

    def opened(self, connection: Connection, slots: Iterable[int]) -> None:
        """A connection is about to bring these: it leads where nobody else does, and joins the leader elsewhere."""
        joining = []
        for slot in slots:
            leader = self._leaders.get((slot, connection.url))
            if leader is not None and leader is not connection and leader.is_open:
                joining.append(slot)
            else:
                self.give(slot, connection)
        self._streams.joining(joining)

    def left(self, connection: Connection, slots: Iterable[int], now_s: float) -> None:
        """A connection brings these no more: another one leads, and what none is known to carry may be missing from now on."""
        led = [slot for slot in slots if self.leads(connection, slot)]
        heirs = {slot: self._heir(slot, connection, now_s) for slot in led}
        self._streams.interrupted(slot for slot, (_, carried) in heirs.items() if not carried)
        for slot, (heir, _) in heirs.items():
            if heir is not None:
                self.give(slot, heir)

    def _heir(self, slot: int, gone: Connection, now_s: float) -> tuple[Connection | None, bool]:
        """Another open connection with a stream, and whether that one is known to carry it."""
        others = [c for c in self._pool.carrying(slot, gone.url) if c is not gone and c.is_open]
        for other in others:
            if other.proof.carries(slot, now_s):
                return other, True
        return (others[0] if others else None), False
