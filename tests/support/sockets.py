"""A transport under test: the ways there are to an exchange, and what is heard from them."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import trustme
from proxies import HOST, HttpProxy, Proxy, SocksProxy
from websockets.asyncio.server import ServerConnection, serve

from marketfeed.clock import SystemClock
from marketfeed.proxies import ProxyUrl
from marketfeed_shard.connection.ports import Disconnect
from marketfeed_shard.kernel.plain import PlainEngine
from marketfeed_shard.transport.picows import Picows
from marketfeed_shard.transport.proxy import ProxyReader
from marketfeed_shard.transport.socket import Library
from marketfeed_shard.transport.sockets import ShardSockets
from marketfeed_shard.transport.websockets import Websockets

Handler = Callable[[ServerConnection], Awaitable[None]]


class Heard:
    """What a transport tells, in its order."""

    def __init__(self) -> None:
        self.told: list[str] = []
        """Names of all that was told."""
        self.losses: list[Disconnect] = []
        self.frames: list[bytes] = []
        self.pings: list[bytes] = []
        self.broken = False
        """Whether a message runs into a fault of ours."""
        self.slots: list[int] = []
        """That each message is said to bring data of."""

    def attempting(self) -> None:
        self.told.append("attempting")

    def opened(self, key: int) -> None:
        self.told.append("opened")

    def lost(self, key: int, why: Disconnect) -> None:
        self.told.append("lost")
        self.losses.append(why)

    def pinged(self, key: int, payload: bytes) -> None:
        self.told.append("pinged")
        self.pings.append(payload)

    def ponged(self, key: int) -> None:
        self.told.append("ponged")

    def frame(self, key: int, frame: bytes, received_ns: int) -> list[int]:
        if self.broken:
            raise ZeroDivisionError("a fault of ours")
        self.told.append("frame")
        self.frames.append(frame)
        return self.slots

    def flush(self) -> None:
        self.told.append("flush")


@dataclass(frozen=True, slots=True)
class Way:
    """A library, with TLS or without, directly or through a proxy."""

    library: Literal["picows", "websockets"]
    tls: bool
    proxy: str | None

    def __str__(self) -> str:
        return "-".join((self.library, "tls" if self.tls else "plain", self.proxy or "direct"))


@dataclass
class Bed:
    """An exchange's place at the end of a way."""

    way: Way
    server_tls: ssl.SSLContext
    client_tls: ssl.SSLContext
    proxy: Proxy | None
    credentials: tuple[str, str] | None = None
    """Name and password for the proxy."""
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    def proxy_url(self) -> ProxyUrl | None:
        """Where the proxy is, if there is one."""
        if self.proxy is None or self.way.proxy is None:
            return None
        return ProxyUrl(self.way.proxy, "localhost", self.proxy.port, *(self.credentials or (None, None)))

    def sockets(
        self, heard: Heard, timeout_s: float = 10.0, compression: bool = False, proxy: ProxyReader | None = None
    ) -> ShardSockets:
        """With this way's library."""
        library: Library = Websockets(self.client_tls, compression=compression)
        if self.way.library == "picows":
            library = Picows(self.client_tls, timeout_s)
        made = ShardSockets(library, PlainEngine(()), heard, SystemClock(), proxy or self.proxy_url, timeout_s)
        for key in (1, 2):
            self.stack.callback(made.close, key)
        return made

    async def exchange(self, handler: Handler, **options: Any) -> str:
        """A WebSocket server until the end of the test; its address."""
        server = await self.stack.enter_async_context(serve(handler, HOST, 0, ssl=self._tls, **options))
        return self.url(server.sockets[0].getsockname()[1])

    async def server(self, handler: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]) -> str:
        """A server of bytes until the end of the test; its address."""
        server = await asyncio.start_server(handler, HOST, 0, ssl=self._tls)
        self.stack.callback(server.close)
        return self.url(server.sockets[0].getsockname()[1])

    @property
    def _tls(self) -> ssl.SSLContext | None:
        return self.server_tls if self.way.tls else None

    def url(self, port: int) -> str:
        """What the exchange has at a port."""
        return f"ws{'s' if self.way.tls else ''}://localhost:{port}/stream"


@asynccontextmanager
async def bed(way: Way, server_tls: ssl.SSLContext, ca: trustme.CA) -> AsyncIterator[Bed]:
    """A bed with its proxy."""
    client_tls = ssl.create_default_context()
    ca.configure_trust(client_tls)
    proxy = None if way.proxy is None else SocksProxy() if way.proxy.startswith("socks") else HttpProxy()
    made = Bed(way, server_tls, client_tls, proxy)
    async with made.stack:
        if proxy is not None:
            await made.stack.enter_async_context(proxy.serving(server_tls if way.proxy == "https" else None))
        yield made
