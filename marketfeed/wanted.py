"""What a feed wants, by market: symbols and their channels, and the settings that a shard's streams share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from marketfeed.assignment import Assignment, EffectiveLimits
from marketfeed.exchanges import catalogue
from marketfeed.resource import Endpoint, LimitsSpec, MarketFeed, Proxy, Source
from marketfeed.selection import ListAddress, Listing, Listings, select


@dataclass(frozen=True, slots=True)
class Settings:
    """What all streams of a shard share."""

    market: tuple[str, str]
    transport: str
    proxy: Proxy | None
    endpoint: Endpoint
    limits: EffectiveLimits
    book_depth: int | None
    backfill: bool

    @classmethod
    def of(cls, source: Source) -> Settings:
        own, limits = source.limits or LimitsSpec(), catalogue.market(source.exchange, source.market).limits
        effective = EffectiveLimits(
            streams_per_connection=int(own.streams_per_connection or limits.streams_per_connection.default),
            messages_per_second=own.messages_per_second or limits.messages_per_second.default,
        )
        endpoint = source.endpoint or Endpoint()
        place = (source.exchange, source.market)
        return cls(place, source.transport, source.proxy, endpoint, effective, source.book_depth, source.backfill)


@dataclass(slots=True)
class Group:
    """The symbols of one market whose sources have the same settings."""

    settings: Settings
    source: int
    """Number of the first of its sources."""
    channels: dict[str, set[str]] = field(default_factory=dict)
    """By symbol."""
    natives: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wanted:
    """All that a feed wants."""

    groups: tuple[Group, ...]
    unknown: tuple[str, ...]
    """Symbols that the exchange's list does not have: `binance spot FOO-BAR`."""
    waiting: tuple[str, ...]
    """Paths of selectors that no list was at hand for."""


def wanted(feed: MarketFeed, listings: Listings, previous: Sequence[Assignment]) -> Wanted:
    """Every wanted stream once; what an exchange's list does not have is left out.

    Without a list, explicit symbols are taken as they are, and selectors keep the symbols that `previous` has.
    """
    groups: dict[Settings, Group] = {}
    taken: set[tuple[tuple[str, str], str, str]] = set()
    unknown: dict[str, None] = {}
    waiting = []
    for i, source in enumerate(feed.spec.sources):
        settings = Settings.of(source)
        group = groups.setdefault(settings, Group(settings, i))
        listing = listings.get(ListAddress.of(source))
        if source.symbol_selector is not None and listing is None:
            waiting.append(f"spec.sources[{i}].symbolSelector")
        for symbol in _symbols(feed, source, listing, previous):
            native = _native(source, symbol, listing)
            if native is None:
                unknown[f"{source.exchange} {source.market} {symbol}"] = None
                continue
            for channel in source.channels:
                stream = (settings.market, symbol, channel)
                if stream not in taken:  # a selector may choose what another source names
                    taken.add(stream)
                    group.channels.setdefault(symbol, set()).add(channel)
                    group.natives[symbol] = native
    return Wanted(tuple(groups.values()), tuple(unknown), tuple(waiting))


def _symbols(feed: MarketFeed, source: Source, listing: Listing | None, previous: Sequence[Assignment]) -> Sequence[str]:
    if source.symbol_selector is None:
        return source.symbols or ()
    named = {s for other in feed.spec.sources if _same_market(other, source) for s in other.symbols or ()}
    wanted = set(source.channels)
    members = [
        streams.symbol
        for assignment in previous
        if assignment.feed == feed.metadata.name and _same_market(assignment, source)
        for streams in assignment.symbols
        if wanted <= set(streams.channels) and (listing is not None or streams.symbol not in named)
    ]
    return members if listing is None else select(source.symbol_selector, listing, frozenset(members))


def _same_market(one: Source | Assignment, other: Source) -> bool:
    return (one.exchange, one.market) == (other.exchange, other.market)


def _native(source: Source, symbol: str, listing: Listing | None) -> str | None:
    if listing is None:
        return catalogue.market(source.exchange, source.market).native(symbol)
    instrument = listing.instruments.get(symbol)
    return None if instrument is None else instrument.native
