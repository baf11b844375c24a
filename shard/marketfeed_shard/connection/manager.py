"""All connections of a shard: what has to happen next. Without I/O.

Every method takes the time; `tick` sends what is due and says when it wants to be called again. The manager hears what
happens and acts; each kind of decision has its own file: where streams go (`pool`), when a socket may be opened (`dialer`),
which connection is found wanting (`watchdog`), how one takes over from another (`replacing`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

from marketfeed.exchanges.exchange import Control, ControlKind, Market
from marketfeed.report import ConnectionState
from marketfeed_shard.connection.connection import Connection
from marketfeed_shard.connection.dialer import Dialer
from marketfeed_shard.connection.pool import Pool
from marketfeed_shard.connection.ports import Disconnect, Settings, Sockets, Streams, Topic
from marketfeed_shard.connection.replacing import LOOK_S, Replacing
from marketfeed_shard.connection.watchdog import Verdict, Watchdog

PACED_WAIT_S = 5.0
"""After the exchange ended a connection because of our pace."""


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
        self._random = random
        self._pool = Pool(market, sockets, settings, random, now_s)
        self._dialer = Dialer(sockets, settings, attempted_s)
        self._replacing = Replacing(self._pool, sockets, streams)
        self._watchdog = Watchdog(streams, settings.stale_after_s)
        self._check_interval_s = settings.check_interval_s
        self._check_s = now_s + settings.check_interval_s
        self.reconnects = 0
        """Sockets opened in place of an earlier one."""

    # ---- what is wanted ----------------------------------------------------------------------------------------------

    def configure(self, settings: Settings, now_s: float, now_ns: int) -> None:
        """Other limits, shares and bans from now on; connections stay."""
        self._pool.configure(settings)
        self._dialer.configure(settings, now_s, now_ns)
        self._watchdog.stale_after_s = settings.stale_after_s
        self._check_interval_s = settings.check_interval_s

    def add(self, wanted: Mapping[int, Topic], now_s: float) -> None:
        """Streams to carry, by slot: each goes to a connection with room, or to a new one."""
        for slot, topic in wanted.items():
            self._watchdog.begin(slot, now_s)
            connection = self._pool.place(topic, now_s)
            connection.subscriptions.add(slot, topic.name, now_s)
            self._streams.own(slot, connection.key)

    def remove(self, slots: Iterable[int], now_s: float) -> None:
        """Streams to let go. A connection without any is closed."""
        for slot in slots:
            self._watchdog.forget(slot)
            for connection in self._pool.carrying(slot):
                connection.subscriptions.remove(slot)
        for connection in self._pool:
            if not connection.subscriptions.slots:
                self._replacing.drop(connection)

    def close(self) -> None:
        """Let go of every connection: nothing is read from now on."""
        for connection in self._pool:
            self._replacing.drop(connection)

    # ---- what sockets tell -------------------------------------------------------------------------------------------

    def opened(self, key: int, now_s: float, now_ns: int) -> None:
        """A socket is connected."""
        connection = self._pool.by_key(key)
        if connection is None:
            self._sockets.close(key)
            return
        if connection.opened_ns or connection.replaces is not None:
            connection.reconnects += 1
            self.reconnects += 1
        lifetime = self._market.limits.lifetime_s
        lifetime_s = lifetime.default if lifetime else float("inf")
        connection.opened(now_s, now_ns, lifetime_s * (0.85 + 0.12 * self._random()))
        self._watchdog.reconnected(connection.subscriptions.slots, now_s)
        if connection.replaces is None:
            for slot in connection.subscriptions.slots:
                self._streams.own(slot, key)

    def lost(self, key: int, why: Disconnect, now_s: float) -> None:
        """A socket ended, or could not be made."""
        connection = self._pool.by_key(key)
        if connection is None:
            return
        closing = why.understood(self._market)
        if closing.banned_s:
            self._dialer.ban(now_s + closing.banned_s, closing.reason)
        self._interrupted(connection)
        if connection.state is ConnectionState.DRAINING:
            self._replacing.relieve(connection)
            return
        if connection.replaces is not None:
            self._streams.joining(connection.subscriptions.slots)
        retry_s = connection.backoff.failed(now_s, PACED_WAIT_S if closing.paced else 0.0)
        connection.closed(closing.reason or why.reason, retry_s, now_s)

    def pinged(self, key: int, payload: bytes) -> None:
        """The exchange sent a ping frame."""
        connection = self._pool.by_key(key)
        if connection is not None:
            connection.pinged(payload)

    def ponged(self, key: int, now_s: float) -> None:
        """A ping of ours was answered."""
        connection = self._pool.by_key(key)
        if connection is not None:
            connection.ponged(now_s)

    def control(self, key: int, control: Control, now_s: float) -> None:
        """A message that is not data."""
        connection = self._pool.by_key(key)
        if connection is None:
            return
        if control.kind is ControlKind.ALIVE:
            connection.ponged(now_s)
        elif control.kind is ControlKind.CLOSING:
            if connection.state is ConnectionState.OPEN:
                self._replacing.begin(connection, now_s)
        else:
            connection.subscriptions.answered(control, now_s)

    # ---- time --------------------------------------------------------------------------------------------------------

    def tick(self, now_s: float) -> float:
        """Do what is due. Returns when to call again, at the latest."""
        for connection in self._pool:
            if connection.is_dead(now_s):
                self._give_up(connection, _death(connection), now_s)
        if now_s >= self._check_s:
            self._check_s = now_s + self._check_interval_s
            self._check(now_s)
        due_s = [self._check_s]
        for connection in self._pool:
            due_s.append(self._dialer.dial(connection, now_s))
            due_s.append(connection.send_due(now_s))
        if self._replacing:
            self._replacing.look(now_s)
            due_s.append(now_s + LOOK_S)
        return min(due_s)

    # ---- for status and metrics --------------------------------------------------------------------------------------

    @property
    def connections(self) -> list[Connection]:
        """All of them, those on their way too."""
        return list(self._pool)

    @property
    def slots(self) -> Collection[int]:
        """Streams to carry."""
        return self._watchdog.slots

    def subscribed(self) -> set[int]:
        """Streams that are acknowledged or seen on an open connection."""
        return self._pool.subscribed()

    def live(self) -> set[int]:
        """Of these, those that are not stale."""
        return self._pool.subscribed().difference(self._watchdog.stale())

    def stale(self) -> list[int]:
        """Streams that are silent for longer than their nature explains."""
        return self._watchdog.stale()

    def unproven(self) -> list[int]:
        """Streams that delivered nothing since they were first subscribed."""
        return self._watchdog.unproven()

    def rejected(self) -> dict[int, str]:
        """Streams whose name the exchange refuses, with its reason."""
        return self._pool.rejected()

    @property
    def ban_reason(self) -> str:
        """Why no attempt is made while `banned_for_s` is not over."""
        return self._dialer.ban_reason

    def banned_for_s(self, now_s: float) -> float:
        """How long no attempt is made, because the exchange says so; 0.0 when it does not."""
        return self._dialer.banned_for_s(now_s)

    def waits_for_budget_s(self, now_s: float) -> float:
        """How long a connection whose turn it is waits, because no attempt is left in the budget; 0.0 where none does."""
        return self._dialer.waits_for_budget_s(self._pool, now_s)

    # ---- inside ------------------------------------------------------------------------------------------------------

    def _check(self, now_s: float) -> None:
        """The watchdog's look, and what follows from it."""
        self._watchdog.look(now_s)
        for connection in self._pool:
            if connection.state is not ConnectionState.OPEN:
                continue
            verdict = self._watchdog.judge(connection, self._sockets.messages(connection.key), now_s)
            if verdict is Verdict.USELESS:
                self._give_up(connection, "no data and no acknowledgement", now_s)
            elif verdict is Verdict.SILENT:
                self._streams.interrupted(connection.subscriptions.slots)
                self._replacing.begin(connection, now_s)
            elif verdict is Verdict.EXPIRED and not self._replacing:  # one at a time: nobody waits for these
                self._replacing.begin(connection, now_s)
            else:
                self._renew_silent(connection, now_s)

    def _renew_silent(self, connection: Connection, now_s: float) -> None:
        """Subscribe again to what is acknowledged and silent: all such streams of a connection together."""
        silent = self._watchdog.silent(connection, now_s)
        if silent:
            self._streams.interrupted(silent)
            connection.subscriptions.renew(silent, now_s)
            self._watchdog.renewed(silent, now_s)

    def _give_up(self, connection: Connection, reason: str, now_s: float) -> None:
        key = connection.key
        self._sockets.close(key)
        self.lost(key, Disconnect(reason), now_s)

    def _interrupted(self, connection: Connection) -> None:
        """What this connection carried and no other one is seen to deliver may be missing from now on."""
        others = [c for c in self._pool if c is not connection and c.is_open]
        self._streams.interrupted(
            slot for slot in connection.subscriptions.slots if not any(self._sockets.seen(c.key, slot) for c in others)
        )


def _death(connection: Connection) -> str:
    return "no answer to the attempt" if connection.state is ConnectionState.CONNECTING else "no answer to a ping"
