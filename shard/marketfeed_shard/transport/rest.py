"""REST calls to an exchange, by aiohttp."""

from __future__ import annotations

import asyncio
import logging
import ssl
from http import HTTPStatus
from typing import Final

from aiohttp import (
    ClientError,
    ClientHttpProxyError,
    ClientProxyConnectionError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    TCPConnector,
)
from aiohttp_socks import ProxyConnectionError, ProxyConnector, ProxyError, ProxyType

from marketfeed.clock import Clock
from marketfeed.exchanges.exchange import Call
from marketfeed.proxies import ProxyAddressError, ProxyUrl
from marketfeed_shard.recovery.ports import Answer, RestEvents
from marketfeed_shard.secrets import SecretError
from marketfeed_shard.transport import retry_after
from marketfeed_shard.transport.proxy import ProxyReader

log = logging.getLogger("marketfeed.shard")

MOST_CONNECTIONS: Final = 8
"""Calls that are under way at the same time; more wait for their turn."""
TIMEOUT_S: Final = 20.0
"""From the call to the end of its answer: the largest, lists of instruments, take a few seconds."""
LARGEST_ANSWER_BYTES: Final = 16 * 2**20
"""After decompression."""
_CHUNK_BYTES: Final = 64 * 1024


class RestClient:
    """It is the `Rest` of recovery. Needs a running event loop from the first call on."""

    def __init__(
        self,
        base: str,
        events: RestEvents,
        clock: Clock,
        tls: ssl.SSLContext,
        proxy: ProxyReader,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        """`base`: the address before each call's path. `tls`: for https, of the exchange and of the proxy."""
        self._base = base.rstrip("/")
        self._events = events
        self._clock = clock
        self._tls = tls
        self._proxy = proxy
        self._session: tuple[ProxyUrl | None, ClientSession] | None = None
        self._timeout_s = timeout_s
        self._calls: dict[int, asyncio.Task[None]] = {}

    def get(self, number: int, call: Call) -> None:
        task = asyncio.get_running_loop().create_task(self._get(number, call), name=f"REST call {number}")
        self._calls[number] = task
        task.add_done_callback(lambda _: self._calls.pop(number))

    def cancel(self, number: int) -> None:
        if number in self._calls:
            self._calls[number].cancel()

    async def close(self) -> None:
        """Let go of all calls and connections."""
        calls = list(self._calls.values())
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        if self._session is not None:
            await self._session[1].close()
            self._session = None

    async def _get(self, number: int, call: Call) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await self._answer(self._base + call.path)
        except TimeoutError:
            self._events.failed(number, f"no answer within {self._timeout_s:g} s")
        except (ProxyError, ProxyConnectionError, ClientHttpProxyError, ClientProxyConnectionError) as error:
            self._events.failed(number, f"proxy: {error}")
        except EOFError:
            self._events.failed(number, "proxy: it closed the connection")
        except (ClientError, ProxyAddressError, SecretError, _SizeError, OSError) as error:
            self._events.failed(number, str(error) or type(error).__name__)
        except Exception:
            log.exception("a REST call ended by a fault of this program")
            self._events.failed(number, "a fault of this program")
        else:
            self._events.answered(number, answer)

    async def _answer(self, url: str) -> Answer:
        proxy = self._proxy()
        session = await self._session_for(proxy)
        through = {} if proxy is None or proxy.socks else proxy.http_options(url)
        async with session.get(url, allow_redirects=False, **through) as response:
            if response.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
                raise ProxyError("it refused with status 407")
            body = await _body(response)
            now_ns = self._clock.time_ns()
            retry_after_s = retry_after.seconds(response.headers.get("Retry-After"), now_ns)
            return Answer(response.status, body, now_ns, retry_after_s)

    async def _session_for(self, proxy: ProxyUrl | None) -> ClientSession:
        """The session through this proxy: one at a time, for an address changes rarely."""
        if self._session is not None and self._session[0] == proxy:
            return self._session[1]
        before = self._session
        connector = _connector(proxy, self._tls)
        session = ClientSession(connector=connector, cookie_jar=DummyCookieJar(), timeout=ClientTimeout(total=None))
        self._session = (proxy, session)
        if before is not None:
            await before[1].close()
        return session


class _SizeError(Exception):
    """An answer that is not taken."""


async def _body(response: ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
        body += chunk
        if len(body) > LARGEST_ANSWER_BYTES:
            raise _SizeError(f"an answer of more than {LARGEST_ANSWER_BYTES} bytes")
    return bytes(body)


def _connector(proxy: ProxyUrl | None, tls: ssl.SSLContext) -> TCPConnector:
    if proxy is None or not proxy.socks:
        return TCPConnector(limit=MOST_CONNECTIONS, ssl=tls)
    return ProxyConnector(
        proxy.host,
        proxy.port,
        ProxyType.SOCKS5,
        proxy.username,
        proxy.password,
        rdns=proxy.looks_up_names,
        limit=MOST_CONNECTIONS,
        ssl=tls,
    )
