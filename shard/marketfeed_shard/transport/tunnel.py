"""A byte stream to a host, directly or through a proxy, with TLS or without."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar, cast

from python_socks import ProxyError, ProxyType
from python_socks.async_.asyncio import Proxy

from marketfeed_shard.transport.proxy import ProxyUrl

_LARGEST_ANSWER_BYTES: Final = 64 * 1024

_P = TypeVar("_P", bound=asyncio.Protocol)


@dataclass(frozen=True, slots=True)
class Place:
    """Where to connect to."""

    host: str
    port: int
    tls: ssl.SSLContext | None


async def connect(make: Callable[[], _P], place: Place, proxy: ProxyUrl | None, proxy_tls: ssl.SSLContext) -> _P:
    """A protocol on a stream to a place. Raises `OSError`, and what python-socks raises where the proxy is why."""
    loop = asyncio.get_running_loop()
    if proxy is not None and not proxy.socks:
        return await _start(make(), await _http_tunnel(place, proxy, proxy_tls), place)
    if proxy is None:
        _, protocol = await loop.create_connection(make, place.host, place.port, ssl=place.tls)
        return protocol
    by_name = proxy.scheme == "socks5h"  # the proxy looks the name up
    socks = Proxy(ProxyType.SOCKS5, proxy.host, proxy.port, proxy.username, proxy.password, rdns=by_name)
    sock = await socks.connect(place.host, place.port)
    name = None if place.tls is None else place.host
    _, protocol = await loop.create_connection(make, sock=sock, ssl=place.tls, server_hostname=name)
    return protocol


async def _http_tunnel(place: Place, proxy: ProxyUrl, proxy_tls: ssl.SSLContext) -> asyncio.Transport:
    """Ask an HTTP proxy for a connection to a place (RFC 9110, 9.3.6)."""
    tls = proxy_tls if proxy.scheme == "https" else None
    loop = asyncio.get_running_loop()
    transport, asking = await loop.create_connection(lambda: _Connect(place, proxy), proxy.host, proxy.port, ssl=tls)
    try:
        await asking.answered
    except BaseException:
        transport.abort()
        raise
    return transport


async def _start(protocol: _P, transport: asyncio.Transport, place: Place) -> _P:
    """Hand a stream over to a protocol, after the handshake of TLS."""
    if transport.is_closing():
        raise ConnectionResetError("closed by the proxy")
    if place.tls is None:
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        return protocol
    loop = asyncio.get_running_loop()
    try:
        secured = await loop.start_tls(transport, protocol, place.tls, server_hostname=place.host)
    except BaseException:
        transport.abort()
        raise
    if secured is None:
        raise ConnectionResetError("closed by the proxy")
    protocol.connection_made(secured)
    return protocol


class _Connect(asyncio.Protocol):
    """CONNECT, and the proxy's answer to it."""

    def __init__(self, place: Place, proxy: ProxyUrl) -> None:
        self.answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._place = place
        self._proxy = proxy
        self._answer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        host = self._place.host
        authority = f"[{host}]:{self._place.port}" if ":" in host else f"{host}:{self._place.port}"
        request = f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n"
        if self._proxy.username is not None:
            credentials = base64.b64encode(f"{self._proxy.username}:{self._proxy.password}".encode()).decode()
            request += f"Proxy-Authorization: Basic {credentials}\r\n"
        cast("asyncio.Transport", transport).write(request.encode() + b"\r\n")

    def data_received(self, data: bytes) -> None:
        self._answer += data
        if self.answered.done():
            return
        if b"\r\n\r\n" in self._answer:
            self._judge(bytes(self._answer.split(b"\r\n", 1)[0]))
        elif len(self._answer) > _LARGEST_ANSWER_BYTES:
            self.answered.set_exception(ProxyError("its answer is too large"))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.answered.done():
            self.answered.set_exception(exc or ProxyError("it closed the connection instead of an answer"))

    def _judge(self, line: bytes) -> None:
        version, _, rest = line.partition(b" ")
        status = rest[:3]
        if not version.startswith(b"HTTP/1.") or not status.isdigit():
            self.answered.set_exception(ProxyError("its answer is no HTTP"))
        elif int(status) // 100 != 2:
            self.answered.set_exception(ProxyError(f"it refused with status {int(status)}"))
        else:
            self.answered.set_result(None)
