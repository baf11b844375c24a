"""What is acknowledged and silent, or has to begin anew, is subscribed again. Without I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from marketfeed.report import ConnectionState
from marketfeed_shard.connection.connection import Connection
from marketfeed_shard.connection.leading import Leading
from marketfeed_shard.connection.pool import Pool
from marketfeed_shard.connection.ports import Streams
from marketfeed_shard.connection.topics import Urgency
from marketfeed_shard.connection.watchdog import Watchdog

ELSEWHERE = 2
"""After so many subscriptions that brought nothing a stream is tried on another connection."""


class Renewing:
    """Asks for streams again."""

    def __init__(self, pool: Pool, watchdog: Watchdog, leading: Leading, streams: Streams) -> None:
        self._pool = pool
        self._watchdog = watchdog
        self._leading = leading
        self._streams = streams

    def silent(self, connections: Iterable[Connection], now_s: float) -> None:
        """All silent streams of each connection together; those of two legs on both: either may have lost them."""
        silent = {connection: found for connection in connections if (found := self._watchdog.silent(connection, now_s))}
        for connection, slots in silent.items():
            stubborn = [slot for slot in slots if self._watchdog.attempts(slot) >= ELSEWHERE]
            self._again(connection, slots, stubborn, now_s)
        self._watchdog.renewed({slot for slots in silent.values() for slot in slots}, now_s)

    def lagging(self, found: Mapping[Connection, Sequence[int]], now_s: float) -> None:
        """Streams that are silent on one connection alone: another one leads them, and here they are asked for again."""
        for connection, slots in found.items():
            for slot in slots:
                connection.proof.failed(slot)
            led = [slot for slot in slots if self._leading.leads(connection, slot)]
            self._streams.interrupted(s for s in led if self._streams.published(s) == connection.lags.published(s))
            self._leading.left(connection, led, now_s)
            if connection.state is ConnectionState.OPEN:
                stubborn = [slot for slot in slots if connection.lags.attempts(slot) > ELSEWHERE]
                self._again(connection, slots, stubborn, now_s)
                self._leading.opened(connection, [slot for slot in slots if slot in connection.subscriptions.slots])

    def books(self, slots: Iterable[int], now_s: float) -> set[int]:
        """Streams that begin anew with a snapshot on their leading connections. Returns those that are asked for again now."""
        renewed: set[int] = set()
        slots = set(slots)
        for connection in self._pool:
            led = slots.intersection(self._leading.led(connection)) if connection.is_open else set()
            interrupted = connection.subscriptions.renew(led, Urgency.BOOK, now_s) if led else set()
            self._streams.interrupted(interrupted - slots)
            renewed |= interrupted & slots
        return renewed

    # ---- inside ------------------------------------------------------------------------------------------------------

    def _again(self, connection: Connection, silent: Sequence[int], stubborn: Sequence[int], now_s: float) -> None:
        """Here, or, where that did not help, on another connection that has room."""
        moved = self._moved(connection, stubborn, now_s) if stubborn else set()
        here = [slot for slot in silent if slot not in moved]
        interrupted = connection.subscriptions.renew(here, Urgency.CARE, now_s)
        self._leading.left(connection, interrupted, now_s)

    def _moved(self, connection: Connection, slots: Sequence[int], now_s: float) -> set[int]:
        """Those of these that another open connection takes. The last one stays: no connection is closed for it.

        What is about to be taken over stays, too.
        """
        moved: set[int] = set()
        others = [c for c in self._pool if c is not connection and c.state is ConnectionState.OPEN and c.replaces is None]
        placement = self._pool.placement(others)
        for slot in slots:
            topics = [subscription.topic for subscription in connection.subscriptions.of(slot)]
            stays = len(connection.subscriptions.slots) == 1 or self._pool.is_moving(slot, connection.url)
            other = None if stays else placement.find(topics, connection.url, connection.leg)
            if other is not None:
                self._pool.put(slot, other, now_s)
                self._leading.left(connection, [slot], now_s)
                self._leading.opened(other, [slot])
                self._pool.take(slot, connection)
                moved.add(slot)
        return moved
