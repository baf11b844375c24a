"""The exchanges' own instrument lists: asked for over HTTP, or read from a file."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import aiohttp

from marketfeed import listing
from marketfeed.exchanges import catalogue
from marketfeed.listing import InstrumentsError, addresses, wants_volumes
from marketfeed.resource import MarketFeed
from marketfeed.selection import ListAddress, Listing
from marketfeed_cli import saved_list

TIMEOUT_S: Final = 10.0


async def ask(address: ListAddress, volumes: bool) -> Listing:
    """An exchange's list, with 24 h volumes where they are wanted and told. Raises `InstrumentsError`."""
    market = catalogue.market(address.exchange, address.market)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)) as session:
        url = address.rest + market.instruments.calls[0].path
        listed = listing.listed(market, url, await _body(session, url))
        if not volumes or not market.instruments.volumes_calls:
            return Listing.of(listed)
        url = address.rest + market.instruments.volumes_calls[0].path
        try:
            return Listing.of(listed, listing.volumes(market, url, await _body(session, url)))
        except InstrumentsError:
            return Listing.of(listed)  # chosen by name then: an order all the same


async def _body(session: aiohttp.ClientSession, url: str) -> bytes:
    try:
        async with session.get(url) as answer:
            if answer.status != 200:
                raise InstrumentsError(f"{url}: answered {answer.status}")
            return await answer.read()
    except TimeoutError:
        raise InstrumentsError(f"{url}: no answer within {TIMEOUT_S:g} s") from None
    except aiohttp.ClientError as error:
        raise InstrumentsError(f"{url}: {error}") from None


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
