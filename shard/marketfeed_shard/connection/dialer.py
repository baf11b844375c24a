"""When a socket may be opened: within the budgets of attempts, at this shard's turns, and never under a ban. Without I/O."""

from __future__ import annotations

from collections.abc import Iterable

from marketfeed.assignment import Share
from marketfeed.exchanges.exchange import Limits
from marketfeed.report import ConnectionState
from marketfeed_shard.connection.budget import Turns, Window
from marketfeed_shard.connection.connection import Connection
from marketfeed_shard.connection.ports import Settings, Sockets

SPREAD = Share(count=10, seconds=1.0)
"""After a mass cut no more than these begin at once: own choice, a handshake over TLS takes some milliseconds of the core."""


class Dialer:
    """Opens the sockets of one shard; every socket has a key of its own."""

    def __init__(self, limits: Limits, sockets: Sockets, settings: Settings, attempted_s: Iterable[float]) -> None:
        """`attempted_s`: attempts before this process began, on its clock, in rising order."""
        self._sockets = sockets
        self._most = None if limits.connections_per_address is None else int(limits.connections_per_address.default)
        self._windows = [Window(share.count, share.seconds) for share in _shares(settings)]
        self._turns = _turns(settings)
        before_s = list(attempted_s)
        for window in self._windows:
            window.remember(before_s)
        self._last_key = 0
        self._banned_until_s = 0.0
        self.ban_reason = ""
        """Of the ban that ends last."""
        self.refusal = ""
        """Why a connection is not opened, whatever the budgets say; empty: none is refused."""

    def configure(self, settings: Settings, now_s: float, now_ns: int) -> None:
        """Another share, other turns, and bans that others met."""
        self._turns = _turns(settings)
        for window, share in zip(self._windows, _shares(settings), strict=True):
            window.resize(share.count, share.seconds)
        for ban in settings.bans:
            self.ban(now_s + (ban.until_ns - now_ns) / 1e9, ban.reason)

    def ban(self, until_s: float, reason: str) -> None:
        """No attempt before then, because the exchange says so. A ban that ends sooner than another changes nothing."""
        if until_s > self._banned_until_s:
            self._banned_until_s, self.ban_reason = until_s, reason

    def dial(self, connections: Iterable[Connection], now_s: float) -> float:
        """Connect what is due and allowed, whoever waits longest first. Returns when to come again."""
        waiting: list[Connection] = []
        alive = 0
        for connection in connections:
            alive += connection.key >= 0
            if connection.state is ConnectionState.BACKOFF:
                waiting.append(connection)
        self.refusal = ""
        for connection in sorted(waiting, key=lambda c: c.retry_s):
            if self._most is not None and alive >= self._most:
                self.refusal = f"{alive} connections are open, and the exchange allows {self._most} by address"
                return float("inf")
            due_s = self._allowed_s(connection.retry_s, now_s)
            if due_s > now_s:
                return due_s
            self._open(connection, now_s)
            alive += 1
        return float("inf")

    def banned_for_s(self, now_s: float) -> float:
        """How long no attempt is made, because the exchange says so; 0.0 when it does not."""
        return max(0.0, self._banned_until_s - now_s)

    def waits_for_budget_s(self, connections: Iterable[Connection], now_s: float) -> float:
        """How long a connection whose turn it is waits, because no attempt is left in the budget; 0.0 where none does."""
        due = any(c.state is ConnectionState.BACKOFF and c.retry_s <= now_s for c in connections)
        return self._free_s(now_s) - now_s if due else 0.0

    # ---- inside ------------------------------------------------------------------------------------------------------

    def _open(self, connection: Connection, now_s: float) -> None:
        for window in self._windows:
            window.take(now_s)
        self._last_key += 1
        connection.connecting(self._last_key, now_s)
        self._sockets.open(self._last_key, connection.url)

    def _free_s(self, now_s: float) -> float:
        return max(window.free_at(now_s) for window in self._windows)

    def _allowed_s(self, wanted_s: float, now_s: float) -> float:
        due_s = max(now_s, wanted_s, self._banned_until_s, self._free_s(now_s))
        for turns in self._turns:
            due_s = turns.next(due_s)
        return due_s


def _shares(settings: Settings) -> tuple[Share, Share, Share]:
    return SPREAD, settings.connects, settings.burst or SPREAD


def _turns(settings: Settings) -> list[Turns]:
    return [turns for turns in (settings.turns, settings.burst_turns) if turns is not None]
