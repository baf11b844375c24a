"""The simulated exchange as a server: WebSocket and HTTP on one port of the loopback."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self

from websockets.asyncio.server import Server, serve

from marketfeed.clock import Clock, SystemClock
from marketfeed_simulator import control
from marketfeed_simulator.board import Board
from marketfeed_simulator.commands import Commands
from marketfeed_simulator.exchange import Exchange, Source
from marketfeed_simulator.faults import Faults
from marketfeed_simulator.generator import Generator
from marketfeed_simulator.housekeeping import keep_house
from marketfeed_simulator.hub import Hub
from marketfeed_simulator.ledger import Ledger
from marketfeed_simulator.limits import Violation
from marketfeed_simulator.market import Market
from marketfeed_simulator.peer import Peer
from marketfeed_simulator.pumps import MarketPump
from marketfeed_simulator.reception import CLOSE_TIMEOUT_S, Reception
from marketfeed_simulator.replay import Replay, ReplayPump
from marketfeed_simulator.session import Session
from marketfeed_simulator.truth import Truth

WRITE_LIMIT_BYTES = 1 << 18
_logger = logging.getLogger("marketfeed_simulator")


class Simulator(Commands):
    """A simulated exchange; `async with` starts and stops it. It may be started again, on the same port.

    Its data is a market, of which all live feeds together bring `rate` messages per second (0: as many as the slowest reader
    takes), or a replay.
    """

    def __init__(
        self,
        exchange: Exchange,
        source: Market | Replay,
        *,
        rate: float = 1000.0,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        ledger: Ledger | None = None,
        paused: bool = False,
        clock: Clock | None = None,
    ) -> None:
        """`port` 0: a free one. `paused`: nothing is sent before `resume` or `emit`. Raises `ValueError`."""
        self.exchange = exchange
        self.host, self.port = host, port
        self._clock = clock or SystemClock()
        self.faults = Faults(self._clock.monotonic, exchange.limits.banned_status)
        self.ledger = ledger
        self._hub = Hub(exchange, self.faults, ledger, self._clock)
        self.source: Source
        self.pump: MarketPump | ReplayPump
        self.truth: Truth | None = None
        """What the market did; null: a replay has none. So has the next."""
        self.board: Board | None = None
        if isinstance(source, Market):
            generator = Generator(exchange, source)
            self.source = generator
            self.pump = MarketPump(exchange, generator, self._hub, self.faults, self._clock, rate)
            self.truth, self.board = Truth(exchange, source), Board(exchange, source, self.pump.relist)
        else:
            self.source = source.recording
            self.pump = ReplayPump(source, self._hub, self._clock)
        if not paused:
            self.pump.running.set()
        self._tls = tls
        self._reception = Reception(
            exchange,
            self.source,
            self._hub,
            self.faults,
            self._clock,
            lambda path, query: control.act(self, path, query),
            self.pump.knows,
            self.pump.first,
        )
        self.failed: asyncio.Future[None]
        """Done, with the error, when the simulator itself can not go on: its ledger's disk is full."""
        self._server: Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    # ---- life --------------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self.stop()
        finally:
            if self.ledger is not None:
                self.ledger.close()

    async def start(self) -> None:
        """Accept connections. Raises `OSError` where the port is taken."""
        self.failed = asyncio.get_running_loop().create_future()
        self._server = await serve(
            self._reception.handle,
            self.host,
            self.port,
            ssl=self._tls,
            process_request=self._reception.process_request,
            create_connection=Peer,
            compression=None,
            ping_interval=None,
            close_timeout=CLOSE_TIMEOUT_S,
            write_limit=WRITE_LIMIT_BYTES,
            max_queue=None,
            server_header=None,
            logger=_logger,
        )
        self.port = self._server.sockets[0].getsockname()[1]
        self._spawn(self.pump.run())
        self._spawn(keep_house(self._hub, self.exchange, self._clock, self._reception.close, self._reception.violation))

    async def stop(self) -> None:
        """Close all connections (1001) and the port; who does not read is reset. Raises what `failed` has."""
        if self._server is None:
            return
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._server.close()
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._server.wait_closed()
        except TimeoutError:
            for peer in self._hub.peers.values():
                peer.reset()
            await self._server.wait_closed()
        self._server = None
        if self.failed.done():
            self.failed.result()

    async def kill(self) -> None:
        """End as a process that dies does: every connection reset, nothing said."""
        for peer in list(self._hub.peers.values()):
            peer.reset()
        await self.stop()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None and not self.failed.done():
            self.failed.set_exception(error)

    # ---- what a test reads -------------------------------------------------------------------------------------------

    @property
    def ws_url(self) -> str:
        return f"{'wss' if self._tls else 'ws'}://{self.host}:{self.port}"

    @property
    def rest_url(self) -> str:
        return f"{'https' if self._tls else 'http'}://{self.host}:{self.port}"

    @property
    def violations(self) -> list[Violation]:
        """Limits that clients broke, in order."""
        return self._reception.violations

    @property
    def connections(self) -> dict[int, Session]:
        """Those that are open, by number, from 1 on in the order in which they came."""
        return {number: peer.session for number, peer in self._hub.peers.items()}

    @property
    def sent(self) -> int:
        """Data messages handed to sockets so far."""
        return self._hub.sent
