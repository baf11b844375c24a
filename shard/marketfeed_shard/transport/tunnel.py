"""A byte stream to a host, directly or through a proxy, with TLS or without."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar, cast

from python_socks import ProxyError, ProxyType
from python_socks.async_.asyncio import Proxy

from marketfeed.proxies import ProxyUrl

_LARGEST_ANSWER_BYTES: Final = 64 * 1024

_P = TypeVar("_P", bound=asyncio.Protocol)


@dataclass(frozen=True, slots=True)
class Place:
    """Where to connect to."""

    host: str
    port: int
    tls: ssl.SSLContext | None

    @property
    def authority(self) -> str:
        """As HTTP writes it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


async def connect(make: Callable[[], _P], place: Place, proxy: ProxyUrl | None, proxy_tls: ssl.SSLContext) -> _P:
    """A protocol on a stream to a place. Raises `OSError`, and what python-socks raises where the proxy is why."""
    if proxy is None:
        _, protocol = await asyncio.get_running_loop().create_connection(make, place.host, place.port, ssl=place.tls)
        return protocol
    if proxy.socks:
        return await _through_socks(make, place, proxy)
    return await _through_http(make, place, proxy, proxy_tls if proxy.scheme == "https" else None)


async def _through_socks(make: Callable[[], _P], place: Place, proxy: ProxyUrl) -> _P:
    credentials = (proxy.username, proxy.password)
    socks = Proxy(ProxyType.SOCKS5, proxy.host, proxy.port, *credentials, rdns=proxy.looks_up_names)
    sock = await socks.connect(place.host, place.port)
    name = None if place.tls is None else place.host
    loop = asyncio.get_running_loop()
    _, protocol = await loop.create_connection(make, sock=sock, ssl=place.tls, server_hostname=name)
    return protocol


async def _through_http(make: Callable[[], _P], place: Place, proxy: ProxyUrl, proxy_tls: ssl.SSLContext | None) -> _P:
    """By CONNECT (RFC 9110, 9.3.6). python-socks has it, too, but takes an answer that comes in pieces for a whole one."""
    loop = asyncio.get_running_loop()
    transport, asking = await loop.create_connection(lambda: _Connect(place, proxy), proxy.host, proxy.port, ssl=proxy_tls)
    try:
        await asking.answered
        return await _start(make(), transport, place)
    except BaseException:
        transport.abort()
        raise


async def _start(protocol: _P, transport: asyncio.Transport, place: Place) -> _P:
    """Hand a stream over to a protocol, after the handshake of TLS."""
    established: asyncio.Transport | None = transport
    if place.tls is None:
        transport.set_protocol(protocol)
    else:
        loop = asyncio.get_running_loop()
        established = await loop.start_tls(transport, protocol, place.tls, server_hostname=place.host)
    if established is None or established.is_closing():
        raise ConnectionResetError("closed by the proxy")
    protocol.connection_made(established)
    return protocol


class _Connect(asyncio.Protocol):
    """CONNECT, and the proxy's answer to it."""

    def __init__(self, place: Place, proxy: ProxyUrl) -> None:
        self.answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._place = place
        self._proxy = proxy
        self._answer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        lines = [f"CONNECT {self._place.authority} HTTP/1.1", f"Host: {self._place.authority}"]
        if self._proxy.authorization is not None:
            lines.append(f"Proxy-Authorization: {self._proxy.authorization}")
        cast("asyncio.Transport", transport).write("\r\n".join((*lines, "", "")).encode())

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
            self.answered.set_exception(exc or ProxyError("it closed the connection"))

    def _judge(self, line: bytes) -> None:
        version, _, rest = line.partition(b" ")
        status = rest[:3]
        if not version.startswith(b"HTTP/1.") or not status.isdigit():
            self.answered.set_exception(ProxyError("its answer is no HTTP"))
        elif not 200 <= int(status) < 300:
            self.answered.set_exception(ProxyError(f"it refused with status {int(status)}"))
        else:
            self.answered.set_result(None)
