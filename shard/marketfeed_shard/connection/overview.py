"""How the connections and streams of a shard are: what its status tells. Reads, changes nothing."""

from __future__ import annotations

from collections.abc import Collection

from marketfeed_shard.connection.connection import Connection
from marketfeed_shard.connection.dialer import Dialer
from marketfeed_shard.connection.pool import Pool
from marketfeed_shard.connection.watchdog import Watchdog


class Overview:
    """Of one shard."""

    def __init__(self, pool: Pool, dialer: Dialer, watchdog: Watchdog) -> None:
        self._pool = pool
        self._dialer = dialer
        self._watchdog = watchdog

    @property
    def connections(self) -> list[Connection]:
        """All of them, those on their way too."""
        return list(self._pool)

    @property
    def slots(self) -> Collection[int]:
        """Streams to carry."""
        return self._watchdog.slots

    def subscribed(self) -> set[int]:
        """Streams of which all is acknowledged or seen on an open connection."""
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

    @property
    def refusal(self) -> str:
        """Why a connection is not opened that is wanted, whatever the budgets say; empty where none is refused."""
        return self._dialer.refusal
