"""The instrument lists that a running feed goes by: asked for, kept, and asked for again."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Final

from marketfeed.listing import InstrumentsError, addresses, wants_volumes
from marketfeed.resource import MarketFeed
from marketfeed.selection import ListAddress, Listing
from marketfeed_cli.instruments import ask

FRESH_S: Final = 300.0
"""A list that was had is asked for again after so long."""
FIRST_WAIT_S: Final = 5.0


class Lists:
    """By address; one that cannot be had is said once and asked for again, ever less often."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.listings: dict[ListAddress, Listing] = {}
        self._say = say
        self._failures: dict[ListAddress, int] = {}
        self._due_s: dict[tuple[ListAddress, bool], float] = {}
        """By address and whether volumes were wanted with it: a selector that begins to want them does not wait."""
        self._random = random.SystemRandom()

    async def refresh(self, feed: MarketFeed) -> bool:
        """Ask for those of the feed's lists that are due; True: something is new."""
        now_s = asyncio.get_running_loop().time()
        due = [(address, volumes) for address, volumes in _wanted(feed) if self._due_s.get((address, volumes), 0.0) <= now_s]
        return any(await asyncio.gather(*(self._ask(address, volumes) for address, volumes in due)))

    def next_s(self, feed: MarketFeed) -> float:
        """Seconds until the next one is due."""
        now_s = asyncio.get_running_loop().time()
        return max(0.0, min(self._due_s.get(wanted, 0.0) for wanted in _wanted(feed)) - now_s)

    async def _ask(self, address: ListAddress, volumes: bool) -> bool:
        loop = asyncio.get_running_loop()
        try:
            listing = await ask(address, volumes)
        except InstrumentsError as error:
            failures = self._failures[address] = self._failures.get(address, 0) + 1
            if failures == 1:
                kept = "the last one stays" if address in self.listings else "symbols are taken as they are"
                self._say(f"warning: no instrument list, {kept}, and it is asked for again: {error}")
            bound_s = min(FRESH_S, FIRST_WAIT_S * 2 ** min(failures, 8))
            self._due_s[address, volumes] = loop.time() + bound_s * (0.5 + self._random.random() / 2)
            return False
        if self._failures.pop(address, 0):
            self._say(f"the instrument list of {address.exchange} {address.market} is at hand again")
        self._due_s[address, volumes] = loop.time() + FRESH_S
        changed = self.listings.get(address) != listing
        self.listings[address] = listing
        return changed


def _wanted(feed: MarketFeed) -> list[tuple[ListAddress, bool]]:
    return [(address, wants_volumes(feed, address)) for address in addresses(feed)]
