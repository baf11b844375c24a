"""All connections of a shard: what has to happen next. Without I/O.

Every method takes the time; `tick` sends what is due and says when it wants to be called again. The manager hears what
happens and acts; each kind of decision has its own file: where streams go (`pool`), when a socket may be opened (`dialer`),
which connection is found wanting (`watchdog`), how one takes over from another (`replacing`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from marketfeed.exchanges.exchange import Control, ControlKind, Market
from marketfeed.report import ConnectionState
from marketfeed_shard.connection.compacting import Compacting
from marketfeed_shard.connection.comparing import Comparing
from marketfeed_shard.connection.connection import Connection
from marketfeed_shard.connection.dialer import Dialer
from marketfeed_shard.connection.leading import Leading
from marketfeed_shard.connection.overview import Overview
from marketfeed_shard.connection.pool import Pool
from marketfeed_shard.connection.ports import Disconnect, Settings, Sockets, Streams, Want
from marketfeed_shard.connection.renewing import Renewing
from marketfeed_shard.connection.replacing import LOOK_S, Replacing
from marketfeed_shard.connection.watchdog import Verdict, Watchdog

PACED_WAIT_S = 5.0
"""After the exchange ended a connection because of our pace."""


ROTATED_AT_ONCE = 50
"""One connection of so many is replaced at a time because of its age: nobody waits for these."""


class Manager(Overview):
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
        pool = Pool(market, sockets, streams, settings, random, now_s)
        watchdog = Watchdog(streams, settings.stale_after_s)
        super().__init__(pool, Dialer(market.limits, sockets, settings, attempted_s), watchdog)
        self._market = market
        self._sockets = sockets
        self._streams = streams
        self._random = random
        self._leading = Leading(pool, streams)
        self._replacing = Replacing(pool, self._leading)
        self._renewing = Renewing(pool, watchdog, self._leading, streams)
        self._comparing = Comparing(pool, self._leading, sockets, streams, watchdog)
        self._compacting = Compacting(now_s)
        self._check_interval_s = settings.check_interval_s
        self._check_s = now_s + settings.check_interval_s
        self.reconnects = 0
        """Sockets opened in place of an earlier one."""

    @property
    def lags(self) -> int:
        """How often a stream was found to be silent on one connection alone."""
        return self._comparing.found

    # ---- what is wanted ----------------------------------------------------------------------------------------------

    def configure(self, settings: Settings, now_s: float, now_ns: int) -> None:
        """Other limits, shares and bans from now on; connections stay."""
        self._pool.configure(settings)
        self._dialer.configure(settings, now_s, now_ns)
        self._watchdog.stale_after_s = settings.stale_after_s
        self._check_interval_s = settings.check_interval_s

    def change(self, gone: Iterable[int], wanted: Mapping[int, Want], now_s: float) -> None:
        """Let go of streams, and carry others, perhaps in the same slots: each goes to connections with room, or to new ones.

        A connection that is left without any stream is closed.
        """
        self._forget(gone)
        self._carry(wanted, now_s)
        for connection in self._pool:
            if not connection.subscriptions.slots:
                self._replacing.drop(connection)
        self._compacting.disturbed(now_s)

    def renew(self, slots: Iterable[int], now_s: float) -> set[int]:
        """Subscribe again to streams whose snapshots come on the socket, within the budget: one request a group.

        Returns those that are asked for again now; the others were about to be subscribed anyway.
        """
        return self._renewing.books(slots, now_s)

    def reopened(self, slots: Iterable[int], now_s: float) -> None:
        """The symbols of these streams are traded again: they are expected soon, or subscribed anew."""
        self._watchdog.reopened(slots, now_s)

    def banned(self, seconds: float, reason: str, now_s: float) -> None:
        """The exchange banned this address elsewhere: no attempt for so long."""
        self._dialer.ban(now_s + seconds, reason)

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
        self._replacing.opened(connection, now_s)

    def lost(self, key: int, why: Disconnect, now_s: float) -> None:
        """A socket ended, or could not be made."""
        connection = self._pool.by_key(key)
        if connection is None:
            return
        closing = why.understood(self._market)
        if closing.banned_s:
            self._dialer.ban(now_s + closing.banned_s, closing.reason)
        self._compacting.disturbed(now_s)
        self._leading.left(connection, connection.subscriptions.slots, now_s)
        if connection.state is ConnectionState.DRAINING:
            self._replacing.relieve(connection)
            return
        self._replacing.lost(connection, now_s)
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
        elif control.kind is ControlKind.HEARTBEAT:
            connection.heartbeat_s = now_s
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
        due_s = [self._check_s, self._dialer.dial(self._pool, now_s)]
        due_s += [connection.send_due(now_s) for connection in self._pool]
        if self._replacing.watches:
            self._replacing.look(now_s)
            due_s.append(now_s + LOOK_S)
        return min(due_s)

    # ---- inside ------------------------------------------------------------------------------------------------------

    def _forget(self, slots: Iterable[int]) -> None:
        for slot in slots:
            self._watchdog.forget(slot)
            self._leading.forget(slot)
            self._replacing.forget(slot)
            self._pool.forget(slot)

    def _carry(self, wanted: Mapping[int, Want], now_s: float) -> None:
        for slot, want in wanted.items():
            self._watchdog.begin(slot, want.channel, now_s)
        self._pool.want(wanted, now_s)
        for slot in wanted:
            for connection in self._pool.carrying(slot):
                self._leading.opened(connection, [slot])

    def _check(self, now_s: float) -> None:
        """The watchdog's look, and what follows from it."""
        self._watchdog.look(now_s)
        opened = [connection for connection in self._pool if connection.state is ConnectionState.OPEN]
        self._renewing.silent([connection for connection in opened if self._judge(connection, now_s)], now_s)
        self._renewing.lagging(self._comparing.look(now_s), now_s)
        self._replacing.check(self._pool, now_s)
        plan = self._compacting.plan(self._pool, now_s)
        if plan is not None:
            self._replacing.move(*plan, now_s)

    def _judge(self, connection: Connection, now_s: float) -> bool:
        """Whether an open connection stays as it is."""
        verdict = self._watchdog.judge(connection, self._sockets.messages(connection.key), now_s)
        if verdict is Verdict.USELESS:
            self._give_up(connection, "no data and no acknowledgement", now_s)
        elif verdict is Verdict.SILENT:
            self._leading.left(connection, connection.subscriptions.slots, now_s)
            self._replacing.begin(connection, now_s)
        elif verdict is Verdict.EXPIRED and len(self._replacing) <= len(self._pool) // ROTATED_AT_ONCE:
            self._replacing.begin(connection, now_s)
        else:
            return True
        return False

    def _give_up(self, connection: Connection, reason: str, now_s: float) -> None:
        key = connection.key
        self._sockets.close(key)
        self.lost(key, Disconnect(reason), now_s)


def _death(connection: Connection) -> str:
    return "no answer to the attempt" if connection.state is ConnectionState.CONNECTING else "no answer to a ping"
