"""The transport for what the fast one lacks, compression and SOCKS proxies: the protocol of `websockets` on asyncio's streams.

The library's sans-I/O layer is used, not its `connect`: that answers pings by itself, follows redirects, and hands messages
over one task switch each.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from typing import cast

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake, InvalidStatus
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import Close, CloseCode, Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from marketfeed.proxies import ProxyUrl
from marketfeed_shard.transport import tunnel
from marketfeed_shard.transport.socket import LARGEST_MESSAGE_BYTES, ConnectError, RefusedError, Socket

log = logging.getLogger("marketfeed.shard")


class Websockets:
    """The library websockets."""

    def __init__(self, tls: ssl.SSLContext, *, compression: bool) -> None:
        """`tls`: for wss and https. `compression`: offer permessage-deflate (RFC 7692)."""
        self._tls = tls
        self._compression = compression

    async def connect(self, socket: Socket, url: str, proxy: ProxyUrl | None) -> None:
        """See `Library`."""
        uri = parse_uri(url)
        extensions = [ClientPerMessageDeflateFactory(client_max_window_bits=True)] if self._compression else None
        protocol = _Pongless(uri, extensions=extensions, max_size=LARGEST_MESSAGE_BYTES)
        place = tunnel.Place(uri.host, uri.port, self._tls if uri.secure else None)
        connection = await tunnel.connect(lambda: _Connection(socket, protocol), place, proxy, self._tls)
        try:
            await connection.answered
        except InvalidStatus as error:
            headers = error.response.headers
            raise RefusedError(error.response.status_code, headers.get("Retry-After")) from error
        except InvalidHandshake as error:
            raise ConnectError(str(error)) from error
        finally:
            if socket.link is None:
                connection.abort()


class _Pongless(ClientProtocol):
    """Answers no ping: pongs count as our messages, the connection sends them within its budget."""

    def recv_frame(self, frame: Frame) -> None:
        if frame.opcode is Opcode.PING:
            self.events.append(frame)
        else:
            super().recv_frame(frame)


class _Connection(asyncio.Protocol):
    """A socket's bytes to frames, and back: the `Link` of its socket."""

    def __init__(self, socket: Socket, protocol: ClientProtocol) -> None:
        self.answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """The handshake is over."""
        self._socket = socket
        self._protocol = protocol
        self._transport: asyncio.Transport

    # ---- asyncio.Protocol --------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._protocol.send_request(self._protocol.connect())
        self._write()

    def data_received(self, data: bytes) -> None:
        try:
            self._read(data)
        except Exception:
            log.exception("a connection ended by a fault of this program")
            self._transport.abort()

    def eof_received(self) -> None:
        if not self.answered.done():
            self._protocol.receive_eof()  # ends the body of a refusal that tells no length
            self._refused()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.answered.done():
            self.answered.set_result(None)
        elif self._socket.link is not None:
            sent, received_first = self._protocol.close_sent, self._protocol.close_rcvd_then_sent
            self._socket.ended(None if sent is None or received_first else sent.reason or CloseCode(sent.code).name)

    # ---- Link --------------------------------------------------------------------------------------------------------

    def send(self, text: str) -> None:
        if self._protocol.state is State.OPEN:
            self._protocol.send_text(text.encode())
            self._write()

    def ping(self, payload: bytes) -> None:
        if self._protocol.state is State.OPEN:
            self._protocol.send_ping(payload)
            self._write()

    def pong(self, payload: bytes) -> None:
        if self._protocol.state is State.OPEN:
            self._protocol.send_pong(payload)
            self._write()

    def leave(self) -> None:
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(CloseCode.NORMAL_CLOSURE)
            self._write()
        self._transport.close()

    def abort(self) -> None:
        self._transport.abort()

    # ---- inside ------------------------------------------------------------------------------------------------------

    def _write(self) -> None:
        data = self._protocol.data_to_send()
        if data and not self._transport.is_closing():
            self._transport.write(b"".join(data))

    def _read(self, data: bytes) -> None:
        received_ns = time.time_ns()
        self._protocol.receive_data(data)
        self._write()  # the answer to a close frame
        if not self.answered.done():
            self._handshake()
        if self._socket.link is not None:
            self._hand_on(received_ns)
            if self._protocol.close_expected():
                self._transport.close()

    def _handshake(self) -> None:
        if self._protocol.state is not State.CONNECTING:
            self.answered.set_result(None)
            self._socket.opened(self)
        else:
            self._refused()

    def _refused(self) -> None:
        fault = self._protocol.handshake_exc
        if fault is not None and not isinstance(fault.__cause__, EOFError):
            self.answered.set_exception(fault)

    def _hand_on(self, received_ns: int) -> None:
        """All that a socket read brought."""
        self._socket.reader.begin(received_ns)
        for event in self._protocol.events_received():
            if isinstance(event, Frame):  # else the answer to the handshake
                self._frame(event, received_ns)
        self._socket.read()

    def _frame(self, frame: Frame, received_ns: int) -> None:
        socket, opcode = self._socket, frame.opcode
        if opcode is Opcode.TEXT and frame.fin:
            self._message(bytes(frame.data), received_ns)
        elif opcode is Opcode.PING:
            socket.pinged(bytes(frame.data))
        elif opcode is Opcode.PONG:
            socket.ponged()
        elif opcode is Opcode.CLOSE:
            close = Close.parse(bytes(frame.data))
            socket.farewell(None if close.code == CloseCode.NO_STATUS_RCVD else close.code, close.reason)
        elif (message := socket.part(bytes(frame.data), frame.fin)) is not None:
            socket.declined(message, received_ns)

    def _message(self, message: bytes, received_ns: int) -> None:
        if not self._socket.reader.feed(message):
            self._socket.declined(message, received_ns)
