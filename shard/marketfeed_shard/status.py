"""How the shard is, in words and numbers: the report of `/status`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Protocol

from marketfeed.clock import Clock
from marketfeed.exchanges.exchange import Market
from marketfeed.report import (
    NAMES,
    BooksReport,
    ConnectionReport,
    PublisherState,
    RejectedStream,
    ShardReport,
    StreamsReport,
)
from marketfeed_shard.connection.connection import Connection
from marketfeed_shard.connection.manager import Manager
from marketfeed_shard.pipeline import Pipeline
from marketfeed_shard.plain import PlainEngine
from marketfeed_shard.publishers.publisher import Publisher


class MessageTimes(Protocol):
    """The transport, as far as it is asked here."""

    def last_message_ns(self, key: int) -> int:
        """Wall clock at a socket's last data message, or 0."""
        ...


class Status:
    """Reads the parts of one shard; changes nothing."""

    def __init__(
        self,
        shard: str,
        market: Market,
        pipeline: Pipeline,
        manager: Manager,
        times: MessageTimes,
        publishers: Sequence[Publisher],
        generation: Callable[[], int],
        clock: Clock,
    ) -> None:
        self.shard = shard
        self.market = market
        self.pipeline = pipeline
        self.manager = manager
        self.publishers = publishers
        self._times = times
        self._generation = generation
        self._clock = clock

    def report(self) -> ShardReport:
        """All of `/status`."""
        manager, now_ns = self.manager, self._clock.time_ns()
        stale, rejected = manager.stale(), manager.rejected()
        reasons = self._reasons(rejected)
        return ShardReport(
            shard=self.shard,
            exchange=self.market.exchange,
            market=self.market.name,
            generation=self._generation(),
            ready=not reasons,
            streams=StreamsReport(
                desired=len(manager.slots),
                live=self.live(),
                stale=self._names(stale),
                rejected=[RejectedStream(self._name(slot), reason) for slot, reason in list(rejected.items())[:NAMES]],
                unproven=self._names(manager.unproven()),
            ),
            connections=[self._connection(c, now_ns) for c in manager.connections],
            books=BooksReport(),
            publishers={p.name: p.report() for p in self.publishers},
            engine="plain" if isinstance(self.pipeline.engine, PlainEngine) else "compiled",
            reasons=reasons,
        )

    def live(self) -> int:
        """Streams that are well."""
        return len(self.manager.live())

    def _reasons(self, rejected: Iterable[int]) -> list[str]:
        """Why the shard is not ready, in words."""
        waiting = sorted(set(self.manager.slots) - self.manager.subscribed() - set(rejected))
        reasons: list[str] = []
        if waiting:
            reasons += self._waiting_because(waiting)
        for publisher in self.publishers:
            report = publisher.report()
            if publisher.required and report.state is not PublisherState.CONNECTED:
                because = f": {report.error}" if report.error else ""
                reasons.append(f"publisher {publisher.name} is {report.state}{because}")
        return reasons

    def _waiting_because(self, waiting: Sequence[int]) -> Iterable[str]:
        first = ", ".join(self._names(waiting)[:3])
        more = f" and {len(waiting) - 3} more" if len(waiting) > 3 else ""
        yield f"streams not subscribed: {len(waiting)} ({first}{more})"
        now_s = self._clock.monotonic()
        banned_s, budget_s = self.manager.banned_for_s(now_s), self.manager.waits_for_budget_s(now_s)
        if banned_s:
            yield f"no connection is attempted for {banned_s:.0f} s: {self.manager.ban_reason}"
        elif budget_s:
            yield f"no connection is attempted for {budget_s:.0f} s: the budget of attempts is used up"
        errors = Counter(c.error for c in self.manager.connections if not c.is_open and c.error)
        for error, count in sorted(errors.items()):
            yield f"connections down: {count} ({error})"

    def _connection(self, connection: Connection, now_ns: int) -> ConnectionReport:
        last_ns = self._times.last_message_ns(connection.key) if connection.is_open else 0
        opened = datetime.fromtimestamp(connection.opened_ns // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return ConnectionReport(
            id=connection.id,
            state=connection.state,
            streams=len(connection.subscriptions.slots),
            last_message_age=round(max(0, now_ns - last_ns) / 1e9, 3) if last_ns else None,  # the clock may be set back
            round_trip=connection.round_trip_s,
            reconnects=connection.reconnects,
            opened=opened if connection.is_open else None,
        )

    def _name(self, slot: int) -> str:
        return self.pipeline.table.streams[slot].name

    def _names(self, slots: Iterable[int]) -> list[str]:
        return sorted(map(self._name, slots))[:NAMES]
