"""The exchanges' own instrument lists: asked for over HTTP, or read from a file."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from decimal import DecimalException
from pathlib import Path
from typing import Any, Final

import aiohttp
import orjson

from marketfeed.exchanges import catalogue
from marketfeed.resource import MarketFeed
from marketfeed.selection import ListAddress, Listing
from marketfeed_cli import saved_list

TIMEOUT_S: Final = 10.0
_MALFORMED = (KeyError, TypeError, ValueError, AttributeError, DecimalException)
"""What an exchange's file raises for a body that is not what it declares."""


class InstrumentsError(Exception):
    """A list that could not be had; one sentence."""


def addresses(feed: MarketFeed) -> list[ListAddress]:
    """Those that a feed's sources ask, each once."""
    return list(dict.fromkeys(ListAddress.of(source) for source in feed.spec.sources))


def wants_volumes(feed: MarketFeed, address: ListAddress) -> bool:
    """Whether a selector of these sources goes by volume."""
    selectors = (s.symbol_selector for s in feed.spec.sources if ListAddress.of(s) == address)
    return any(selector is not None and selector.limit is not None for selector in selectors)


async def ask(address: ListAddress, volumes: bool) -> Listing:
    """An exchange's list, with 24 h volumes where they are wanted and told. Raises `InstrumentsError`."""
    market = catalogue.market(address.exchange, address.market)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)) as session:
        url = address.rest + market.instruments_path
        body = await _body(session, url)
        try:
            listed = market.instruments(body)
        except _MALFORMED as error:
            raise InstrumentsError(f"{url}: is no instrument list: {type(error).__name__} {error}") from None
        if not listed:
            raise InstrumentsError(f"{url}: lists no instrument")
        if not volumes or market.volumes_path is None:
            return Listing.of(listed)
        try:
            return Listing.of(listed, market.volumes(await _body(session, address.rest + market.volumes_path)))
        except (InstrumentsError, *_MALFORMED):
            return Listing.of(listed)  # chosen by name then: an order all the same


async def _body(session: aiohttp.ClientSession, url: str) -> Any:
    try:
        async with session.get(url) as answer:
            if answer.status != 200:
                raise InstrumentsError(f"{url}: answered {answer.status}")
            return orjson.loads(await answer.read())
    except TimeoutError:
        raise InstrumentsError(f"{url}: no answer within {TIMEOUT_S:g} s") from None
    except aiohttp.ClientError as error:
        raise InstrumentsError(f"{url}: {error}") from None
    except orjson.JSONDecodeError as error:
        raise InstrumentsError(f"{url}: answered no JSON: {error}") from None


def asked(feeds: Iterable[MarketFeed]) -> dict[ListAddress, Listing]:
    """All lists that these feeds need. Raises `InstrumentsError`."""
    needed: dict[ListAddress, bool] = {}
    for feed in feeds:
        for address in addresses(feed):
            needed[address] = needed.get(address, False) or wants_volumes(feed, address)

    async def all_of_them() -> list[Listing]:
        return await asyncio.gather(*(ask(address, volumes) for address, volumes in needed.items()))

    return dict(zip(needed, asyncio.run(all_of_them()), strict=True))


def read(files: Sequence[Path], feeds: Iterable[MarketFeed]) -> dict[ListAddress, Listing]:
    """Lists as the exchanges sent them, from files, each for the markets whose form it has. Raises `InstrumentsError`."""
    found: dict[ListAddress, Listing] = {}
    for address in dict.fromkeys(address for feed in feeds for address in addresses(feed)):
        market, faults = catalogue.market(address.exchange, address.market), []
        for file in files:
            try:
                found[address] = Listing.of(saved_list.instruments(file, market))
            except saved_list.SavedListError as error:
                faults.append(str(error))
        if address not in found:
            raise InstrumentsError("; ".join(faults))
    return found


def listings(feeds: Sequence[MarketFeed], files: Sequence[Path], online: bool) -> dict[ListAddress, Listing]:
    """As the options `--instruments` and `--online` ask for. Raises `InstrumentsError`."""
    if files:
        return read(files, feeds)
    return asked(feeds) if online else {}
