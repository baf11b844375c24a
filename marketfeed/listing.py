"""The exchanges' own instrument lists: which ones a feed goes by, and what an answer lists. Asking is others' work."""

from __future__ import annotations

from decimal import Decimal, DecimalException
from typing import Final

import orjson

from marketfeed.exchanges.exchange import Market
from marketfeed.resource import MarketFeed
from marketfeed.selection import ListAddress
from marketfeed.symbols import Instrument

MALFORMED: Final = (KeyError, TypeError, ValueError, AttributeError, DecimalException)
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


def listed(market: Market, url: str, body: bytes) -> list[Instrument]:
    """The instruments that an answer lists. Raises `InstrumentsError`."""
    try:
        found = market.instruments.parse(orjson.loads(body))
    except orjson.JSONDecodeError as error:
        raise InstrumentsError(f"{url}: answered no JSON: {error}") from None
    except MALFORMED as error:
        raise InstrumentsError(f"{url}: is no instrument list: {type(error).__name__} {error}") from None
    if not found:
        raise InstrumentsError(f"{url}: lists no instrument")
    return found


def volumes(market: Market, url: str, body: bytes) -> dict[str, Decimal]:
    """24 h quote volumes by native symbol, as an answer tells them. Raises `InstrumentsError`."""
    try:
        return market.instruments.volumes(orjson.loads(body))
    except MALFORMED as error:  # a JSONDecodeError is a ValueError
        raise InstrumentsError(f"{url}: tells no volumes: {type(error).__name__} {error}") from None
