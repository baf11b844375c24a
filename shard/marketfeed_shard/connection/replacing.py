"""Make before break: a connection goes only when another one has proven that it carries all its streams. Without I/O."""

from __future__ import annotations

from functools import partial

from marketfeed_shard.connection.connection import Connection
from marketfeed_shard.connection.pool import Pool
from marketfeed_shard.connection.ports import Sockets, Streams
from marketfeed_shard.connection.takeover import Takeover

LOOK_S = 0.25
"""How often a takeover is looked at."""


class Replacing:
    """The takeovers that are under way in a pool."""

    def __init__(self, pool: Pool, sockets: Sockets, streams: Streams) -> None:
        self._pool = pool
        self._sockets = sockets
        self._streams = streams
        self._takeovers: dict[int, Takeover] = {}
        """By id of the new connection."""

    def __bool__(self) -> bool:
        """Whether one is under way."""
        return bool(self._takeovers)

    def begin(self, old: Connection, now_s: float) -> None:
        """Open another one for the same streams; the old one goes when the new one has proven itself."""
        new = self._pool.new(old.url, now_s)
        for slot, topic in old.subscriptions.topics():
            new.subscriptions.add(slot, topic, now_s)
        new.replaces = old
        new.patience_s = old.patience_s
        old.draining(now_s)
        self._streams.joining(old.subscriptions.slots)
        self._takeovers[new.id] = Takeover(new, self._streams)

    def look(self, now_s: float) -> None:
        """Whether a new connection has proven itself, or has streams to take over, or to ask for again."""
        for new in self._pool:
            old = new.replaces
            if old is None or not new.is_open:
                continue
            takeover = self._takeovers[new.id]
            missing = takeover.missing(new.subscriptions.slots, partial(self._sockets.seen, new.key), now_s)
            if missing:
                for slot in takeover.parted(missing, now_s):
                    self._streams.own(slot, new.key)
                new.subscriptions.renew(takeover.overdue(missing, now_s), now_s)
            else:
                self.relieve(old)

    def relieve(self, old: Connection) -> None:
        """The connection that replaces this one stands in for it from now on."""
        new = next(c for c in self._pool if c.replaces is old)
        new.reconnects += old.reconnects
        if old.replaces is not None:  # which was on its way to take over itself: the new one does so in its place
            new.replaces = old.replaces
        else:
            del self._takeovers[new.id]
            new.replaces, new.id = None, old.id
            for slot in new.subscriptions.slots:
                self._streams.own(slot, new.key)
        self.drop(old)

    def drop(self, connection: Connection) -> None:
        """Let go of a connection, whatever part it has in a takeover."""
        for new in self._pool:
            if new is connection or new.replaces is connection:
                self._takeovers.pop(new.id, None)
        self._pool.drop(connection)
