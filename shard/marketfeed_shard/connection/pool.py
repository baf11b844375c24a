"""The connections of a shard, and which stream is on which of them. Without I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from marketfeed.backoff import Backoff
from marketfeed.exchanges.exchange import Market
from marketfeed.load import Room
from marketfeed.report import ConnectionState
from marketfeed_shard.connection.budget import Window, of_rate
from marketfeed_shard.connection.connection import Connection
from marketfeed_shard.connection.placement import Placement
from marketfeed_shard.connection.ports import Settings, Sockets, Streams, Want
from marketfeed_shard.connection.subscriptions import Subscriptions

START_WAIT_S = 0.25
"""Before the first attempt: a shard that crashes at once has spent nothing."""


class Pool:
    """All of them, those on their way too, oldest first."""

    def __init__(
        self,
        market: Market,
        sockets: Sockets,
        streams: Streams,
        settings: Settings,
        random: Callable[[], float],
        now_s: float,
    ) -> None:
        self._market = market
        self._sockets = sockets
        self._streams = streams
        self._settings = settings
        self._random = random
        self._connections: list[Connection] = []
        self._wants: dict[int, Want] = {}
        self._carrying: dict[int, list[Connection]] = {}
        self._last_id = -1
        self._start_s = now_s + START_WAIT_S

    def __iter__(self) -> Iterator[Connection]:
        """Those that are there now: whoever goes through them may open and drop some."""
        return iter(list(self._connections))

    def __len__(self) -> int:
        return len(self._connections)

    def configure(self, settings: Settings) -> None:
        """Other limits from now on; connections stay."""
        self._settings = settings
        for connection in self._connections:
            connection.window.resize(*of_rate(settings.limits.messages_per_second))

    @property
    def room(self) -> Room:
        """What one connection may hold."""
        return Room.of(self._market.limits, self._settings.limits.streams_per_connection)

    # ---- connections -------------------------------------------------------------------------------------------------

    def by_key(self, key: int) -> Connection | None:
        """The one whose socket that is; none where it was let go."""
        return next((c for c in self._connections if c.key == key), None)

    def sockets(self) -> int:
        """Sockets that are open or on their way."""
        return sum(connection.key >= 0 for connection in self._connections)

    def new(self, url: str, leg: int, now_s: float) -> Connection:
        """One more connection, which is still to be made."""
        self._last_id += 1
        connection = Connection(
            id=self._last_id,
            url=url,
            leg=leg,
            market=self._market,
            sockets=self._sockets,
            streams=self._streams,
            backoff=Backoff(self._random),
            window=Window(*of_rate(self._settings.limits.messages_per_second)),
            subscriptions=Subscriptions(self._market, self._random),
            retry_s=max(now_s, self._start_s),
            since_s=now_s,
            patience_s=self._settings.stale_after_s,
        )
        self._connections.append(connection)
        return connection

    def drop(self, connection: Connection) -> None:
        """Let go of one, and of its socket."""
        for slot in list(connection.subscriptions.slots):
            self.take(slot, connection)
        self._connections.remove(connection)
        if connection.key >= 0:
            self._sockets.close(connection.key)

    # ---- streams -----------------------------------------------------------------------------------------------------

    def want(self, wanted: Mapping[int, Want], now_s: float) -> None:
        """Streams to carry, by slot: on each leg each goes to connections with room, or to new ones.

        Deep books first: they find fewest places, and the others fill what these leave.
        """
        placement = self.placement(self)
        self._wants |= wanted
        ordered = sorted(wanted.items(), key=lambda one: not any(source.topic.deep for source in one[1].sources))
        for leg in range(self._settings.legs):
            for slot, want in ordered:
                for url in want.urls:
                    connection = placement.find(want.topics(url), url, leg)
                    if connection is None:
                        connection = self.new(url, leg, now_s)
                        placement.open(connection)
                        placement.find(want.topics(url), url, leg)
                    self.put(slot, connection, now_s)

    def forget(self, slot: int) -> None:
        """A stream to let go."""
        for connection in list(self.carrying(slot)):
            self.take(slot, connection)
        del self._wants[slot]

    def placement(self, connections: Iterable[Connection]) -> Placement:
        """Room on those of these that take streams."""
        return Placement((c for c in connections if c.state is not ConnectionState.DRAINING), self.room)

    def put(self, slot: int, connection: Connection, now_s: float) -> None:
        """A stream is to be had from a connection, too."""
        connection.subscriptions.add(slot, self._wants[slot].topics(connection.url), now_s)
        self._carrying.setdefault(slot, []).append(connection)

    def take(self, slot: int, connection: Connection) -> None:
        """A stream is no more to be had from a connection."""
        connection.subscriptions.remove(slot)
        connection.lags.forget(slot)
        self._carrying[slot].remove(connection)

    def carrying(self, slot: int, url: str | None = None) -> list[Connection]:
        """Those on which a stream is wanted, at one address: one a leg, and two while one takes over from another."""
        return [c for c in self._carrying.get(slot, ()) if url is None or c.url == url]

    def shared(self) -> list[tuple[int, Sequence[Connection]]]:
        """The streams that are on several connections, each with these."""
        return [(slot, carrying) for slot, carrying in self._carrying.items() if len(carrying) > 1]

    def is_moving(self, slot: int, url: str) -> bool:
        """Whether one connection is about to take a stream over from another."""
        return len(self.carrying(slot, url)) > self._settings.legs

    def is_divided(self, slot: int) -> bool:
        """Whether a stream comes from several addresses at once."""
        return len(self._wants[slot].urls) > 1

    # ---- how they are ------------------------------------------------------------------------------------------------

    def subscribed(self) -> set[int]:
        """Streams of which all is acknowledged or seen on an open connection."""
        live = {(slot, connection.url) for connection in self._connections for slot in connection.live_slots()}
        return {slot for slot, want in self._wants.items() if all((slot, url) in live for url in want.urls)}

    def rejected(self) -> dict[int, str]:
        """Streams whose name the exchange refuses, with its reason; those that another connection has are well."""
        refused: dict[int, str] = {}
        for connection in self._connections:
            refused |= connection.subscriptions.rejections()
        return {slot: refused[slot] for slot in sorted(refused.keys() - self.subscribed())} if refused else {}
