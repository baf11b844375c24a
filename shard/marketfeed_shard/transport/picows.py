"""The fast transport: WebSocket sockets by picows, whose frames go straight to the compiled engine."""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from functools import partial
from typing import Any, Protocol

from picows import (
    WSCloseCode,
    WSError,
    WSFrame,
    WSHandshakeError,
    WSListener,
    WSMsgType,
    WSProtocolError,
    WSTransport,
    ws_connect,
)

from marketfeed.proxies import ProxyUrl
from marketfeed_shard import compiled
from marketfeed_shard.transport.hangups import Hangups
from marketfeed_shard.transport.reader import PlainReader
from marketfeed_shard.transport.socket import CONNECT_TIMEOUT_S, LARGEST_MESSAGE_BYTES, ConnectError, RefusedError, Socket

log = logging.getLogger("marketfeed.shard")


class Picows:
    """The library picows."""

    def __init__(self, tls: ssl.SSLContext, handshake_timeout_s: float = CONNECT_TIMEOUT_S) -> None:
        """`tls`: for wss and https."""
        self._tls = tls
        self._handshake_timeout_s = handshake_timeout_s
        self._watches: set[asyncio.Task[None]] = set()
        self._hangups = Hangups()

    async def connect(self, socket: Socket, url: str, proxy: ProxyUrl | None) -> None:
        """See `Library`."""
        sink = _Sink(socket)
        try:
            transport, _ = await ws_connect(
                lambda: _listener(sink),
                url,
                ssl_context=self._tls if url.startswith("wss:") else None,
                proxy=None if proxy is None else proxy.with_credentials(),
                proxy_ssl_context=self._tls if proxy is not None and proxy.scheme == "https" else None,
                websocket_handshake_timeout=self._handshake_timeout_s,  # what is cancelled meanwhile lives until then
                enable_auto_ping=False,
                enable_auto_pong=False,  # pongs count as our messages: the connection sends them within its budget
                max_frame_size=LARGEST_MESSAGE_BYTES,
                max_redirects=0,  # a redirect would be an attempt that no budget knows of
            )
        except WSHandshakeError as error:
            if error.response is None:
                raise ConnectError(str(error)) from error
            raise RefusedError(int(error.response.status), error.response.headers.get("Retry-After")) from error
        except WSError as error:
            raise ConnectError(str(error)) from error
        watch = asyncio.get_running_loop().create_task(self._watch(transport))
        self._watches.add(watch)
        watch.add_done_callback(self._watches.discard)

    async def _watch(self, transport: WSTransport) -> None:
        descriptor = transport.underlying_transport.get_extra_info("socket").fileno()
        abort = partial(transport.disconnect, graceful=False)
        if descriptor >= 0:
            self._hangups.watch(descriptor, abort)
        try:
            await _tell_faults(transport)
        finally:
            self._hangups.forget(descriptor, abort)


class Sink(Protocol):
    """What a listener calls."""

    def connected(self, transport: WSTransport) -> None: ...

    def disconnected(self, transport: WSTransport) -> None: ...

    def declined(self, message: bytes, received_ns: int) -> None: ...

    def other(self, frame: WSFrame, received_ns: int) -> None: ...

    def flush(self) -> None: ...


class PlainListener(WSListener):
    """What picows calls for each frame: the plain twin of the compiled listener."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._received_ns = 0

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._sink.connected(transport)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._sink.disconnected(transport)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if not self._received_ns:
            self._received_ns = time.time_ns()
        if frame.msg_type == WSMsgType.TEXT and frame.fin:
            self._sink.declined(frame.get_payload_as_bytes(), self._received_ns)
        else:
            self._sink.other(frame, self._received_ns)
        if frame.last_in_buffer:
            self._received_ns = 0
            self._sink.flush()


def _listener(sink: _Sink) -> WSListener:
    module = None if isinstance(sink.socket.reader, PlainReader) else compiled.module("kernel._listener")
    if module is None:
        return PlainListener(sink)
    listener: WSListener = module.Listener(sink.socket.reader, sink)
    return listener


class _Sink:
    """What a listener calls, in the words of a socket."""

    def __init__(self, socket: Socket) -> None:
        self.socket = socket
        self._transport: Any = None

    def connected(self, transport: WSTransport) -> None:
        self._transport = transport
        self.socket.opened(_Link(transport))

    def disconnected(self, transport: WSTransport) -> None:
        ours = transport.close_handshake
        if ours is None or ours.sent is None or ours.recv_then_sent:
            self.socket.ended()
        else:  # nobody but picows sends the first close frame of a socket that is not let go of: for what it could not read
            self.socket.ended(broken=ours.sent.reason or ours.sent.code.name)

    def declined(self, message: bytes, received_ns: int) -> None:
        self.socket.declined(message, received_ns)

    def other(self, frame: WSFrame, received_ns: int) -> None:
        if frame.msg_type == WSMsgType.PING:
            self.socket.pinged(frame.get_payload_as_bytes())
        elif frame.msg_type == WSMsgType.PONG:
            self.socket.ponged()
        elif frame.msg_type == WSMsgType.CLOSE:
            self._farewell(frame)
        else:
            self._part(frame, received_ns)

    def flush(self) -> None:
        self.socket.read()

    def _farewell(self, frame: WSFrame) -> None:
        code: Any = frame.get_close_code()  # an IntEnum, whatever the stub says
        self.socket.farewell(int(code) or None, frame.get_close_reason() or "")
        self._transport.send_close(code or WSCloseCode.OK)
        self._transport.disconnect()

    def _part(self, frame: WSFrame, received_ns: int) -> None:
        """Of a message in several frames, or a binary one."""
        try:
            message = self.socket.part(frame.get_payload_as_bytes(), frame.fin)
        except ValueError as error:
            self._transport.send_close(WSCloseCode.MESSAGE_TOO_BIG, str(error).encode())
            self._transport.disconnect(graceful=False)
        else:
            if message is not None:
                self.socket.declined(message, received_ns)


class _Link:
    """A socket that is open."""

    def __init__(self, transport: WSTransport) -> None:
        self._transport = transport

    def send(self, text: str) -> None:
        self._transport.send(WSMsgType.TEXT, text.encode())

    def ping(self, payload: bytes) -> None:
        self._transport.send_ping(payload)

    def pong(self, payload: bytes) -> None:
        self._transport.send_pong(payload)

    def leave(self) -> None:
        if not self._transport.is_close_frame_sent:
            self._transport.send_close(WSCloseCode.OK)
        self._transport.disconnect()

    def abort(self) -> None:
        self._transport.disconnect(graceful=False)


async def _tell_faults(transport: WSTransport) -> None:
    """A socket that ends because of what the exchange sent is told of as lost; a fault of ours is shown whole."""
    try:
        await transport.wait_disconnected()
    except WSProtocolError:
        pass
    except Exception:
        log.exception("a connection ended by a fault of this program")
