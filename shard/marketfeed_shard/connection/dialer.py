"""When a socket may be opened: within the budget of attempts, at this shard's turns, and never under a ban. Without I/O."""

from __future__ import annotations

from collections.abc import Iterable

from marketfeed.report import ConnectionState
from marketfeed_shard.connection.budget import Window
from marketfeed_shard.connection.connection import Connection
from marketfeed_shard.connection.ports import Settings, Sockets


class Dialer:
    """Opens the sockets of one shard; every socket has a key of its own."""

    def __init__(self, sockets: Sockets, settings: Settings, attempted_s: Iterable[float]) -> None:
        """`attempted_s`: attempts before this process began, on its clock."""
        self._sockets = sockets
        self._turns = settings.turns
        self._attempts = Window(settings.connects.count, settings.connects.seconds)
        self._attempts.remember(attempted_s)
        self._last_key = 0
        self._banned_until_s = 0.0
        self.ban_reason = ""
        """Of the ban that ends last."""

    def configure(self, settings: Settings, now_s: float, now_ns: int) -> None:
        """Another share, other turns, and bans that others met."""
        self._turns = settings.turns
        self._attempts.resize(settings.connects.count, settings.connects.seconds)
        for ban in settings.bans:
            self.ban(now_s + (ban.until_ns - now_ns) / 1e9, ban.reason)

    def ban(self, until_s: float, reason: str) -> None:
        """No attempt before then, because the exchange says so. A ban that ends sooner than another changes nothing."""
        if until_s > self._banned_until_s:
            self._banned_until_s, self.ban_reason = until_s, reason

    def dial(self, connection: Connection, now_s: float) -> float:
        """Connect if that is due and allowed. Returns when it will be."""
        if connection.state is not ConnectionState.BACKOFF:
            return float("inf")
        due_s = max(now_s, connection.retry_s, self._banned_until_s, self._attempts.free_at(now_s))
        if self._turns is not None:
            due_s = self._turns.next(due_s)
        if due_s > now_s:
            return due_s
        self._attempts.take(now_s)
        self._last_key += 1
        connection.connecting(self._last_key, now_s)
        self._sockets.open(self._last_key, connection.url)
        return float("inf")

    def banned_for_s(self, now_s: float) -> float:
        """How long no attempt is made, because the exchange says so; 0.0 when it does not."""
        return max(0.0, self._banned_until_s - now_s)

    def waits_for_budget_s(self, connections: Iterable[Connection], now_s: float) -> float:
        """How long a connection whose turn it is waits, because no attempt is left in the budget; 0.0 where none does."""
        due = any(c.state is ConnectionState.BACKOFF and c.retry_s <= now_s for c in connections)
        return self._attempts.free_at(now_s) - now_s if due else 0.0
