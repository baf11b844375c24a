"""A connection to Redis: found, secured, signed in; then bytes out and bytes in, without a layer between."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from redis.asyncio.connection import SSLConnection, parse_url

from marketfeed.resource import Redis
from marketfeed_shard.secrets import SecretError, Secrets

CONNECT_S = 5.0
"""How long an attempt may take, from the name's resolution to the answer of the sign-in."""
WRITE_BUFFER_BYTES = 256 * 1024
"""What may wait in the socket's own buffer before ours takes over."""
FORM = "redis://[user:password@]host[:port][/database], or rediss:// for TLS"


class RedisError(Exception):
    """Redis cannot be used as it was asked; the message is for the user, without a password."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where and as whom to connect."""

    host: str
    port: int
    database: int = 0
    username: str = ""
    password: str = field(default="", repr=False)
    tls: ssl.SSLContext | None = None

    def shown(self, text: str) -> str:
        """A text in which the password does not stand."""
        return text.replace(self.password, "***") if self.password else text


def target(spec: Redis, secrets: Secrets) -> Target:
    """Where the manifest's publisher is, with its Secrets as they are now. Raises `RedisError` and `SecretError`."""
    url = secrets.text(spec.url_from) if spec.url_from is not None else spec.url
    if url is None:
        raise RedisError("neither url nor urlFrom is given")
    try:
        parts: dict[str, Any] = dict(parse_url(url))
    except ValueError:  # its text may hold a part of the password
        raise RedisError(f"the URL is none of the form {FORM}") from None
    secure = parts.pop("connection_class", None) is SSLConnection
    host, port, database = parts.pop("host", "localhost"), parts.pop("port", 6379), parts.pop("db", 0)
    username, password = parts.pop("username", None), parts.pop("password", None)
    if parts:
        raise RedisError(f"the URL has what is not understood: {', '.join(sorted(parts))}; its form is {FORM}")
    if spec.password_from is not None:
        password = secrets.text(spec.password_from)
    tls = _context(spec, secrets) if secure or spec.tls is not None else None
    return Target(str(host), int(port), int(database), spec.username or username or "", password or "", tls)


def _context(spec: Redis, secrets: Secrets) -> ssl.SSLContext:
    tls = spec.tls
    ca = secrets.text(tls.ca_from) if tls is not None and tls.ca_from is not None else None
    try:
        context = ssl.create_default_context(cadata=ca)
    except (ssl.SSLError, ValueError):
        raise RedisError("tls.caFrom holds no PEM certificate") from None
    if tls is not None and tls.cert_from is not None:
        key = secrets.path(tls.key_from) if tls.key_from is not None else None
        try:
            context.load_cert_chain(secrets.path(tls.cert_from), key)
        except (ssl.SSLError, OSError):
            raise RedisError("tls.certFrom and tls.keyFrom hold no PEM certificate with its key") from None
    return context


class RedisConnection(asyncio.Protocol):
    """One connection after its sign-in. It ends by itself or by `abort`; `lost` tells."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.lost: asyncio.Future[Exception | None] = loop.create_future()
        """Set when the connection is gone, to the reason if there is one."""
        self.on_data: Callable[[bytes], None] = self._on_line
        """Called for what arrives after the sign-in."""
        self.on_resume: Callable[[], None] | None = None
        """Called when the socket takes more again."""
        self.paused = False
        """Whether nothing more may be written: the socket's own buffer is full, or the connection is ending."""
        self.transport: asyncio.Transport
        self._line = b""
        self._reply: asyncio.Future[bytes] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's are none by inheritance
        connected = self.transport.get_extra_info("socket")
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self.transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)

    def data_received(self, data: bytes) -> None:
        self.on_data(data)

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = self.transport.is_closing()
        if self.on_resume is not None:
            self.on_resume()

    def eof_received(self) -> None:
        self.paused = True

    def connection_lost(self, exc: Exception | None) -> None:
        self.paused = True
        if self._reply is not None and not self._reply.done():
            self._reply.set_exception(exc or ConnectionResetError("the server closed the connection"))
        if not self.lost.done():
            self.lost.set_result(exc)

    def abort(self) -> None:
        """Let go at once of what was not sent."""
        self.paused = True
        self.transport.abort()

    async def sign_in(self, where: Target) -> None:
        """As the user, on the database. Raises `RedisError` when refused, `OSError` when the connection breaks."""
        if where.password:
            user = [where.username] if where.username else []
            await self._ask(where, "AUTH", *user, where.password)
        if where.database:
            await self._ask(where, "SELECT", str(where.database))
        await self._ask(where, "PING")

    async def _ask(self, where: Target, *words: str) -> None:
        if self.lost.done():
            raise self.lost.result() or ConnectionResetError("the server closed the connection")
        self._reply = asyncio.get_running_loop().create_future()
        encoded = [word.encode() for word in words]
        self.transport.write(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in encoded))
        reply = (await self._reply).decode(errors="replace")
        # A user may lack PING, and a server that is loading its data takes PUBLISH all the same.
        if reply.startswith("-") and not (words[0] == "PING" and reply.startswith(("-NOPERM", "-LOADING", "-MASTERDOWN"))):
            raise RedisError(where.shown(reply[1:]))

    def _on_line(self, data: bytes) -> None:
        line, ended, self._line = (self._line + data).partition(b"\r\n")
        if not ended:
            self._line = line
        elif self._reply is not None and not self._reply.done():
            self._reply.set_result(line)


async def connect(where: Target) -> RedisConnection:
    """A connection that is signed in. Raises `RedisError`, `OSError`, `TimeoutError`."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(CONNECT_S):
        server_name = where.host if where.tls is not None else None
        _, connection = await loop.create_connection(
            RedisConnection, where.host, where.port, ssl=where.tls, server_hostname=server_name
        )
        try:
            await connection.sign_in(where)
        except BaseException:
            connection.abort()
            raise
    return connection


def told(error: BaseException, where: Target | None) -> str:
    """An error of `target` or `connect` as one line for the user."""
    if isinstance(error, TimeoutError):
        text = f"no answer within {CONNECT_S:g} s"
    elif isinstance(error, ssl.SSLCertVerificationError):
        text = f"certificate refused: {error.verify_message}"
    elif isinstance(error, RedisError | SecretError):
        text = str(error)
    elif isinstance(error, OSError) and error.strerror:
        text = error.strerror
    else:
        text = str(error) or type(error).__name__
    if where is None:
        return text
    return where.shown(f"{where.host}:{where.port}: {text}")
