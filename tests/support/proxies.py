"""Proxies of a test's own, on the loopback: what they were asked for, and whether they let it through."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

HOST = "127.0.0.1"

Speak = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Proxy:
    """What both kinds have."""

    def __init__(self, credentials: str | None = None) -> None:
        """`credentials`: user:password that it wants, or None."""
        self.credentials = credentials
        self.asked: list[str] = []
        """host:port of each connection that was asked for, with the right credentials."""
        self.refuses_with: int | None = None
        """The status, or reply code, that it refuses with."""
        self.port = 0

    @asynccontextmanager
    async def serving(self, tls: ssl.SSLContext | None = None) -> AsyncIterator[None]:
        """Until the end of the block; then every connection through it is cut."""
        running: set[asyncio.Task[None]] = set()

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            running.add(task)
            try:
                await self.speak(reader, writer)
            except (OSError, EOFError, asyncio.CancelledError):
                pass  # the client, or what it asked for, is gone, or the test is over
            finally:
                writer.transport.abort()
                running.discard(task)

        server = await asyncio.start_server(handle, HOST, 0, ssl=tls)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.close()
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def speak(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client."""
        raise NotImplementedError

    async def join(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: str, answer: bytes, begin: bytes
    ) -> None:
        """Connect a client to what it asked for: `answer` to it, `begin` to the other side, then all bytes both ways."""
        self.asked.append(target)
        host, _, port = target.rpartition(":")
        other_reader, other_writer = await asyncio.open_connection(host, int(port))
        try:
            for byte in answer:  # a stream has no pieces that one could rely on
                writer.write(bytes((byte,)))
                await asyncio.sleep(0)
            other_writer.write(begin)
            ways = {asyncio.ensure_future(_copy(reader, other_writer)), asyncio.ensure_future(_copy(other_reader, writer))}
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
        finally:
            other_writer.transport.abort()


class HttpProxy(Proxy):
    """CONNECT for what is tunnelled (RFC 9110, 9.3.6), whole URLs for plain HTTP."""

    async def speak(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, target, _ = head.split("\r\n", 1)[0].split(" ")
        if not self._knows(head):
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        elif self.refuses_with is not None:
            writer.write(f"HTTP/1.1 {self.refuses_with} No\r\nContent-Length: 0\r\n\r\n".encode())
        elif method == "CONNECT":
            await self.join(reader, writer, target, b"HTTP/1.1 200 Connection established\r\nVia: 1.1 a-test\r\n\r\n", b"")
        else:
            parts = urlsplit(target)
            begin = head.replace(target, f"{parts.path}?{parts.query}" if parts.query else parts.path, 1)
            await self.join(reader, writer, parts.netloc, b"", begin.encode())
        await writer.drain()

    def _knows(self, head: str) -> bool:
        if self.credentials is None:
            return True
        wanted = base64.b64encode(self.credentials.encode()).decode()
        return f"\r\nproxy-authorization: basic {wanted}\r\n".lower() in head.lower()


class SocksProxy(Proxy):
    """SOCKS 5 (RFC 1928) with user and password (RFC 1929)."""

    async def speak(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, methods = await reader.readexactly(2)
        await reader.readexactly(methods)
        writer.write(bytes((5, 0 if self.credentials is None else 2)))
        if self.credentials is not None and not await self._knows(reader, writer):
            await writer.drain()
            return
        *_, kind = await reader.readexactly(4)
        if kind == 1:
            host = ".".join(map(str, await reader.readexactly(4)))
        else:
            host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
        port = int.from_bytes(await reader.readexactly(2), "big")
        if self.refuses_with is not None:
            writer.write(bytes((5, self.refuses_with, 0, 1, 0, 0, 0, 0, 0, 0)))
            await writer.drain()
            return
        await self.join(reader, writer, f"{host}:{port}", bytes((5, 0, 0, 1, 0, 0, 0, 0, 0, 0)), b"")

    async def _knows(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        _, length = await reader.readexactly(2)
        user = await reader.readexactly(length)
        password = await reader.readexactly((await reader.readexactly(1))[0])
        known = f"{user.decode()}:{password.decode()}" == self.credentials
        writer.write(bytes((1, 0 if known else 1)))
        return known


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
