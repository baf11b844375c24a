"""The sockets of a shard, whatever library moves their frames."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from python_socks import ProxyError

from marketfeed.clock import Clock
from marketfeed.proxies import ProxyAddressError
from marketfeed_shard.connection.ports import Disconnect
from marketfeed_shard.kernel.plain import Engine
from marketfeed_shard.secrets import SecretError
from marketfeed_shard.transport import retry_after
from marketfeed_shard.transport.events import Events
from marketfeed_shard.transport.proxy import ProxyReader
from marketfeed_shard.transport.reader import factory
from marketfeed_shard.transport.socket import CONNECT_TIMEOUT_S, ConnectError, Library, Link, RefusedError, Socket

log = logging.getLogger("marketfeed.shard")


class ShardSockets:
    """Opens sockets, sends on them, and hands on what they deliver. It is the `Sockets` of the connection manager."""

    def __init__(
        self,
        library: Library,
        engine: Engine,
        events: Events,
        clock: Clock,
        proxy: ProxyReader,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
    ) -> None:
        self._library = library
        self._events = events
        self._clock = clock
        self._proxy = proxy
        self._connect_timeout_s = connect_timeout_s
        self._reader = factory(engine)
        self._slots = 0
        self._sockets: dict[int, Socket] = {}
        self._attempts: dict[int, asyncio.Task[None]] = {}

    def grow(self, slots: int) -> None:
        """There are so many streams now: to be called before the first frame of a new one."""
        self._slots = slots
        for socket in self._sockets.values():
            socket.reader.grow(slots)

    # ---- Sockets -----------------------------------------------------------------------------------------------------

    def open(self, key: int, url: str) -> None:
        self._events.attempting()
        socket = self._sockets[key] = Socket(key, self._reader(key, self._slots), self._events, self._lost)
        attempt = asyncio.get_running_loop().create_task(self._connect(socket, url), name=f"connect {key}")
        self._attempts[key] = attempt
        attempt.add_done_callback(lambda _: self._attempts.pop(key))

    def send(self, key: int, text: str) -> None:
        self._link(key).send(text)

    def ping(self, key: int, payload: bytes) -> None:
        self._link(key).ping(payload)

    def pong(self, key: int, payload: bytes) -> None:
        self._link(key).pong(payload)

    def close(self, key: int) -> None:
        socket = self._sockets.pop(key, None)
        if socket is None:
            return
        socket.let_go = True
        if socket.link is not None:
            socket.link.leave()
        elif key in self._attempts:
            self._attempts[key].cancel()

    def messages(self, key: int) -> int:
        return self._sockets[key].reader.messages

    def last_message_ns(self, key: int) -> int:
        return self._sockets[key].reader.last_message_ns

    def seen(self, key: int, slot: int) -> bool:
        socket = self._sockets.get(key)
        return socket is not None and socket.reader.saw(slot)

    def fresh(self, key: int) -> Iterable[int]:
        return self._sockets[key].reader.fresh()

    # ---- inside ------------------------------------------------------------------------------------------------------

    def _link(self, key: int) -> Link:
        link = self._sockets[key].link
        if link is None:
            raise RuntimeError(f"socket {key} is not open")
        return link

    def _lost(self, socket: Socket, why: Disconnect) -> None:
        del self._sockets[socket.key]
        socket.let_go = True
        self._events.lost(socket.key, why)

    async def _connect(self, socket: Socket, url: str) -> None:
        why = await self._attempt(socket, url)
        if socket.link is None and not socket.let_go:
            self._lost(socket, why or Disconnect("closed during the handshake"))

    async def _attempt(self, socket: Socket, url: str) -> Disconnect | None:
        """Why there is no connection, or null."""
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                await self._library.connect(socket, url, self._proxy())
        except RefusedError as error:
            retry_after_s = retry_after.seconds(error.retry_after, self._clock.time_ns())
            return Disconnect(str(error), http_status=error.status, retry_after_s=retry_after_s)
        except TimeoutError:
            return Disconnect(f"no connection within {self._connect_timeout_s:g} s")
        except ProxyError as error:
            return Disconnect(f"proxy: {error}")
        except (ConnectError, ProxyAddressError, SecretError, OSError) as error:
            return Disconnect(str(error) or type(error).__name__)
        except Exception:
            log.exception("a connection could not be made by a fault of this program")
            return Disconnect("a fault of this program")
        return None
