"""One shard as a process: the event loop, files and servers around its core."""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from marketfeed.assignment import Assignment
from marketfeed.clock import Clock
from marketfeed.exchanges import catalogue as exchanges
from marketfeed_shard.core import Core
from marketfeed_shard.following import watch
from marketfeed_shard.http import HttpServer
from marketfeed_shard.kernel.plain import Engine
from marketfeed_shard.observe import Observer
from marketfeed_shard.publishers import catalogue as publishers
from marketfeed_shard.publishers.context import Context
from marketfeed_shard.publishers.publisher import Publisher
from marketfeed_shard.recovery.ports import RestEvents
from marketfeed_shard.secrets import Secrets
from marketfeed_shard.state.directory import StateDirectory
from marketfeed_shard.status import Status
from marketfeed_shard.transport import catalogue as transport
from marketfeed_shard.transport.events import Events
from marketfeed_shard.transport.rest import RestClient
from marketfeed_shard.transport.sockets import ShardSockets

log = logging.getLogger("marketfeed.shard")

GRACE_S = 15.0
"""For what waits to be delivered, when the shard ends."""
SINKS_S = 5.0
"""How long the sinks may take to connect before the exchange is asked for data all the same."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a shard runs."""

    assignment: Path
    state: Path
    """A directory for what has to survive a restart."""
    secrets: Path | None
    host: str
    """Of its HTTP and gRPC servers."""
    port: int
    """Of its HTTP server."""


class Shard:
    """One exchange and market in one process."""

    def __init__(self, assignment: Assignment, place: Place, clock: Clock) -> None:
        self._assignment = assignment
        self._place = place
        self._clock = clock
        self._market = exchanges.market(assignment.exchange, assignment.market)
        self._secrets = Secrets(place.secrets)
        self._tls = ssl.create_default_context()
        self._state = StateDirectory(place.state, assignment.endpoint.ws or self._market.endpoints.ws)
        self._publishers: list[Publisher] = []
        self._core = Core(
            assignment,
            self._market,
            self._publishers,
            self._sockets,
            self._rest_client,
            clock,
            random.SystemRandom().random,
            self._state.progress,
            self._state,
            self._state.past(),
            self._wake,
        )
        self._publishers += publishers.create(assignment.publishers, self._context(assignment))
        self.status = Status(assignment.shard, self._core, self._publishers, clock)
        self._http = HttpServer(Observer(self.status))
        self._timer: asyncio.TimerHandle | None = None
        self._stop = asyncio.Event()
        self._fault: Exception | None = None

    # ---- life --------------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """End, as after SIGTERM: `run` returns when all is flushed."""
        self._stop.set()

    async def run(self) -> None:
        """Run until `stop`. Raises `OSError` where the HTTP address is taken, and what went wrong in its own clockwork."""
        await self._http.start(self._place.host, self._place.port)
        try:
            await asyncio.gather(*(publisher.start() for publisher in self._publishers))
            await self._sinks_connected()
            self._core.follow(self._assignment)
            await watch(self._place.assignment, self._assignment.dumps(), self._core.follow, self._stop)
        finally:
            await self._close()
        if self._fault is not None:
            raise self._fault

    async def _sinks_connected(self) -> None:
        """Wait for the sinks, so that the first events do not wait for them."""
        connected = {asyncio.ensure_future(publisher.connected()): publisher.name for publisher in self._publishers}
        everything = asyncio.gather(*connected)
        stopped = asyncio.ensure_future(self._stop.wait())
        both: set[asyncio.Future[Any]] = {everything, stopped}
        await asyncio.wait(both, timeout=SINKS_S, return_when=asyncio.FIRST_COMPLETED)
        late = [name for future, name in connected.items() if not future.done()]
        if late:
            log.warning("not connected within %g s: %s; going on", SINKS_S, ", ".join(late))
        for future in both:
            future.cancel()
        await asyncio.gather(*both, return_exceptions=True)

    async def _close(self) -> None:
        """Stop reading, deliver what waits, let go."""
        if self._timer is not None:
            self._timer.cancel()
        self._core.close()
        await self._rest.close()
        await asyncio.gather(*(publisher.close(GRACE_S) for publisher in self._publishers))
        await self._http.close()
        self._state.close()

    # ---- time --------------------------------------------------------------------------------------------------------

    def _wake(self) -> None:
        """Something happened: do what is due, as soon as this is over."""
        self._schedule(0.0)

    def _schedule(self, wait_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(wait_s, self._tick)

    def _tick(self) -> None:
        self._timer = None
        now_s = self._clock.monotonic()
        try:
            due_s = self._core.tick(now_s)
        except Exception as fault:  # noqa: BLE001 - raised again by `run`: a shard that only seems alive helps nobody
            self._fault = fault
            self._stop.set()
            return
        if self._timer is None:  # else it was woken in between
            self._schedule(max(0.001, due_s - now_s))

    # ---- parts -------------------------------------------------------------------------------------------------------

    def _sockets(self, engine: Engine, events: Events) -> ShardSockets:
        return transport.sockets(self._assignment, self._market, engine, events, self._secrets, self._clock, self._tls)

    def _rest_client(self, events: RestEvents) -> RestClient:
        self._rest = transport.rest(self._assignment, self._market, events, self._secrets, self._clock, self._tls)
        return self._rest

    def _context(self, assignment: Assignment) -> Context:
        return Context(
            feed=assignment.feed,
            shard=assignment.shard,
            exchange=assignment.exchange,
            market=assignment.market,
            streams=self._core.pipeline.table.streams,
            announce=self._core.pipeline.announce,
            clock=self._clock,
            secrets=self._secrets,
            host=self._place.host,
        )
