"""The exchanges' instrument lists that the feeds go by: asked for over HTTP, kept for all feeds, asked for again."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Collection, Iterable
from typing import Final

from marketfeed.clock import Clock
from marketfeed.listing import InstrumentsError, addresses, wants_volumes
from marketfeed.resource import MarketFeed
from marketfeed.selection import ListAddress, Listing
from marketfeed_operator.fetch import Secrets, ask
from marketfeed_operator.workqueue import Key

log = logging.getLogger("marketfeed.operator")

FRESH_S: Final = 300.0
"""A list that was had is asked for again after so long."""
FIRST_WAIT_S: Final = 5.0
PATIENCE_S: Final = 4.0
"""A feed waits so long for lists that were never asked for; what comes later changes its plan."""


class Lists:
    """By address; one that cannot be had is said once and asked for again, ever less often."""

    def __init__(
        self,
        clock: Clock,
        changed: Callable[[Key], None],
        rng: Callable[[], float] | None = None,
        tell: Callable[[int, str], None] = log.log,
        secrets: Secrets | None = None,
    ) -> None:
        """`changed`: called with each feed that goes by a list in which something is new, or that cannot be had any more.
        `rng`: 0.0 to 1.0. `tell`: takes a level of `logging` and what there is to say. `secrets`: of proxies; null: nobody
        here may read them."""
        self.listings: dict[ListAddress, Listing] = {}
        self._clock = clock
        self._changed = changed
        self._tell = tell
        self._secrets = secrets
        self._rng = rng or random.SystemRandom().random
        self._wanted: dict[Key, dict[ListAddress, bool]] = {}
        """By feed: the lists that it goes by, and whether with volumes."""
        self._due_s: dict[tuple[ListAddress, bool], float] = {}
        self._failures: dict[ListAddress, int] = {}
        self._faults: dict[ListAddress, str] = {}
        """Why a list cannot be had, as it was told first."""
        self._more = asyncio.Event()

    async def want(self, key: Key, feed: MarketFeed) -> None:
        """This feed goes by its lists from now on; returns when they are at hand or, whoever is slow, after a while."""
        self._wanted[key] = {address: wants_volumes(feed, address) for address in addresses(feed)}
        fresh = [wanted for wanted in self._wanted[key].items() if wanted not in self._due_s]
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._ask_all(fresh)
        except TimeoutError:
            self._due_s |= {wanted: self._clock.monotonic() for wanted in fresh if wanted not in self._due_s}
        self._more.set()

    def faults(self, feed: MarketFeed) -> dict[str, str]:
        """Why lists cannot be had that a feed's selectors go by: by the selector's place in the manifest."""
        places = {f"spec.sources[{i}].symbolSelector": ListAddress.of(source) for i, source in enumerate(feed.spec.sources)}
        return {place: self._faults[address] for place, address in places.items() if address in self._faults}

    def forget(self, key: Key) -> None:
        """The feed is gone."""
        self._wanted.pop(key, None)
        still = {wanted for lists in self._wanted.values() for wanted in lists.items()}
        self._due_s = {wanted: at_s for wanted, at_s in self._due_s.items() if wanted in still}
        addresses_left = {address for address, _ in still}
        self.listings = {address: found for address, found in self.listings.items() if address in addresses_left}
        self._faults = {address: fault for address, fault in self._faults.items() if address in addresses_left}

    async def run(self) -> None:
        """Ask again for what is due, until cancelled."""
        while True:
            self._more.clear()
            for address in await self._ask_all(self._due()):
                for key in [key for key, lists in self._wanted.items() if address in lists]:
                    self._changed(key)
            try:
                async with asyncio.timeout(self._wait_s()):
                    await self._more.wait()
            except TimeoutError:
                continue

    def _due(self) -> Collection[tuple[ListAddress, bool]]:
        now_s = self._clock.monotonic()
        return [wanted for wanted, at_s in self._due_s.items() if at_s <= now_s]

    def _wait_s(self) -> float | None:
        return max(0.0, min(self._due_s.values()) - self._clock.monotonic()) if self._due_s else None

    async def _ask_all(self, wanted: Iterable[tuple[ListAddress, bool]]) -> list[ListAddress]:
        """Ask for these; those of which there is something new."""
        lists = list(wanted)
        news = await asyncio.gather(*(self._ask(address, volumes) for address, volumes in lists))
        return [address for (address, _), new in zip(lists, news, strict=True) if new]

    async def _ask(self, address: ListAddress, volumes: bool) -> bool:
        try:
            found = await ask(address, volumes, secrets=self._secrets)
        except InstrumentsError as error:
            failures = self._failures[address] = self._failures.get(address, 0) + 1
            if failures == 1:
                kept = "the last one stays" if address in self.listings else "symbols are taken as they are"
                self._tell(logging.WARNING, f"no instrument list, {kept}, and it is asked for again: {error}")
            bound_s = min(FRESH_S, FIRST_WAIT_S * 2 ** min(failures, 8))
            self._due_s[address, volumes] = self._clock.monotonic() + bound_s * (0.5 + self._rng() / 2)
            self._faults.setdefault(address, str(error))
            return failures == 1
        self._faults.pop(address, None)
        if self._failures.pop(address, 0):
            self._tell(logging.INFO, f"the instrument list of {address.exchange} {address.market} is at hand again")
        self._due_s[address, volumes] = self._clock.monotonic() + FRESH_S
        changed = self.listings.get(address) != found
        self.listings[address] = found
        return changed
