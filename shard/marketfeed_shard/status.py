"""How the shard is, in words and numbers: the report of `/status`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Protocol

from marketfeed.assignment import Assignment
from marketfeed.clock import Clock
from marketfeed.report import NAMES, ConnectionReport, PublisherState, RejectedStream, ShardReport, StreamsReport
from marketfeed_shard.connection.connection import Connection
from marketfeed_shard.connection.manager import Manager
from marketfeed_shard.connection.ports import Sockets
from marketfeed_shard.kernel.plain import PlainEngine
from marketfeed_shard.pipeline.pipeline import Pipeline
from marketfeed_shard.publishers.publisher import Publisher
from marketfeed_shard.restoring.restoring import Restoring


class Parts(Protocol):
    """A shard's core, as far as it is asked here."""

    @property
    def assignment(self) -> Assignment: ...

    @property
    def pipeline(self) -> Pipeline: ...

    @property
    def manager(self) -> Manager: ...

    @property
    def sockets(self) -> Sockets: ...

    @property
    def restoring(self) -> Restoring: ...


class Status:
    """Reads the parts of one shard; changes nothing."""

    def __init__(self, shard: str, parts: Parts, publishers: Sequence[Publisher], clock: Clock) -> None:
        self.shard = shard
        self.pipeline = parts.pipeline
        self.manager = parts.manager
        self.restoring = parts.restoring
        self.market = parts.pipeline.market
        self.publishers = publishers
        self._parts = parts
        self._clock = clock

    def report(self) -> ShardReport:
        """All of `/status`."""
        manager, now_ns = self.manager, self._clock.time_ns()
        rejected = manager.rejected()
        reasons = self._reasons(rejected)
        return ShardReport(
            shard=self.shard,
            exchange=self.market.exchange,
            market=self.market.name,
            generation=self._parts.assignment.generation,
            ready=not reasons,
            streams=StreamsReport(
                desired=len(manager.slots),
                live=self.live(),
                stale=self._names(self.stale()),
                rejected=[RejectedStream(self._name(slot), reason) for slot, reason in list(rejected.items())[:NAMES]],
                unproven=self._names(manager.unproven()),
            ),
            connections=[self._connection(c, now_ns) for c in manager.connections],
            books=self.restoring.books(),
            publishers={p.name: p.report() for p in self.publishers},
            engine="plain" if isinstance(self.pipeline.engine, PlainEngine) else "compiled",
            reasons=reasons,
            catalogue=self.restoring.catalogue(self._clock.monotonic()),
        )

    def live(self) -> int:
        """Streams that are well: subscribed, and not stale."""
        return len(self.manager.subscribed() - self.stale())

    def stale(self) -> set[int]:
        """Streams that are silent for longer than their nature explains, and whose symbol is traded."""
        return set(self.manager.stale()) - self.restoring.halted()

    def _reasons(self, rejected: Iterable[int]) -> list[str]:
        """Why the shard is not ready, in words."""
        excused = self.restoring.halted().union(rejected)
        waiting = sorted(set(self.manager.slots) - self.manager.subscribed() - excused)
        unsynced = sorted(set(self.restoring.unsynced()) - excused)
        reasons: list[str] = []
        if waiting:
            reasons += self._waiting_because(waiting)
        if unsynced:
            faults = self.restoring.resync.faults
            because = next((f": {faults[slot]}" for slot in unsynced if slot in faults), "")
            reasons.append(f"books not in sync: {self._some(unsynced)}{because}")
        for publisher in self.publishers:
            report = publisher.report()
            if publisher.required and report.state is not PublisherState.CONNECTED:
                because = f": {report.error}" if report.error else ""
                reasons.append(f"publisher {publisher.name} is {report.state}{because}")
        return reasons

    def _waiting_because(self, waiting: Sequence[int]) -> Iterable[str]:
        yield f"streams not subscribed: {self._some(waiting)}"
        now_s = self._clock.monotonic()
        banned_s, budget_s = self.manager.banned_for_s(now_s), self.manager.waits_for_budget_s(now_s)
        if banned_s:
            yield f"no connection is attempted for {banned_s:.0f} s: {self.manager.ban_reason}"
        elif budget_s:
            yield f"no connection is attempted for {budget_s:.0f} s: the budget of attempts is used up"
        elif self.manager.refusal:
            yield f"no connection is attempted: {self.manager.refusal}"
        errors = Counter(c.error for c in self.manager.connections if not c.is_open and c.error)
        for error, count in sorted(errors.items()):
            yield f"connections down: {count} ({error})"

    def _connection(self, connection: Connection, now_ns: int) -> ConnectionReport:
        last_ns = self._parts.sockets.last_message_ns(connection.key) if connection.is_open else 0
        opened = datetime.fromtimestamp(connection.opened_ns // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return ConnectionReport(
            id=connection.id,
            state=connection.state,
            streams=len(connection.subscriptions.slots),
            last_message_age=round(max(0, now_ns - last_ns) / 1e9, 3) if last_ns else None,  # the clock may be set back
            round_trip=connection.round_trip_s,
            reconnects=connection.reconnects,
            opened=opened if connection.is_open else None,
            silent=self._names(connection.lags.silent()),
        )

    def _some(self, slots: Sequence[int]) -> str:
        """How many, and the first of them."""
        first = ", ".join(self._names(slots)[:3])
        more = f" and {len(slots) - 3} more" if len(slots) > 3 else ""
        return f"{len(slots)} ({first}{more})"

    def _name(self, slot: int) -> str:
        return self.pipeline.table.streams[slot].name

    def _names(self, slots: Iterable[int]) -> list[str]:
        return sorted(map(self._name, slots))[:NAMES]
