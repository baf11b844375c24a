"""Which symbols a source means, given the exchange's own list of instruments."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Final, TypeAlias

from marketfeed.exchanges import catalogue
from marketfeed.problem import Problem, near
from marketfeed.resource import MarketFeed, Proxy, Source, SymbolSelector
from marketfeed.symbols import Instrument

STAYS: Final = 1.5
"""A chosen symbol leaves when its rank falls below so many times the limit: the border is no revolving door."""


@dataclass(frozen=True, slots=True)
class ListAddress:
    """Where an instrument list comes from: sources that name other endpoints, or proxies, have other lists."""

    exchange: str
    market: str
    rest: str
    """Base address, without the path."""
    proxy: Proxy | None = None
    """The way there."""

    @classmethod
    def of(cls, source: Source) -> ListAddress:
        """The one that a source of a known market asks."""
        own = source.endpoint.rest if source.endpoint is not None else None
        rest = own or catalogue.market(source.exchange, source.market).endpoints.rest
        return cls(source.exchange, source.market, rest.rstrip("/"), source.proxy)


@dataclass(frozen=True, slots=True)
class Listing:
    """What an exchange lists, by normalised symbol."""

    instruments: Mapping[str, Instrument]
    volumes: Mapping[str, Decimal] = field(default_factory=dict)
    """24 h quote volume by native symbol; empty where it could not be had."""

    @classmethod
    def of(cls, instruments: Collection[Instrument], volumes: Mapping[str, Decimal] | None = None) -> Listing:
        return cls({i.symbol: i for i in instruments}, volumes or {})


Listings: TypeAlias = Mapping[ListAddress, Listing]


def select(selector: SymbolSelector, listing: Listing, members: Collection[str] = ()) -> list[str]:
    """The symbols that a selector chooses, highest volume first; `members` were chosen before.

    New ones must be trading; a member stays while it is listed, so that an exchange's maintenance empties no feed. Where no
    volumes are known, members come first and the others follow by name.
    """
    fitting = [i for i in listing.instruments.values() if (i.trading or i.symbol in members) and _fits(selector, i)]
    nothing = Decimal(0)

    def rank(instrument: Instrument) -> tuple[bool, Decimal, str]:
        later = not listing.volumes and instrument.symbol not in members
        return later, -listing.volumes.get(instrument.native, nothing), instrument.symbol

    ranked = [i.symbol for i in sorted(fitting, key=rank)]
    if selector.limit is None:
        return ranked
    stay = [s for s in ranked[: int(STAYS * selector.limit)] if s in members][: selector.limit]
    kept = set(stay)
    fresh = [s for s in ranked if s not in kept][: selector.limit - len(stay)]
    chosen = kept.union(fresh)
    return [s for s in ranked if s in chosen]


def _fits(selector: SymbolSelector, instrument: Instrument) -> bool:
    if selector.quote and instrument.quote not in selector.quote:
        return False
    if selector.include and not any(fnmatchcase(instrument.symbol, pattern) for pattern in selector.include):
        return False
    return not any(fnmatchcase(instrument.symbol, pattern) for pattern in selector.exclude)


def unlisted(feed: MarketFeed, listings: Listings) -> list[Problem]:
    """Symbols that an exchange does not list and selectors that choose nothing, as far as lists are at hand."""
    return [problem for i, source in enumerate(feed.spec.sources) for problem in _unlisted(source, i, listings)]


def _unlisted(source: Source, number: int, listings: Listings) -> Iterator[Problem]:
    listing = listings.get(ListAddress.of(source))
    if listing is None:
        return
    path = f"spec.sources[{number}]"
    name = f"{source.exchange} {source.market}"
    for i, symbol in enumerate(source.symbols or ()):
        if symbol not in listing.instruments:
            guess = near(symbol, listing.instruments)
            way_out = f"did you mean {guess}?" if guess else "check its name at the exchange, or leave it out"
            yield Problem(f"{path}.symbols[{i}]", f"{name} does not list {symbol}", way_out, "SymbolsUnknown")
    if source.symbol_selector is not None and not select(source.symbol_selector, listing):
        reason = f"chooses none of the {len(listing.instruments)} symbols that {name} lists"
        yield Problem(f"{path}.symbolSelector", reason, "loosen it", "SymbolsUnknown")
