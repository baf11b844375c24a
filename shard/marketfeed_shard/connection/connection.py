"""One connection to the exchange, over all its sockets. Without I/O; the caller says what time it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from marketfeed.backoff import Backoff
from marketfeed.exchanges.exchange import Market
from marketfeed.report import ConnectionState
from marketfeed_shard.connection.budget import Window
from marketfeed_shard.connection.lagging import Lags
from marketfeed_shard.connection.ports import Sockets, Streams
from marketfeed_shard.connection.proof import Proof
from marketfeed_shard.connection.subscriptions import Subscriptions
from marketfeed_shard.connection.topics import Urgency

CONNECT_TIMEOUT_S = 15.0
"""An attempt that is not over after so long is given up; the sockets have shorter ones of their own."""
_SET_ASIDE = {Urgency.WANTED: 0.0, Urgency.BOOK: 1 / 16, Urgency.CARE: 3 / 16}
"""Part of the requests of a long time that is left to what is more urgent: of OKX's 480 an hour, 30 and then 60 more."""


@dataclass(slots=True, eq=False)
class Connection:
    """A place for streams, open or on its way to be."""

    id: int
    """As `/status` has it: it stays while sockets come and go."""
    url: str
    leg: int
    """Each leg carries all streams; no two of them share a connection."""
    market: Market
    sockets: Sockets
    streams: Streams
    backoff: Backoff
    window: Window
    """Of client messages: requests, pings and pongs."""
    subscriptions: Subscriptions
    state: ConnectionState = ConnectionState.BACKOFF
    key: int = -1
    """Of its socket, or -1."""
    retry_s: float = 0.0
    """When to try again, in backoff."""
    since_s: float = 0.0
    """When it came into this state."""
    opened_ns: int = 0
    reconnects: int = 0
    error: str = ""
    """Why its last socket ended."""
    round_trip_s: float | None = None
    expires_s: float = float("inf")
    """When it is replaced, before the exchange ends it."""
    quiet_since_s: float = 0.0
    """When its last data came, or when its streams were asked for."""
    heartbeat_s: float = 0.0
    """When the exchange last said that this connection is well."""
    counted: int = 0
    """Messages when that was looked at."""
    replaces: Connection | None = None
    """The connection in whose place it was opened, until it has taken over."""
    patience_s: float = 0.0
    """How long it may be silent before it is replaced."""
    proof: Proof = field(init=False)
    lags: Lags = field(default_factory=Lags)
    """Of streams that others bring, too."""
    _requests: Window | None = field(init=False, default=None)
    """Of subscriptions in a long time, where the exchange counts them on each socket."""
    _pong: bytes | None = None
    """Payload of the latest ping that waits for our pong: that one answers for all before it."""
    _ping_s: float | None = None
    """When the ping that waits for its pong was sent."""
    _next_ping_s: float = 0.0
    _due_s: float = 0.0
    """Nothing is to be sent before, unless something happens."""

    def __post_init__(self) -> None:
        self.proof = Proof(self.subscriptions, self.streams, self.saw)

    @property
    def is_open(self) -> bool:
        """Whether its socket takes messages."""
        return self.state is ConnectionState.OPEN or self.state is ConnectionState.DRAINING

    def connecting(self, key: int, now_s: float) -> None:
        """A socket is on its way."""
        self.key = key
        self._enter(ConnectionState.CONNECTING, now_s)

    def opened(self, now_s: float, now_ns: int, lifetime_s: float) -> None:
        """Its socket is there."""
        self._enter(ConnectionState.OPEN, now_s)
        self.opened_ns = now_ns
        self.expires_s = now_s + lifetime_s
        self.quiet_since_s, self.counted = now_s, 0
        requests = self.market.limits.requests
        self._requests = None if requests is None else Window(requests.count, requests.seconds)
        self._next_ping_s = now_s + self.market.heartbeat.interval_s
        self._due_s = now_s
        self.backoff.succeeded(now_s)

    def closed(self, reason: str, retry_s: float, now_s: float) -> None:
        """Its socket is gone: try again later."""
        self.key = -1
        self.error = reason
        self.retry_s = retry_s
        self.round_trip_s = self._ping_s = None
        self._pong = None
        self.expires_s = float("inf")
        self.subscriptions.disconnected(now_s)
        self.proof.forget()
        self.lags.clear()
        self._enter(ConnectionState.BACKOFF, now_s)

    def draining(self, now_s: float) -> None:
        """Another one is about to take its streams over."""
        self._enter(ConnectionState.DRAINING, now_s)

    def kept(self, now_s: float) -> None:
        """Nobody takes its streams over after all."""
        self._enter(ConnectionState.OPEN, now_s)

    def pinged(self, payload: bytes) -> None:
        """The exchange wants a pong: it goes out with the next tick, within the budget."""
        self._pong, self._due_s = payload, 0.0

    def ponged(self, now_s: float) -> None:
        """Our ping was answered."""
        if self._ping_s is not None:
            self.round_trip_s = now_s - self._ping_s
            self._ping_s, self._due_s = None, 0.0

    def is_dead(self, now_s: float) -> bool:
        """Whether the socket has to be given up: no answer to a ping, or to the attempt itself."""
        if self.state is ConnectionState.CONNECTING:
            return now_s - self.since_s >= CONNECT_TIMEOUT_S
        return self._ping_s is not None and now_s - self._ping_s >= self.market.heartbeat.timeout_s

    def send_due(self, now_s: float) -> float:
        """Send what is due and within the budget: pongs, a ping, requests. Returns when to come again."""
        if not self.is_open:
            return float("inf")
        if now_s < self._due_s and not self.subscriptions.stirred:
            return self._due_s
        self.subscriptions.stirred = False
        if self._pong is not None and self.window.take(now_s):
            self.sockets.pong(self.key, self._pong)
            self._pong = None
        if self._ping_s is None and now_s >= self._next_ping_s and self._free_s(now_s) <= now_s:
            self._ping(now_s)
        self.subscriptions.proven(self.saw, now_s)
        request_s = self._request_s(now_s)
        while request_s <= now_s and (text := self.subscriptions.next(now_s)) is not None:
            self._count_request(now_s)
            self.sockets.send(self.key, text)
            request_s = self._request_s(now_s)
        free_s = self.window.free_at(now_s)
        pong_s = float("inf") if self._pong is None else free_s
        ping_s = max(self._next_ping_s, free_s) if self._ping_s is None else self._ping_s + self.market.heartbeat.timeout_s
        self._due_s = min(ping_s, pong_s, request_s)
        return self._due_s

    def live(self, slot: int) -> bool:
        """Whether all that one of its streams needs is acknowledged, or seen."""
        return self.is_open and self.subscriptions.live(slot, self.saw(slot))

    def live_slots(self) -> Iterator[int]:
        """Its streams that are acknowledged or seen."""
        return filter(self.live, self.subscriptions.slots)

    def saw(self, slot: int) -> bool:
        """Whether its socket delivered data of a stream."""
        return self.sockets.seen(self.key, slot)

    def _request_s(self, now_s: float) -> float:
        """When the next request may go out, by all budgets."""
        due = self.subscriptions.due(now_s)
        if due is None:
            return float("inf")
        due_s, urgency = due
        if self._requests is not None:
            due_s = max(due_s, self._requests.free_at(now_s, int(self._requests.count * _SET_ASIDE[urgency])))
        return max(due_s, self._free_s(now_s))

    def _count_request(self, now_s: float) -> None:
        self.window.take(now_s)
        if self._requests is not None:
            self._requests.take(now_s)

    def _free_s(self, now_s: float) -> float:
        """When a message may go out; not before a pong that is due, which brings this up again."""
        return self.window.free_at(now_s) if self._pong is None else float("inf")

    def _ping(self, now_s: float) -> None:
        self.window.take(now_s)
        self._ping_s = now_s
        self._next_ping_s = now_s + self.market.heartbeat.interval_s
        payload = self.market.heartbeat.payload
        if payload is None:
            self.sockets.ping(self.key, str(self.key).encode())
        else:
            self.sockets.send(self.key, payload)

    def _enter(self, state: ConnectionState, now_s: float) -> None:
        self.state, self.since_s = state, now_s
