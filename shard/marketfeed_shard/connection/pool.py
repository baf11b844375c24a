"""The connections of a shard, and which stream is on which of them. Without I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from marketfeed.backoff import Backoff
from marketfeed.exchanges.exchange import Market
from marketfeed.report import ConnectionState
from marketfeed_shard.connection.budget import Window, of_rate
from marketfeed_shard.connection.connection import Connection
from marketfeed_shard.connection.ports import Settings, Sockets, Topic
from marketfeed_shard.connection.subscriptions import State, Subscriptions

START_WAIT_S = 0.25
"""Before the first attempt: a shard that crashes at once has spent nothing."""


class Pool:
    """All of them, those on their way too, oldest first."""

    def __init__(self, market: Market, sockets: Sockets, settings: Settings, random: Callable[[], float], now_s: float) -> None:
        self._market = market
        self._sockets = sockets
        self._settings = settings
        self._random = random
        self._connections: list[Connection] = []
        self._last_id = -1
        self._start_s = now_s + START_WAIT_S

    def __iter__(self) -> Iterator[Connection]:
        """Those that are there now: whoever goes through them may open and drop some."""
        return iter(list(self._connections))

    def configure(self, settings: Settings) -> None:
        """Other limits from now on; connections stay."""
        self._settings = settings
        for connection in self._connections:
            connection.window.resize(*of_rate(settings.limits.messages_per_second))

    def by_key(self, key: int) -> Connection | None:
        """The one whose socket that is; none where it was let go."""
        return next((c for c in self._connections if c.key == key), None)

    def carrying(self, slot: int) -> list[Connection]:
        """Those on which a stream is wanted: two while one takes over from the other."""
        return [c for c in self._connections if c.subscriptions.get(slot) is not None]

    def subscribed(self) -> set[int]:
        """Streams that are acknowledged or seen on an open connection."""
        return {slot for connection in self._connections for slot in connection.live_slots()}

    def rejected(self) -> dict[int, str]:
        """Streams whose name the exchange refuses, with its reason; those that another connection has are well."""
        refused = {
            slot: subscription.reason
            for connection in self._connections
            for subscription in connection.subscriptions
            if subscription.state is State.REJECTED
            for slot in subscription.slots
        }
        return {slot: refused[slot] for slot in sorted(refused.keys() - self.subscribed())} if refused else {}

    def place(self, topic: Topic, now_s: float) -> Connection:
        """Where one more stream goes: a connection with room, or a new one."""
        return self._with_room(topic) or self.new(topic.url, now_s)

    def new(self, url: str, now_s: float) -> Connection:
        """One more connection, which is still to be made."""
        self._last_id += 1
        connection = Connection(
            id=self._last_id,
            url=url,
            market=self._market,
            sockets=self._sockets,
            backoff=Backoff(self._random),
            window=Window(*of_rate(self._settings.limits.messages_per_second)),
            subscriptions=Subscriptions(self._market),
            retry_s=max(now_s, self._start_s),
            since_s=now_s,
            patience_s=self._settings.stale_after_s,
        )
        self._connections.append(connection)
        return connection

    def drop(self, connection: Connection) -> None:
        """Let go of one, and of its socket. Nobody takes over from it any more."""
        self._connections.remove(connection)
        for other in self._connections:
            if other.replaces is connection:
                other.replaces = None
        if connection.key >= 0:
            self._sockets.close(connection.key)

    def _with_room(self, topic: Topic) -> Connection | None:
        """The fullest connection of that address that takes one more, or the one that has the topic already."""
        places = [c for c in self._connections if c.url == topic.url and c.state is not ConnectionState.DRAINING]
        for connection in places:
            if topic.name in connection.subscriptions:
                return connection
        free = [c for c in places if len(c.subscriptions) < self._settings.limits.streams_per_connection]
        return max(free, key=lambda c: len(c.subscriptions), default=None)
