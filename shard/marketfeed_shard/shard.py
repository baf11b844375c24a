"""One shard: the parts put together, the clock that drives them, and what they hear from the sockets."""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from marketfeed.assignment import Assignment, Ban
from marketfeed.clock import Clock
from marketfeed.exchanges import catalogue as exchanges
from marketfeed.exchanges.exchange import Control
from marketfeed_shard.attempts import Attempts
from marketfeed_shard.bans import KeptBan
from marketfeed_shard.connection.manager import Manager
from marketfeed_shard.connection.ports import Disconnect
from marketfeed_shard.following import Following, settings, watch
from marketfeed_shard.http import HttpServer
from marketfeed_shard.observe import Observer
from marketfeed_shard.pipeline import Pipeline
from marketfeed_shard.progress import Progress
from marketfeed_shard.publishers import catalogue as publishers
from marketfeed_shard.publishers.context import Context
from marketfeed_shard.publishers.publisher import Publisher
from marketfeed_shard.secrets import Secrets
from marketfeed_shard.status import Status
from marketfeed_shard.transport import catalogue as transport

log = logging.getLogger("marketfeed.shard")

GRACE_S = 15.0
"""For what waits to be delivered, when the shard ends."""
SINKS_S = 5.0
"""How long the sinks may take to connect before the exchange is asked for data all the same."""
LONGEST_BAN_S = 30 * 86_400.0
"""What an exchange may say is not what it may mean: bans are of minutes to days."""
LONGEST_TICK_S = 1.0


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
    """One exchange and market in one process. It is the `Events` of its transport."""

    def __init__(self, assignment: Assignment, place: Place, clock: Clock) -> None:
        self._place = place
        self._clock = clock
        self._market = exchanges.market(assignment.exchange, assignment.market)
        self._publishers: list[Publisher] = []
        self._progress = Progress(place.state / "progress")
        self._pipeline = Pipeline(self._market, self._publishers, self._progress, self._control, clock)
        self._publishers += publishers.create(assignment.publishers, self._context(assignment))
        tls = ssl.create_default_context()
        self._sockets = transport.sockets(
            assignment, self._market, self._pipeline.engine, self, Secrets(place.secrets), clock, tls
        )
        self._attempts = Attempts(place.state / "attempts")
        self._ban = KeptBan(place.state / "ban", assignment.endpoint.ws or self._market.endpoints.ws)
        now_s, now_ns = clock.monotonic(), clock.time_ns()
        self._manager = Manager(
            self._market,
            self._sockets,
            self._pipeline,
            settings(assignment, self._ban.ban, clock),
            random.SystemRandom().random,
            now_s,
            [now_s - (now_ns - t) / 1e9 for t in self._attempts.times_ns if t <= now_ns],
        )
        status = Status(
            assignment.shard,
            self._market,
            self._pipeline,
            self._manager,
            self._sockets,
            self._publishers,
            lambda: self._following.assignment.generation,
            clock,
        )
        self._following = Following(assignment, self._market, self._pipeline, self._manager, self._sockets, clock)
        self._http = HttpServer(Observer(status))
        self._timer: asyncio.TimerHandle | None = None
        self._stop = asyncio.Event()
        self._fault: Exception | None = None
        self._suspect_s = self._remembered_s = now_s

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
            assignment = self._following.assignment
            self._follow(assignment)
            await watch(self._place.assignment, assignment.dumps(), self._follow, self._stop)
        finally:
            await self._close()
        if self._fault is not None:
            raise self._fault

    def _follow(self, assignment: Assignment) -> None:
        self._following.follow(assignment, self._ban.ban)
        self._wake()

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
        self._manager.close()
        self._pipeline.flush()
        await asyncio.gather(*(publisher.close(GRACE_S) for publisher in self._publishers))
        await self._http.close()
        self._progress.close()
        self._attempts.close()

    # ---- time --------------------------------------------------------------------------------------------------------

    def _wake(self) -> None:
        """Something happened: do what is due, as soon as this is over."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(0.0, self._tick)

    def _tick(self) -> None:
        now_s = self._clock.monotonic()
        if now_s - self._suspect_s >= self._following.assignment.watchdog.check_interval:
            self._suspect_s = now_s
            self._pipeline.continuity.suspect_repetitions(self._clock.time_ns())
        if now_s - self._remembered_s >= LONGEST_TICK_S:
            self._remembered_s = now_s
            self._pipeline.continuity.remember_positions()
        try:
            due_s = self._manager.tick(now_s)
        except Exception as fault:  # noqa: BLE001 - raised again by `run`: a shard that only seems alive helps nobody
            self._fault = fault
            self._stop.set()
            return
        wait_s = min(max(0.001, due_s - now_s), LONGEST_TICK_S)
        self._timer = asyncio.get_running_loop().call_later(wait_s, self._tick)

    # ---- Events ------------------------------------------------------------------------------------------------------

    def attempting(self) -> None:
        self._attempts.add(self._clock.time_ns())

    def opened(self, key: int) -> None:
        log.info("connection %d is open", key)
        self._manager.opened(key, self._clock.monotonic(), self._clock.time_ns())
        self._wake()

    def lost(self, key: int, why: Disconnect) -> None:
        log.warning("connection %d: %s%s", key, why.reason, f" (code {why.close_code})" if why.close_code else "")
        now_s = self._clock.monotonic()
        self._manager.lost(key, why, now_s)
        if banned_s := self._manager.banned_for_s(now_s):
            until_ns = self._clock.time_ns() + round(min(banned_s, LONGEST_BAN_S) * 1e9)
            self._ban.keep(Ban(until_ns=until_ns, reason=self._manager.ban_reason))
        self._wake()

    def pinged(self, key: int, payload: bytes) -> None:
        self._manager.pinged(key, payload)
        self._wake()

    def ponged(self, key: int) -> None:
        self._manager.ponged(key, self._clock.monotonic())

    def frame(self, key: int, frame: bytes, received_ns: int) -> list[int]:
        return self._pipeline.decode(frame, key, received_ns)

    def flush(self) -> None:
        self._pipeline.flush()

    def _control(self, key: int, control: Control) -> None:
        self._manager.control(key, control, self._clock.monotonic())
        self._wake()

    def _context(self, assignment: Assignment) -> Context:
        return Context(
            feed=assignment.feed,
            shard=assignment.shard,
            exchange=assignment.exchange,
            market=assignment.market,
            streams=self._pipeline.table.streams,
            announce=self._pipeline.announce,
            clock=self._clock,
            secrets=Secrets(self._place.secrets),
            host=self._place.host,
        )
