"""A connection from its first byte to its last: let in or turned away, heard and answered, closed when it breaks a limit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from urllib.parse import parse_qsl, unquote, urlsplit

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from marketfeed.clock import Clock
from marketfeed_simulator.admission import Admission, response
from marketfeed_simulator.control import is_ours
from marketfeed_simulator.exchange import ABNORMAL, Exchange, Source
from marketfeed_simulator.faults import Faults
from marketfeed_simulator.generator import Message
from marketfeed_simulator.hub import Hub
from marketfeed_simulator.limits import Violation
from marketfeed_simulator.peer import Peer
from marketfeed_simulator.session import Hearing

CLOSE_TIMEOUT_S = 2.0


class Reception:
    """Of one exchange; all of its connections."""

    def __init__(
        self,
        exchange: Exchange,
        source: Source,
        hub: Hub,
        faults: Faults,
        clock: Clock,
        control: Callable[[str, Mapping[str, str]], Awaitable[tuple[int, str]]],
        knows: Callable[[str], bool],
        first: Callable[[str], Iterable[Message]],
    ) -> None:
        """`control`: answers the simulator's own paths, with status and body. `knows`: whether a topic delivers anything;
        `first`: what its new subscriber gets.
        """
        self._knows, self._first = knows, first
        self.violations: list[Violation] = []
        self._exchange, self._hub, self._faults, self._clock, self._control = exchange, hub, faults, clock, control
        self._admission = Admission(
            exchange, source, faults, clock, self._alive, lambda rule, detail: self.violation(None, rule, detail)
        )
        self._numbers = 0
        self._closing: set[asyncio.Task[None]] = set()

    async def process_request(self, connection: ServerConnection, request: Request) -> Response | None:
        """Every HTTP request; null: it becomes a WebSocket."""
        assert isinstance(connection, Peer)
        target = urlsplit(request.path)
        path, query = unquote(target.path), dict(parse_qsl(target.query, keep_blank_values=True))
        if is_ours(path):
            return response(*await self._control(path, query))
        if "Upgrade" not in request.headers and (delay_s := self._faults.rest_delay_s):
            await asyncio.sleep(delay_s)
        verdict = self._admission.judge(connection.remote_address[0], path, query)
        if isinstance(verdict, Response):
            return verdict
        if verdict is None:
            connection.reset()
            return response(503, "{}")  # which nobody gets
        self._numbers += 1
        connection.begin(self._numbers, verdict, self._exchange.limits, self._flooded, self._faults.frozen)
        return None

    async def handle(self, connection: ServerConnection) -> None:
        """A WebSocket, from its handshake on to its end."""
        assert isinstance(connection, Peer)
        topics, most = connection.session.topics, self._exchange.limits.streams_per_connection
        for said in self._exchange.welcome(connection.session, self._clock.time_ns() // 1_000_000):
            connection.say(said)
        self._greet(connection, self._hub.join(connection))
        try:
            if most is not None and len(topics) > most:
                self.violation(connection.number, "streams_per_connection", f"{len(topics)} in the URL")
                self.close(connection, self._exchange.closings.streams)
            async for text in connection:
                if not connection.doomed:
                    async with connection.turn:
                        self._hear(connection, text if isinstance(text, str) else text.decode(errors="replace"))
        except ConnectionClosed:
            return  # however it ended, it is over
        finally:
            self._hub.leave(connection)

    def _hear(self, peer: Peer, text: str) -> None:
        before = list(peer.session.topics), peer.session.combined
        answer = self._exchange.receive(peer.session, text, self._hearing(peer))
        for reply in answer.replies:
            peer.say(reply)
        if answer.violation is not None:
            self.violation(peer.number, answer.rule, answer.violation)
        new: list[str] = []
        if before != (list(peer.session.topics), peer.session.combined):
            new = self._hub.update(peer)
            self._count_deep(peer)
        self._greet(peer, dict.fromkeys((*new, *answer.again)))
        if answer.close is not None:
            self.close(peer, answer.close)

    def _hearing(self, peer: Peer) -> Hearing:
        def within(count: int = 1) -> bool:
            if peer.requests is None or peer.requests.add(self._clock.monotonic(), count):
                return True
            window = peer.requests.window
            self.violation(peer.number, "requests", f"more than {window.count} within {window.seconds:g} s")
            return False

        return Hearing(self._clock.time_ns() // 1_000_000, self._faults.rejection, self._faults.grants, self._knows, within)

    def _greet(self, peer: Peer, topics: Iterable[str]) -> None:
        """What a connection gets of topics that are new to it."""
        for topic in () if self._faults.without_snapshots else topics:
            for message in self._first(topic):
                self._hub.deliver_to((peer,), *message)
        self._hub.flush()

    def _count_deep(self, peer: Peer) -> None:
        most = self._exchange.limits.deep_books
        if most is not None and (deep := sum(map(self._exchange.is_deep, peer.session.topics))) > most:
            self.violation(peer.number, "deep_books", f"{deep} on one connection")

    def _alive(self, address: str) -> int:
        return sum(peer.address == address for peer in self._hub.peers.values())

    def _flooded(self, peer: Peer) -> None:
        window = self._exchange.limits.client_messages
        assert window is not None
        self.violation(peer.number, "client_messages", f"more than {window.count} within {window.seconds:g} s")
        self.close(peer, self._exchange.closings.flood)

    def close(self, peer: Peer, how: tuple[int, str]) -> None:
        """Begin to end a connection with this code and reason, after what was sent to it; it is heard no more.

        1006 stands for none: the socket is closed without a close frame.
        """
        peer.doomed = True
        peer.flush(0.0)
        if how[0] == ABNORMAL:
            peer.transport.close()
            return
        task = asyncio.get_running_loop().create_task(_closed(peer, *how))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def violation(self, connection: int | None, rule: str, detail: str) -> None:
        """Write down that a limit was broken."""
        self.violations.append(Violation(self._clock.time_ns(), connection, rule, detail))


async def _closed(peer: Peer, code: int, reason: str) -> None:
    """The closing handshake, or a reset where the reader is too far behind for it."""
    try:
        async with asyncio.timeout(2 * CLOSE_TIMEOUT_S):
            await peer.close(code, reason)
    except TimeoutError:
        peer.reset()
