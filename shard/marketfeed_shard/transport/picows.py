"""The fast transport: WebSocket sockets by picows, whose frames go straight to the compiled engine."""

from __future__ import annotations

import asyncio
import logging
import ssl
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any

from picows import (
    WSCloseCode,
    WSError,
    WSFrame,
    WSHandshakeError,
    WSMsgType,
    WSProtocolError,
    WSTransport,
    ws_connect,
)

from marketfeed.clock import Clock
from marketfeed_shard.connection.ports import Disconnect
from marketfeed_shard.plain import Engine
from marketfeed_shard.transport.events import Events
from marketfeed_shard.transport.listener import factory

log = logging.getLogger("marketfeed.shard")

CONNECT_TIMEOUT_S = 10.0
LARGEST_MESSAGE_BYTES = 16 * 2**20
"""The exchanges' largest messages are book snapshots of a few MiB at most."""


@dataclass(slots=True)
class _Socket:
    listener: Any
    transport: WSTransport | None = None
    task: asyncio.Task[None] | None = None
    fragments: bytearray = field(default_factory=bytearray)
    """A message that comes in several frames, so far."""
    close_code: int | None = None
    close_reason: str = ""


class PicowsSockets:
    """Opens sockets, sends on them, and hands on what they deliver. It is the `Sockets` of the connection manager."""

    def __init__(self, engine: Engine, events: Events, slots: int, clock: Clock, tls: ssl.SSLContext | None = None) -> None:
        """`slots`: streams that there are; `grow` tells when there are more. `tls`: for wss, default the system's."""
        self._events = events
        self._clock = clock
        self._tls = tls or ssl.create_default_context()
        self._listener = factory(engine)
        self._slots = slots
        self._sockets: dict[int, _Socket] = {}
        self._watches: set[asyncio.Task[None]] = set()

    def grow(self, slots: int) -> None:
        """There are so many streams now: to be called before the first frame of a new one."""
        self._slots = slots
        for socket in self._sockets.values():
            socket.listener.grow(slots)

    # ---- Sockets -----------------------------------------------------------------------------------------------------

    def open(self, key: int, url: str) -> None:
        self._events.attempting()
        socket = _Socket(self._listener(self, key, self._slots))
        self._sockets[key] = socket
        socket.task = asyncio.get_running_loop().create_task(self._connect(key, socket, url), name=f"connect {key}")

    def send(self, key: int, text: str) -> None:
        self._transport(key).send(WSMsgType.TEXT, text.encode())

    def ping(self, key: int, payload: bytes) -> None:
        self._transport(key).send_ping(payload)

    def pong(self, key: int, payload: bytes) -> None:
        self._transport(key).send_pong(payload)

    def close(self, key: int) -> None:
        socket = self._sockets.pop(key, None)
        if socket is None:
            return
        if socket.task is not None and not socket.task.done():
            socket.task.cancel()
        if socket.transport is not None:
            if not socket.transport.is_close_frame_sent:
                socket.transport.send_close(WSCloseCode.OK)
            socket.transport.disconnect()

    def messages(self, key: int) -> int:
        return int(self._sockets[key].listener.messages)

    def last_message_ns(self, key: int) -> int:
        return int(self._sockets[key].listener.last_message_ns)

    def seen(self, key: int, slot: int) -> bool:
        socket = self._sockets.get(key)
        return socket is not None and bool(socket.listener.saw(slot))

    # ---- what listeners call -----------------------------------------------------------------------------------------

    def connected(self, listener: Any, transport: WSTransport) -> None:
        watch = asyncio.get_running_loop().create_task(_tell_faults(transport))
        self._watches.add(watch)
        watch.add_done_callback(self._watches.discard)
        socket = self._sockets.get(listener.connection)
        if socket is None:  # let go of while the handshake was under way
            transport.disconnect(graceful=False)
        else:
            socket.transport = transport

    def disconnected(self, listener: Any, transport: WSTransport) -> None:
        key = listener.connection
        self._events.flush()  # the last read may have ended in a frame that broke the protocol
        socket = self._sockets.get(key)
        if socket is not None:
            self._lost(key, _disconnect(socket, transport))

    def declined(self, listener: Any, frame: bytes, received_ns: int) -> None:
        slots = self._events.frame(listener.connection, frame, received_ns)
        for slot in slots:
            listener.mark(slot)
        if slots:
            listener.count(received_ns)

    def other(self, listener: Any, transport: WSTransport, frame: WSFrame, received_ns: int) -> None:
        key = listener.connection
        socket = self._sockets.get(key)
        if socket is None:
            return
        if frame.msg_type == WSMsgType.PING:
            self._events.pinged(key, frame.get_payload_as_bytes())
        elif frame.msg_type == WSMsgType.PONG:
            self._events.ponged(key)
        elif frame.msg_type == WSMsgType.CLOSE:
            code: Any = frame.get_close_code()  # an IntEnum, whatever the stub says
            socket.close_code, socket.close_reason = int(code), frame.get_close_reason() or ""
            transport.send_close(code or WSCloseCode.OK)
            transport.disconnect()
        else:
            self._fragment(listener, socket, transport, frame, received_ns)

    def flush(self) -> None:
        self._events.flush()

    # ---- inside ------------------------------------------------------------------------------------------------------

    def _transport(self, key: int) -> WSTransport:
        transport = self._sockets[key].transport
        if transport is None:
            raise RuntimeError(f"socket {key} is not open")
        return transport

    def _fragment(self, listener: Any, socket: _Socket, transport: WSTransport, frame: WSFrame, received_ns: int) -> None:
        """A message in several frames, or a binary one."""
        socket.fragments += frame.get_payload_as_bytes()
        if len(socket.fragments) > LARGEST_MESSAGE_BYTES:
            transport.send_close(WSCloseCode.MESSAGE_TOO_BIG)
            transport.disconnect(graceful=False)
        elif frame.fin:
            message = bytes(socket.fragments)
            socket.fragments.clear()
            self.declined(listener, message, received_ns)

    def _lost(self, key: int, why: Disconnect) -> None:
        del self._sockets[key]
        self._events.lost(key, why)

    async def _connect(self, key: int, socket: _Socket, url: str) -> None:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await ws_connect(
                    lambda: socket.listener,
                    url,
                    ssl_context=self._tls if url.startswith("wss:") else None,
                    websocket_handshake_timeout=CONNECT_TIMEOUT_S,
                    enable_auto_ping=False,
                    enable_auto_pong=False,  # pongs count as our messages: the connection sends them within its budget
                    max_frame_size=LARGEST_MESSAGE_BYTES,
                    max_redirects=0,  # a redirect would be an attempt that no budget knows of
                )
        except WSHandshakeError as error:
            self._failed(key, self._refusal(error))
        except TimeoutError:
            self._failed(key, Disconnect(f"no connection within {CONNECT_TIMEOUT_S:g} s"))
        except (OSError, WSError) as error:
            self._failed(key, Disconnect(str(error) or type(error).__name__))
        else:
            if socket.transport is None:
                self._failed(key, Disconnect("closed during the handshake"))
            elif key in self._sockets:
                self._events.opened(key)

    def _failed(self, key: int, why: Disconnect) -> None:
        if key in self._sockets:
            self._lost(key, why)

    def _refusal(self, error: WSHandshakeError) -> Disconnect:
        if error.response is None:
            return Disconnect(str(error))
        status = int(error.response.status)
        retry_after_s = self._retry_after_s(error.response.headers.get("Retry-After"))
        return Disconnect(f"HTTP {status}", http_status=status, retry_after_s=retry_after_s)

    def _retry_after_s(self, value: str | None) -> float | None:
        """Seconds, or an HTTP date."""
        if value is None:
            return None
        if value.isdecimal():
            return float(value)
        try:
            return max(0.0, parsedate_to_datetime(value).timestamp() - self._clock.time_ns() / 1e9)
        except ValueError:
            return None


def _disconnect(socket: _Socket, transport: WSTransport) -> Disconnect:
    """Why a socket ended: the first close frame tells, and ours only where the exchange broke the protocol."""
    handshake = transport.close_handshake
    if handshake is not None and handshake.sent is not None and not handshake.recv_then_sent:
        return Disconnect(f"given up, for it broke the protocol: {handshake.sent.reason or handshake.sent.code.name}")
    return Disconnect(
        socket.close_reason or ("closed by the exchange" if socket.close_code else "connection lost"),
        close_code=socket.close_code,
    )


async def _tell_faults(transport: WSTransport) -> None:
    """A socket that ends because of what the exchange sent is told of as lost; a fault of ours is shown whole."""
    try:
        await transport.wait_disconnected()
    except WSProtocolError:
        pass
    except Exception:
        log.exception("a connection ended by a fault of this program")
