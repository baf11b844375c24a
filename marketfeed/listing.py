"""The exchanges' own instrument lists: which ones a feed goes by, what is asked for them, and what the answers list.

The asking itself is handed in.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal, DecimalException
from typing import Any, Final, TypeAlias

import orjson

from marketfeed.exchanges import catalogue
from marketfeed.exchanges.exchange import Call, Market
from marketfeed.resource import MarketFeed
from marketfeed.selection import ListAddress, Listing
from marketfeed.symbols import Instrument

MALFORMED: Final = (KeyError, TypeError, ValueError, AttributeError, DecimalException)
"""What an exchange's file raises for a body that is not what it declares."""
PAGES: Final = 100
"""Of one call at most: an exchange that always names a next one is asked no further."""
Get: TypeAlias = Callable[[str], Awaitable[bytes]]
"""(URL) → the body of its answer. Raises `InstrumentsError` where there is none."""


class InstrumentsError(Exception):
    """A list that could not be had; one sentence."""


def addresses(feed: MarketFeed) -> list[ListAddress]:
    """Those that a feed's sources ask, each once."""
    return list(dict.fromkeys(ListAddress.of(source) for source in feed.spec.sources))


def wants_volumes(feed: MarketFeed, address: ListAddress) -> bool:
    """Whether a selector of these sources goes by volume."""
    selectors = (s.symbol_selector for s in feed.spec.sources if ListAddress.of(s) == address)
    return any(selector is not None and selector.limit is not None for selector in selectors)


async def gather(
    address: ListAddress, get: Get, *, volumes: bool = False, told: Callable[[int], None] = lambda count: None
) -> Listing:
    """An exchange's list, page by page, with 24 h volumes where they are wanted and told. Raises `InstrumentsError`.

    `get` does the asking; whoever drives this by hand may close it at any call. `told` hears how many there are so far.
    """
    market = catalogue.market(address.exchange, address.market)
    found: dict[str, Instrument] = {}
    for first in market.instruments.calls:
        call: Call | None = first
        for _ in range(PAGES):
            if call is None:
                break
            url = address.rest + call.path
            body = _decoded(market, url, await get(url))
            found |= {instrument.symbol: instrument for instrument in _parsed(market, url, body)}
            told(len(found))
            call = _next_page(market, url, call, body)
        if call is not None:
            raise InstrumentsError(f"{address.rest}{first.path}: has more than {PAGES} pages")
    if not found:
        raise InstrumentsError(f"{address.rest}{market.instruments.calls[0].path}: lists no instrument")
    return Listing(found, await _volumes(market, address.rest, get) if volumes else {})


def _next_page(market: Market, url: str, call: Call, body: Any) -> Call | None:
    try:
        return market.instruments.next_page(call, body)
    except MALFORMED as error:
        raise InstrumentsError(f"{url}: does not tell its next page: {type(error).__name__} {error}") from None


async def _volumes(market: Market, rest: str, get: Get) -> dict[str, Decimal]:
    """24 h quote volumes by native symbol; empty where they cannot be had: chosen by name then, an order all the same."""
    found: dict[str, Decimal] = {}
    for call in market.instruments.volumes_calls:
        url = rest + call.path
        try:
            found |= market.instruments.volumes(_decoded(market, url, await get(url)))
        except (InstrumentsError, *MALFORMED):
            return {}
    return found


def _decoded(market: Market, url: str, content: bytes) -> Any:
    try:
        body = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise InstrumentsError(f"{url}: answered no JSON: {error}") from None
    if (fault := market.fault(body)) is not None:
        raise InstrumentsError(f"{url}: {fault.reason}")
    return body


def _parsed(market: Market, url: str, body: Any) -> list[Instrument]:
    try:
        return market.instruments.parse(body)
    except MALFORMED as error:
        raise InstrumentsError(f"{url}: is no instrument list: {type(error).__name__} {error}") from None
