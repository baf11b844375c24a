"""One connection between shard and exchange: what either end sends arrives later, in order, or never."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Protocol

from marketfeed_shard.connection.ports import Disconnect
from marketfeed_shard.transport.socket import Socket
from tests.simulation.agenda import Agenda

SHORTEST_S, LONGEST_S = 0.002, 0.03
"""Of a usual delay, one way."""
LATE = 0.01
"""Share of what is sent that is late, by up to `LATEST_S`."""
LATEST_S = 0.4
CONNECT_TIMEOUT_S = 10.0
"""As the shard's transport has it."""


class Far(Protocol):
    """The exchange's end."""

    def hear(self, text: str) -> None:
        """A text frame."""
        ...

    def pinged(self, payload: bytes) -> None: ...

    def ponged(self, payload: bytes) -> None: ...

    def left(self) -> None:
        """The client is gone."""
        ...


class Line:
    """It is the `Link` of the shard's socket."""

    def __init__(self, agenda: Agenda, random: Random, socket: Socket, url: str, lost: Callable[[Disconnect], None]) -> None:
        """`lost`: told where no connection could be made."""
        self.socket = socket
        self.url = url
        self._lost = lost
        self.far: Far | None = None
        """Null: not connected yet, or no more."""
        self.over = False
        """Nothing arrives any more, at either end."""
        self.on_sent: Callable[[], None] = lambda: None
        """Called for every frame of the client's."""
        self._agenda, self._random = agenda, random
        self._up_s = self._down_s = self._hole_s = 0.0

    # ---- the client's end --------------------------------------------------------------------------------------------

    def send(self, text: str) -> None:
        self._up(lambda far: far.hear(text))

    def ping(self, payload: bytes) -> None:
        self._up(lambda far: far.pinged(payload))

    def pong(self, payload: bytes) -> None:
        self._up(lambda far: far.ponged(payload))

    def leave(self) -> None:
        self._up(lambda far: far.left(), counts=False)

    abort = leave

    # ---- the exchange's end ------------------------------------------------------------------------------------------

    def connected(self, far: Far) -> None:
        """The handshake is answered."""
        self.far = far
        self._down(lambda: self.socket.opened(self))

    def refuse(self, why: Disconnect) -> None:
        """The handshake is refused."""
        self._down(lambda: self.give_up(why))

    def deliver(self, messages: Sequence[bytes]) -> None:
        """Text frames that arrive in one read."""
        self._down(lambda: self._read(messages))

    def ping_client(self, payload: bytes) -> None:
        self._down(lambda: self.socket.pinged(payload))

    def pong_client(self) -> None:
        self._down(self.socket.ponged)

    def close(self, code: int | None, reason: str) -> None:
        """End the connection after what was sent; `code` null: without a close frame."""
        self.far = None
        self._down(lambda: self._end(code, reason))

    def give_up(self, why: Disconnect) -> None:
        """No connection was made; nothing where there is one, or nobody waits for it."""
        self.over = self.over or self.socket.link is None
        if self.socket.link is None and not self.socket.let_go:
            self._lost(why)

    # ---- faults ------------------------------------------------------------------------------------------------------

    def cut(self) -> None:
        """It breaks now: what is under way is lost, and both ends learn of it a little later."""
        self.over, self.far = True, None
        self._agenda.after(self._delay_s(), self._broken)

    def hole(self, seconds: float) -> None:
        """For so long nothing arrives; then all of it does."""
        self._hole_s = max(self._hole_s, self._agenda.now_s + seconds)

    def vanish(self) -> None:
        """From now on nothing arrives, and neither end is told."""
        self.over = True

    # ---- inside ------------------------------------------------------------------------------------------------------

    def _up(self, act: Callable[[Far], None], *, counts: bool = True) -> None:
        if counts:
            self.on_sent()
        self._up_s = self._arrival_s(self._up_s)
        self._agenda.at(self._up_s, lambda: None if self.over or self.far is None else act(self.far))

    def _down(self, act: Callable[[], None]) -> None:
        self._down_s = self._arrival_s(self._down_s)
        self._agenda.at(self._down_s, lambda: None if self.over else act())

    def _arrival_s(self, after_s: float) -> float:
        """In order, and not before a hole is over."""
        return max(after_s, self._hole_s, self._agenda.now_s + self._delay_s())

    def _delay_s(self) -> float:
        if self._random.random() < LATE:
            return self._random.uniform(LONGEST_S, LATEST_S)
        return self._random.uniform(SHORTEST_S, LONGEST_S)

    def _read(self, messages: Sequence[bytes]) -> None:
        socket, now_ns = self.socket, self._agenda.clock.time_ns()
        socket.reader.begin(now_ns)
        for message in messages:
            if socket.let_go:
                return
            if not socket.reader.feed(message):
                socket.declined(message, now_ns)
        socket.read()

    def _end(self, code: int | None, reason: str) -> None:
        self.over = True
        if code is not None:
            self.socket.farewell(code, reason)
        self.socket.ended()

    def _broken(self) -> None:
        if self.socket.link is not None:
            self.socket.ended()
        else:
            self.give_up(Disconnect("connection reset"))
