"""All connections of a shard: which stream is on which, and what has to happen next. Without I/O.

Every method takes the time; `tick` sends what is due and says when it wants to be called again. A connection is replaced
before it is let go: by the watchdog when it is silent, by plan before the exchange ends it, on the exchange's own notice.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from marketfeed.assignment import Ban, EffectiveLimits, Share
from marketfeed.backoff import Backoff
from marketfeed.exchanges.exchange import Closing, Control, ControlKind, Market
from marketfeed.report import ConnectionState
from marketfeed_shard.connection.budget import Turns, Window, of_rate
from marketfeed_shard.connection.connection import Connection
from marketfeed_shard.connection.ports import Loss, Sockets, Streams
from marketfeed_shard.connection.subscriptions import State, Subscriptions
from marketfeed_shard.connection.takeover import Takeover
from marketfeed_shard.connection.watchdog import Pulse, patience_s

START_WAIT_S = 0.25
"""Before the first attempt: a shard that crashes at once has spent nothing."""
TAKEOVER_LOOK_S = 0.25
PACED_WAIT_S = 5.0
"""After the exchange ended a connection because of our pace."""


@dataclass(frozen=True, slots=True)
class Topic:
    """Where a stream is to be had."""

    name: str
    url: str


@dataclass(frozen=True, slots=True)
class Settings:
    """What the assignment says about connections."""

    limits: EffectiveLimits
    connects: Share
    bans: tuple[Ban, ...]
    stale_after_s: float
    check_interval_s: float
    turns: Turns | None = None
    """When this shard may try to connect, where several share one attempt."""


class Manager:
    """The connections of one shard."""

    def __init__(
        self,
        market: Market,
        sockets: Sockets,
        streams: Streams,
        settings: Settings,
        random: Callable[[], float],
        now_s: float,
        attempted_s: Iterable[float] = (),
    ) -> None:
        """`random`: 0.0 to 1.0, for jitter. `attempted_s`: attempts to connect before this process began, on its clock."""
        self._market = market
        self._sockets = sockets
        self._streams = streams
        self._settings = settings
        self._random = random
        self._connects = Window(settings.connects.count, settings.connects.seconds)
        self._connects.remember(attempted_s)
        self._connections: list[Connection] = []
        self._takeovers: dict[int, Takeover] = {}
        """By id of the new connection."""
        self._topics: dict[int, Topic] = {}
        self._pulses: dict[int, Pulse] = {}
        self._last_key = 0
        self._last_id = -1
        self._start_s = now_s + START_WAIT_S
        self._check_s = now_s + settings.check_interval_s
        self._banned_until_s = 0.0
        self.ban_reason = ""
        self.reconnects = 0
        """Sockets opened in place of an earlier one."""

    # ---- what is wanted ----------------------------------------------------------------------------------------------

    def configure(self, settings: Settings, now_s: float, now_ns: int) -> None:
        """Other limits, shares and bans from now on; connections stay."""
        self._settings = settings
        self._connects.resize(settings.connects.count, settings.connects.seconds)
        for connection in self._connections:
            connection.window.resize(*of_rate(settings.limits.messages_per_second))
        for ban in settings.bans:
            self._ban(now_s + (ban.until_ns - now_ns) / 1e9, ban.reason)

    def add(self, wanted: Mapping[int, Topic], now_s: float) -> None:
        """Streams to carry, by slot: each goes to a connection with room, or to a new one."""
        for slot, topic in wanted.items():
            self._topics[slot] = topic
            self._pulses[slot] = Pulse.subscribed(self._streams.messages(slot), now_s)
            connection = self._with_room(topic) or self._new(topic.url, now_s)
            connection.subscriptions.add(slot, topic.name, now_s)
            self._streams.own(slot, connection.key)

    def remove(self, slots: Iterable[int], now_s: float) -> None:
        """Streams to let go. A connection without any is closed."""
        for slot in slots:
            del self._topics[slot], self._pulses[slot]
            for connection in self._carrying(slot):
                connection.subscriptions.remove(slot)
        for connection in list(self._connections):
            if not connection.subscriptions.slots:
                self._drop(connection)

    def close(self) -> None:
        """Let go of every connection: nothing is read from now on."""
        for connection in list(self._connections):
            self._drop(connection)

    # ---- what sockets tell -------------------------------------------------------------------------------------------

    def opened(self, key: int, now_s: float, now_ns: int) -> None:
        """A socket is connected."""
        connection = self._by_key(key)
        if connection is None:
            self._sockets.close(key)
            return
        if connection.opened_ns or connection.replaces is not None:
            connection.reconnects += 1
            self.reconnects += 1
        lifetime_s = self._market.limits.lifetime_s or float("inf")
        connection.opened(now_s, now_ns, lifetime_s * (0.85 + 0.12 * self._random()))
        for slot in connection.subscriptions.slots:
            self._pulses[slot].reconnected(now_s)
            if connection.replaces is None:
                self._streams.own(slot, key)

    def lost(self, key: int, loss: Loss, now_s: float) -> None:
        """A socket ended, or could not be made."""
        connection = self._by_key(key)
        if connection is None:
            return
        closing = self._understood(loss)
        if closing.banned_s:
            self._ban(now_s + closing.banned_s, closing.reason)
        self._interrupted(connection)
        if connection.state is ConnectionState.DRAINING:
            self._relieve(connection)
            return
        if connection.replaces is not None:
            self._streams.joining(connection.subscriptions.slots)
        retry_s = connection.backoff.failed(now_s, PACED_WAIT_S if closing.paced else 0.0)
        connection.closed(closing.reason or loss.reason, retry_s, now_s)

    def pinged(self, key: int, payload: bytes) -> None:
        """The exchange sent a ping frame."""
        connection = self._by_key(key)
        if connection is not None:
            connection.pinged(payload)

    def ponged(self, key: int, now_s: float) -> None:
        """A ping of ours was answered."""
        connection = self._by_key(key)
        if connection is not None:
            connection.ponged(now_s)

    def control(self, key: int, control: Control, now_s: float) -> None:
        """A message that is not data."""
        connection = self._by_key(key)
        if connection is None:
            return
        if control.kind is ControlKind.ALIVE:
            connection.ponged(now_s)
        elif control.kind is ControlKind.CLOSING:
            if connection.state is ConnectionState.OPEN:
                self._replace(connection, now_s)
        else:
            connection.subscriptions.answered(control, now_s)

    # ---- time --------------------------------------------------------------------------------------------------------

    def tick(self, now_s: float) -> float:
        """Do what is due. Returns when to call again, at the latest."""
        for connection in list(self._connections):
            if connection.is_dead(now_s):
                key, reason = connection.key, _death(connection)
                self._sockets.close(key)
                self.lost(key, Loss(reason), now_s)
        if now_s >= self._check_s:
            self._check_s = now_s + self._settings.check_interval_s
            self._check(now_s)
        due_s = [self._check_s]
        for connection in list(self._connections):
            due_s.append(self._attempt(connection, now_s))
            due_s.append(connection.send_due(now_s))
        if self._takeovers:
            self._look_at_takeovers(now_s)
            due_s.append(now_s + TAKEOVER_LOOK_S)
        return min(due_s)

    # ---- for status and metrics --------------------------------------------------------------------------------------

    @property
    def connections(self) -> list[Connection]:
        """All of them, those on their way too."""
        return list(self._connections)

    @property
    def slots(self) -> Collection[int]:
        """Streams to carry."""
        return self._topics.keys()

    def subscribed(self) -> set[int]:
        """Streams that are acknowledged or seen on an open connection."""
        return {slot for connection in self._connections for slot in connection.live_slots()}

    def live(self) -> set[int]:
        """Of these, those that are not stale."""
        return {slot for slot in self.subscribed() if not self._pulses[slot].stale}

    def stale(self) -> list[int]:
        """Streams that are silent for longer than their nature explains."""
        return [slot for slot, pulse in self._pulses.items() if pulse.stale]

    def unproven(self) -> list[int]:
        """Streams that delivered nothing since they were first subscribed."""
        return [slot for slot, pulse in self._pulses.items() if self._streams.messages(slot) == pulse.began_count]

    def rejected(self) -> dict[int, str]:
        """Streams whose name the exchange refuses, with its reason."""
        refused = {
            slot: subscription.reason
            for connection in self._connections
            for subscription in connection.subscriptions
            if subscription.state is State.REJECTED
            for slot in subscription.slots
        }
        return {slot: refused[slot] for slot in sorted(refused.keys() - self.subscribed())} if refused else {}

    def banned_for_s(self, now_s: float) -> float:
        """How long no attempt is made, because the exchange says so; 0.0 when it does not."""
        return max(0.0, self._banned_until_s - now_s)

    def waits_for_budget_s(self, now_s: float) -> float:
        """How long a connection whose turn it is waits, because no attempt is left in the budget; 0.0 where none does."""
        due = any(c.state is ConnectionState.BACKOFF and c.retry_s <= now_s for c in self._connections)
        return self._connects.free_at(now_s) - now_s if due else 0.0

    # ---- inside ------------------------------------------------------------------------------------------------------

    def _by_key(self, key: int) -> Connection | None:
        return next((c for c in self._connections if c.key == key), None)

    def _carrying(self, slot: int) -> list[Connection]:
        return [c for c in self._connections if c.subscriptions.get(slot) is not None]

    def _with_room(self, topic: Topic) -> Connection | None:
        """The fullest connection of that address that takes one more, or the one that has the topic already."""
        places = [c for c in self._connections if c.url == topic.url and c.state is not ConnectionState.DRAINING]
        for connection in places:
            if topic.name in connection.subscriptions:
                return connection
        free = [c for c in places if len(c.subscriptions) < self._settings.limits.streams_per_connection]
        return max(free, key=lambda c: len(c.subscriptions), default=None)

    def _new(self, url: str, now_s: float) -> Connection:
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

    def _attempt(self, connection: Connection, now_s: float) -> float:
        """Connect if that is due and allowed. Returns when it will be."""
        if connection.state is not ConnectionState.BACKOFF:
            return float("inf")
        due_s = max(now_s, connection.retry_s, self._banned_until_s, self._connects.free_at(now_s))
        if self._settings.turns is not None:
            due_s = self._settings.turns.next(due_s)
        if due_s > now_s:
            return due_s
        self._connects.take(now_s)
        self._last_key += 1
        connection.connecting(self._last_key, now_s)
        self._sockets.open(self._last_key, connection.url)
        return float("inf")

    def _replace(self, old: Connection, now_s: float) -> None:
        """Open another one for the same streams; the old one goes when the new one has proven itself."""
        new = self._new(old.url, now_s)
        for slot in old.subscriptions.slots:
            new.subscriptions.add(slot, self._topics[slot].name, now_s)
        new.replaces = old
        new.patience_s = old.patience_s
        old.draining(now_s)
        self._streams.joining(old.subscriptions.slots)
        self._takeovers[new.id] = Takeover(new, self._streams)

    def _look_at_takeovers(self, now_s: float) -> None:
        for new in [c for c in self._connections if c.id in self._takeovers]:
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
                self._relieve(old)

    def _relieve(self, old: Connection) -> None:
        """The connection that replaces this one stands in for it from now on."""
        new = next(c for c in self._connections if c.replaces is old)
        del self._takeovers[new.id]
        new.replaces = None
        new.id, new.reconnects = old.id, new.reconnects + old.reconnects
        for slot in new.subscriptions.slots:
            self._streams.own(slot, new.key)
        self._drop(old)

    def _drop(self, connection: Connection) -> None:
        self._connections.remove(connection)
        self._takeovers.pop(connection.id, None)
        for other in self._connections:
            if other.replaces is connection:
                other.replaces = None
                self._takeovers.pop(other.id, None)
        if connection.key >= 0:
            self._sockets.close(connection.key)

    def _interrupted(self, connection: Connection) -> None:
        """What this connection carried and no other one is seen to deliver may be missing from now on."""
        others = [c for c in self._connections if c is not connection and c.is_open]
        self._streams.interrupted(
            slot for slot in connection.subscriptions.slots if not any(self._sockets.seen(c.key, slot) for c in others)
        )

    def _understood(self, loss: Loss) -> Closing:
        if loss.http_status is not None:
            return self._market.refusal(loss.http_status, loss.retry_after_s)
        if loss.close_code is not None:
            return self._market.closing(loss.close_code, loss.reason)
        return Closing(reason=loss.reason)

    def _ban(self, until_s: float, reason: str) -> None:
        if until_s > self._banned_until_s:
            self._banned_until_s, self.ban_reason = until_s, reason

    def _check(self, now_s: float) -> None:
        """The watchdog's look at every connection and stream."""
        for slot, pulse in self._pulses.items():
            pulse.look(self._streams.messages(slot), now_s)
        for connection in list(self._connections):
            if connection.state is ConnectionState.OPEN:
                self._check_connection(connection, now_s)

    def _check_connection(self, connection: Connection, now_s: float) -> None:
        messages = self._sockets.messages(connection.key)
        if messages != connection.counted:
            connection.counted, connection.quiet_since_s = messages, now_s
            connection.patience_s = self._settings.stale_after_s
        silent_s = now_s - connection.quiet_since_s
        if connection.replaces is not None:
            if silent_s >= connection.patience_s:  # neither data nor acknowledgements: this one carries nothing
                connection.patience_s = patience_s(connection.patience_s)
                self._sockets.close(connection.key)
                self.lost(connection.key, Loss("no data and no acknowledgement"), now_s)
        elif connection.subscriptions.slots and silent_s >= connection.patience_s:
            connection.patience_s = patience_s(connection.patience_s)
            self._streams.interrupted(connection.subscriptions.slots)
            self._replace(connection, now_s)
        elif now_s >= connection.expires_s and not self._takeovers:
            self._replace(connection, now_s)
        elif silent_s < self._settings.stale_after_s:
            self._renew_silent(connection, now_s)

    def _renew_silent(self, connection: Connection, now_s: float) -> None:
        """Subscribe again to what is acknowledged and silent: all such streams of a connection together."""
        silent = [
            slot for slot in connection.subscriptions.slots if self._pulses[slot].wants_renewal(now_s) and connection.live(slot)
        ]
        if silent:
            self._streams.interrupted(silent)
            connection.subscriptions.renew(silent, now_s)
            for slot in silent:
                self._pulses[slot].renewed(now_s)


def _death(connection: Connection) -> str:
    return "no answer to the attempt" if connection.state is ConnectionState.CONNECTING else "no answer to a ping"
