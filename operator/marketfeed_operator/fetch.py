"""Instrument lists asked for over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

import aiohttp

from marketfeed.exchanges import catalogue
from marketfeed.exchanges.exchange import Market
from marketfeed.faults import words
from marketfeed.listing import InstrumentsError, gather
from marketfeed.selection import ListAddress, Listing

TIMEOUT_S: Final = 10.0
"""For one answer."""
MOST_BYTES: Final = 64 << 20
"""No list is as long."""


async def ask(address: ListAddress, volumes: bool, told: Callable[[int], None] = lambda count: None) -> Listing:
    """An exchange's list, with 24 h volumes where they are wanted and told. Raises `InstrumentsError`.

    `told` hears how many instruments there are so far.
    """
    market = catalogue.market(address.exchange, address.market)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)) as session:
        return await gather(address, partial(_get, session, market), volumes=volumes, told=told)


async def _get(session: aiohttp.ClientSession, market: Market, url: str) -> bytes:
    try:
        async with session.get(url, allow_redirects=False) as answer:
            body = await _body(answer, url)
            if answer.status != 200:
                said = words(market, body)
                raise InstrumentsError(f"{url}: answered {answer.status}{': ' if said else ''}{said}")
            return body
    except TimeoutError:
        raise InstrumentsError(f"{url}: no answer within {TIMEOUT_S:g} s") from None
    except aiohttp.ClientError as error:
        raise InstrumentsError(f"{url}: {error}") from None


async def _body(answer: aiohttp.ClientResponse, url: str) -> bytes:
    body = bytearray()
    async for piece in answer.content.iter_any():
        body += piece
        if len(body) > MOST_BYTES:
            raise InstrumentsError(f"{url}: is longer than {MOST_BYTES >> 20} MiB")
    return bytes(body)
