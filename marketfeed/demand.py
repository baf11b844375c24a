"""What a group of symbols asks of its shards: connections, messages, and budgets that an exchange counts by address."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import Final, TypeAlias

from marketfeed.exchanges import catalogue
from marketfeed.exchanges.exchange import Call, Hole, Market, Topic
from marketfeed.load import Load, Room, load_of, topics
from marketfeed.packing import Capacity, Item
from marketfeed.resource import MarketFeed, Sharding
from marketfeed.shares import Claim
from marketfeed.wanted import Group

Placed: TypeAlias = Sequence[tuple[str, Topic]]
"""(address, topic)."""
COMMON: Final = 0.1
"""A topic that serves many is counted once a shard where more than this part of the symbols need it; else with each of them, so
that symbols stay of a few kinds."""


def demand(sharding: Sharding, group: Group) -> tuple[Capacity, dict[str, Item]]:
    """What one shard of a group may hold, and what each of the group's symbols takes of that."""
    settings = group.settings
    market = catalogue.market(*settings.market)
    placed = {
        symbol: list(topics(market, settings.endpoint, group.natives[symbol], sorted(channels), settings.book_depth))
        for symbol, channels in group.channels.items()
    }
    needed = Counter((url, topic.name) for found in placed.values() for url, topic in found if not topic.native)
    common = {shared for shared, count in needed.items() if count > COMMON * len(placed)}
    longest = max((load_of(topic).characters for found in placed.values() for _, topic in found), default=1)
    room = Room.of(market.limits, settings.limits.streams_per_connection).without_rest(longest)
    connections = sharding.connections_per_shard or int(market.limits.connections_per_shard.default)
    capacity = Capacity(connections, room, sharding.max_messages_per_second, sharding.legs)
    items = {}
    for symbol, found in placed.items():
        rate = sum(market.rates[channel.partition(".")[0]] for channel in sorted(group.channels[symbol]))
        items[symbol] = _item(symbol, found, rate, common, room)
    return capacity, items


def _item(symbol: str, placed: Placed, rate: float, common: Collection[tuple[str, str]], room: Room) -> Item:
    loads: dict[str, Load] = {}
    shared = []
    for url, topic in placed:
        load = room.counted(load_of(topic))
        if (url, topic.name) in common:
            shared.append((url, topic.name, load))
        else:
            loads[url] = loads.get(url, Load()) + load
    return Item(symbol, tuple(sorted(loads.items())), rate, tuple(sorted(shared)))


def claim(feed: MarketFeed, group: Group) -> Claim:
    """What one shard of a group claims of the budgets."""
    market = catalogue.market(*group.settings.market)
    own = [
        source.limits.connects_per_5_minutes
        for source in feed.spec.sources
        if (source.exchange, source.market) == group.settings.market and source.limits is not None
    ]
    default = market.limits.connects_per_5_minutes.default
    attempts = int(min((limit for limit in own if limit is not None), default=default))
    return Claim(market, attempts, max(call.weight for call in _calls(market, group)))


def _calls(market: Market, group: Group) -> Iterator[Call]:
    """One of each kind of REST call that the group's shards may have to make."""
    yield from market.instruments.calls
    wanted = {channel for channels in group.channels.values() for channel in channels}
    native = next(iter(group.natives.values()))
    if market.snapshot is not None and "book" in wanted:
        yield market.snapshot.call(native, group.settings.book_depth)
    if market.history is not None and "trades" in wanted and group.settings.backfill:
        yield market.history.call(native, Hole(None, None, 0))
    for poll in market.polls:
        if poll.channel in wanted:
            yield poll.call(native)
