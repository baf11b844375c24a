"""Compares the connections that carry the same streams: what one of them brings no more while another one does. Without I/O."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from marketfeed_shard.connection.connection import Connection
from marketfeed_shard.connection.leading import Leading
from marketfeed_shard.connection.pool import Pool
from marketfeed_shard.connection.ports import Sockets, Streams
from marketfeed_shard.connection.watchdog import Watchdog


class Comparing:
    """Looks at all connections together: legs, and those that take over from others."""

    def __init__(self, pool: Pool, leading: Leading, sockets: Sockets, streams: Streams, watchdog: Watchdog) -> None:
        self._pool = pool
        self._leading = leading
        self._sockets = sockets
        self._streams = streams
        self._watchdog = watchdog
        self.found = 0
        """How often a stream was found to be silent on one connection alone."""

    def look(self, now_s: float) -> Mapping[Connection, Sequence[int]]:
        """Streams that are silent on one connection alone, beyond what their nature explains; worth another attempt there."""
        shared = self._pool.shared()
        if not shared:
            return {}
        fresh = {c: frozenset(self._sockets.fresh(c.key)) for c in self._pool if c.is_open}
        for connection, slots in fresh.items():
            connection.proof.heard(slots)
        found: dict[Connection, list[int]] = defaultdict(list)
        for slot, carrying in shared:
            delivering = [c for c in carrying if slot in fresh.get(c, ())]
            for connection in carrying:
                if self._lags(slot, connection, delivering, now_s):
                    found[connection].append(slot)
        self.found += sum(map(len, found.values()))
        return found

    def _lags(self, slot: int, connection: Connection, delivering: Sequence[Connection], now_s: float) -> bool:
        if connection in delivering:
            connection.lags.forget(slot)
            return False
        is_expected = connection.saw(slot) or self._leading.leads(connection, slot)  # else it has to be proven, see `proof`
        if not (is_expected and connection.live(slot)):
            return False
        elsewhere = any(other.url == connection.url for other in delivering)
        return connection.lags.look(slot, elsewhere, self._watchdog.period_s(slot), self._streams.published(slot), now_s)
