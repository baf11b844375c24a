"""Instrument lists asked for over HTTP, through the proxy that the manifest names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

import aiohttp
from aiohttp_socks import ProxyConnectionError, ProxyConnector, ProxyError, ProxyTimeoutError, ProxyType

from marketfeed.exchanges import catalogue
from marketfeed.exchanges.exchange import Market
from marketfeed.faults import words
from marketfeed.listing import InstrumentsError, gather
from marketfeed.proxies import ProxyAddressError, ProxyUrl
from marketfeed.resource import FromSecret
from marketfeed.selection import ListAddress, Listing

TIMEOUT_S: Final = 10.0
"""For one answer."""
MOST_BYTES: Final = 64 << 20
"""No list is as long."""
UNREAD: Final = "asked without the proxy: its address is in a Secret, which is not read here"
Secrets: TypeAlias = Callable[[FromSecret], str]
"""Gives a Secret's value. Raises `InstrumentsError`."""


async def ask(
    address: ListAddress,
    volumes: bool,
    told: Callable[[int], None] = lambda count: None,
    secrets: Secrets | None = None,
) -> Listing:
    """An exchange's list, with 24 h volumes where they are wanted and told. Raises `InstrumentsError`.

    `told` hears how many instruments there are so far. `secrets` null: nobody here may read them; where the proxy's address
    is in one the list is asked for without it, for it is public.
    """
    market, proxy = catalogue.market(address.exchange, address.market), _proxy(address, secrets)
    async with aiohttp.ClientSession(connector=_connector(proxy), timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)) as session:
        try:
            return await gather(address, _Client(session, market, proxy).get, volumes=volumes, told=told)
        except InstrumentsError as error:
            if address.proxy is None or proxy is not None:
                raise
            raise InstrumentsError(f"{error} ({UNREAD})") from None


@dataclass(frozen=True, slots=True)
class _Client:
    session: aiohttp.ClientSession
    market: Market
    proxy: ProxyUrl | None

    async def get(self, url: str) -> bytes:
        """The body of an answer. Raises `InstrumentsError`."""
        through = {} if self.proxy is None or self.proxy.socks else self.proxy.http_options(url)
        try:
            async with self.session.get(url, allow_redirects=False, **through) as answer:
                body = await _body(answer, url)
                if answer.status != 200:
                    said = words(self.market, body)
                    raise InstrumentsError(f"{url}: answered {answer.status}{': ' if said else ''}{said}")
                return body
        except (TimeoutError, ProxyTimeoutError):
            raise InstrumentsError(f"{url}: no answer within {TIMEOUT_S:g} s") from None
        except (ProxyError, ProxyConnectionError, aiohttp.ClientHttpProxyError, aiohttp.ClientProxyConnectionError) as error:
            raise InstrumentsError(f"{url}: proxy {self.proxy}: {error}") from None
        except aiohttp.ClientError as error:
            raise InstrumentsError(f"{url}: {error}") from None


async def _body(answer: aiohttp.ClientResponse, url: str) -> bytes:
    body = bytearray()
    async for piece in answer.content.iter_any():
        body += piece
        if len(body) > MOST_BYTES:
            raise InstrumentsError(f"{url}: is longer than {MOST_BYTES >> 20} MiB")
    return bytes(body)


def _proxy(address: ListAddress, secrets: Secrets | None) -> ProxyUrl | None:
    if address.proxy is None:
        return None
    text, reference = address.proxy.url, address.proxy.url_from
    if reference is not None:
        if secrets is None:
            return None
        text = secrets(reference)
    try:
        return ProxyUrl.parse(text or "")
    except ProxyAddressError as error:
        raise InstrumentsError(f"{address.rest}: {error}") from None


def _connector(proxy: ProxyUrl | None) -> aiohttp.TCPConnector:
    if proxy is None or not proxy.socks:
        return aiohttp.TCPConnector()
    names = proxy.looks_up_names
    return ProxyConnector(proxy.host, proxy.port, ProxyType.SOCKS5, proxy.username, proxy.password, rdns=names)
