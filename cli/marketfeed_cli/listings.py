"""The instrument lists that a command goes by: asked for once, or read from files."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path

from marketfeed.exchanges import catalogue
from marketfeed.listing import InstrumentsError, addresses, wants_volumes
from marketfeed.resource import MarketFeed
from marketfeed.selection import ListAddress, Listing
from marketfeed_cli import saved_list
from marketfeed_cli.proxy_secrets import reader
from marketfeed_operator.fetch import ask


def asked(feeds: Iterable[MarketFeed], secrets: Path | None = None) -> dict[ListAddress, Listing]:
    """All lists that these feeds need. `secrets`: the folder of `--secrets`. Raises `InstrumentsError`."""
    needed: dict[ListAddress, bool] = {}
    for feed in feeds:
        for address in addresses(feed):
            needed[address] = needed.get(address, False) or wants_volumes(feed, address)

    async def all_of_them() -> list[Listing]:
        read = reader(secrets)
        return await asyncio.gather(*(ask(address, volumes, secrets=read) for address, volumes in needed.items()))

    return dict(zip(needed, asyncio.run(all_of_them()), strict=True))


def read(files: Sequence[Path], feeds: Iterable[MarketFeed]) -> dict[ListAddress, Listing]:
    """Lists as the exchanges sent them, from files, each for the markets whose form it has. Raises `InstrumentsError`."""
    found: dict[ListAddress, Listing] = {}
    for address in dict.fromkeys(address for feed in feeds for address in addresses(feed)):
        market, faults = catalogue.market(address.exchange, address.market), []
        for file in files:
            try:
                listed = Listing.of(saved_list.instruments(file, market)).instruments
            except saved_list.SavedListError as error:
                faults.append(str(error))
            else:
                found[address] = Listing({**(found[address].instruments if address in found else {}), **listed})
        if address not in found:
            raise InstrumentsError("; ".join(faults))
    return found


def listings(
    feeds: Sequence[MarketFeed], files: Sequence[Path], online: bool, secrets: Path | None = None
) -> dict[ListAddress, Listing]:
    """As the options `--instruments`, `--online` and `--secrets` ask for. Raises `InstrumentsError`."""
    if files:
        return read(files, feeds)
    return asked(feeds, secrets) if online else {}
