"""A shard in this process, at a simulated exchange, with a sink that keeps what it publishes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest
from core_bed import ReportingSink, assigned
from redis_server import HOST, free_port
from waiting import until

from marketfeed.assignment import Assignment, EffectiveLimits
from marketfeed.clock import SystemClock
from marketfeed.exchanges.catalogue import MARKETS
from marketfeed.report import ShardReport
from marketfeed.resource import Endpoint
from marketfeed_shard.publishers import catalogue as publishers
from marketfeed_shard.shard import Place, Shard
from marketfeed_simulator.server import Simulator


class KeepingSink(ReportingSink):
    """A publisher whose sink is this process."""

    async def start(self) -> None: ...

    async def connected(self) -> None: ...

    async def close(self, deadline_s: float) -> None: ...


class ShardRun:
    """`async with` runs the shard."""

    def __init__(self, folder: Path, sim: Simulator, symbols: Sequence[str], channels: Sequence[str], **options: Any) -> None:
        """`options`: of the assignment."""
        self.market = MARKETS[sim.exchange.name, sim.exchange.market]
        natives = {symbol: self.market.native(symbol) for symbol in symbols}
        defaults: dict[str, Any] = {
            "endpoint": Endpoint(ws=sim.ws_url, rest=sim.rest_url),
            "limits": EffectiveLimits(
                streams_per_connection=int(self.market.limits.streams_per_connection.default),
                messages_per_second=self.market.limits.messages_per_second.default,
            ),
        }
        self.assignment = assigned(self.market.exchange, self.market.name, natives, channels, **defaults | options)
        self.sink = KeepingSink()
        self._folder = folder
        self._patch = pytest.MonkeyPatch()

    async def __aenter__(self) -> Self:
        file = self._folder / "assignment.json"
        file.write_bytes(self.assignment.dumps())
        self._patch.setattr(publishers, "create", lambda wanted, context: [self.sink])
        self._shard = Shard(self.assignment, Place(file, self._folder, None, HOST, free_port()), SystemClock())
        self._patch.undo()
        self._running = asyncio.ensure_future(self._shard.run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._shard.stop()
        await self._running

    def follow(self, assignment: Assignment) -> None:
        """Another assignment, as if its file had changed."""
        (self._folder / "assignment.json").write_bytes(assignment.dumps())

    @property
    def report(self) -> ShardReport:
        """Its `/status`."""
        return self._shard.status.report()

    async def ready(self) -> None:
        """Wait until it says so."""
        await until(lambda: self.report.ready and self.report.streams.live, "the shard is ready")

    def events(self, kind: str) -> list[dict[str, Any]]:
        """Of a type, so far."""
        return [event for event in self.sink.events if event["type"] == kind]
