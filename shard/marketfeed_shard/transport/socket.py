"""One socket, as the shard has it: between the library that moves its frames and what hears of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from marketfeed.proxies import ProxyUrl
from marketfeed_shard.connection.ports import Disconnect
from marketfeed_shard.transport.events import Events
from marketfeed_shard.transport.reader import Reader

CONNECT_TIMEOUT_S: Final = 10.0
"""From the attempt to the end of the handshake, the proxy's included."""
LARGEST_MESSAGE_BYTES: Final = 16 * 2**20
"""The exchanges' largest messages are book snapshots of a few MiB at most."""


class ConnectError(Exception):
    """No connection could be made; the message says why, without secrets."""


class RefusedError(ConnectError):
    """The exchange answered the handshake with another status than 101."""

    def __init__(self, status: int, retry_after: str | None) -> None:
        """`retry_after`: the header of that name."""
        super().__init__(f"HTTP {status}")
        self.status = status
        self.retry_after = retry_after


class Link(Protocol):
    """An open socket, as its library has it. What is sent on one that is ending is dropped: its end is about to be told."""

    def send(self, text: str) -> None:
        """Send a text frame."""
        ...

    def ping(self, payload: bytes) -> None:
        """Send a ping frame."""
        ...

    def pong(self, payload: bytes) -> None:
        """Send a pong frame."""
        ...

    def leave(self) -> None:
        """Send a close frame and end the connection."""
        ...

    def abort(self) -> None:
        """End the connection at once."""
        ...


class Library(Protocol):
    """A WebSocket library."""

    async def connect(self, socket: Socket, url: str, proxy: ProxyUrl | None) -> None:
        """Connect once, no redirect followed: `Socket.opened` is called before this returns.

        It answers no ping and sends none by itself. Raises `ConnectError`, `OSError` and what python-socks raises.
        """
        ...


class Socket:
    """One socket from the attempt to its end. Its library calls what follows; once it is let go of, nothing more is told."""

    def __init__(self, key: int, reader: Reader, events: Events, lost: Callable[[Socket, Disconnect], None]) -> None:
        self.key = key
        self.reader = reader
        self.link: Link | None = None
        self.let_go = False
        self._events = events
        self._lost = lost
        self._parts = bytearray()
        self._farewell: Disconnect | None = None

    def opened(self, link: Link) -> None:
        """The handshake is done; no frame was handed on yet."""
        if self.let_go:
            link.abort()
        else:
            self.link = link
            self._events.opened(self.key)

    def declined(self, message: bytes, received_ns: int) -> None:
        """A message that the reader did not take."""
        if self.let_go:
            return
        slots = self._events.frame(self.key, message, received_ns)
        for slot in slots:
            self.reader.mark(slot)
        if slots:
            self.reader.count(received_ns)

    def part(self, payload: bytes, last: bool) -> bytes | None:
        """A part of a message in several frames: the message, if this is its last one. Raises `ValueError`: it is too large."""
        self._parts += payload
        if len(self._parts) > LARGEST_MESSAGE_BYTES:
            raise ValueError(f"a message of more than {LARGEST_MESSAGE_BYTES} bytes")
        if not last:
            return None
        message = bytes(self._parts)
        self._parts.clear()
        return message

    def pinged(self, payload: bytes) -> None:
        """A ping frame."""
        if not self.let_go:
            self._events.pinged(self.key, payload)

    def ponged(self) -> None:
        """A pong frame."""
        if not self.let_go:
            self._events.ponged(self.key)

    def read(self) -> None:
        """All of a socket read was handed on."""
        self._events.flush()

    def farewell(self, code: int | None, reason: str) -> None:
        """A close frame; `code`: none where the frame has none."""
        self._farewell = Disconnect(reason or "closed by the exchange", close_code=code)

    def ended(self, broken: str | None = None) -> None:
        """The connection is gone. `broken`: how the exchange broke the protocol, where that is why."""
        self._events.flush()  # the last read may have ended in what broke the protocol
        if self.let_go:
            return
        if broken is not None:
            self._lost(self, Disconnect(f"given up, for it broke the protocol: {broken}"))
        else:
            self._lost(self, self._farewell or Disconnect("connection lost"))
