"""From a feed to its shards: every wanted stream in exactly one of them, within the exchange's limits.

The plan before is an input, and whatever is in it stays where it is: a symbol moves only when its shard may no longer hold it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from marketfeed.assignment import Assignment, Share, SymbolStreams
from marketfeed.exchanges import catalogue
from marketfeed.exchanges.exchange import Market
from marketfeed.packing import Bin, Capacity, Item, fits_alone, pack, spread
from marketfeed.problem import NotAccepted, Problem
from marketfeed.resource import MarketFeed, Sharding
from marketfeed.selection import Listings
from marketfeed.wanted import Group, Settings, wanted

NAME_LENGTH: Final = 52
_NUMBER_LENGTH: Final = 4
"""Digits that a shard's number may grow to without its feed being cut anew."""
WINDOW_S: Final = 300.0
TURN_SLACK: Final = 1.001
"""Turns are this much longer than they must be: what is a window apart here must not arrive closer there."""
LONGEST_WINDOWS: Final = 2
"""A shard may try to connect at least once in so many windows: once in 10 minutes."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The shards of a feed, sorted by exchange, market and number."""

    assignments: tuple[Assignment, ...]
    reasons: Mapping[str, str]
    """By shard: why it is as large as it is, in words."""
    unknown: tuple[str, ...] = ()
    """Symbols that the exchange's list does not have, left out: `binance spot FOO-BAR`."""
    waiting: tuple[str, ...] = ()
    """Paths of selectors that no list was at hand for."""


def plan(feed: MarketFeed, listings: Listings | None = None, previous: Sequence[Assignment] = ()) -> Plan:
    """The shards that a feed needs. Raises `NotAccepted` where limits leave no room for a symbol or for all shards.

    `listings`: the exchanges' instrument lists as far as they are at hand; without one, explicit symbols are taken as they
    are, and selectors keep the symbols that `previous` has.
    """
    want = wanted(feed, listings or {}, previous)
    groups = want.groups
    before = sorted((a for a in previous if a.feed == feed.metadata.name), key=_order)
    homes = _homes(groups, before)
    used = {(a.exchange, a.market, number_of(a.shard)) for shards in homes.values() for a in shards}
    filled: list[tuple[Group, int, Bin]] = []
    for i, group in enumerate(groups):
        for number, content in _place(feed.spec.sharding, group, homes[i], used):
            filled.append((group, number, content))
    filled.sort(key=lambda entry: (*entry[0].settings.market, entry[1]))
    shares = _shares(feed, filled)
    known = {a.shard: a for a in before}
    assignments, reasons = [], {}
    for group, number, content in filled:
        name = shard_name(feed.metadata.name, *group.settings.market, number)
        fresh = _assignment(feed, group, name, content, shares[group.settings.market].pop(0))
        assignments.append(succeed(known.get(name), fresh))
        reasons[name] = _reason(content, sum(g is group for g, _, _ in filled))
    return Plan(tuple(assignments), reasons, want.unknown, want.waiting)


def shard_name(feed: str, exchange: str, market: str, number: int) -> str:
    """`<feed>-<exchange>-<market>-<number>` in at most 52 characters: a longer feed is cut and told apart by a hash."""
    tail = f"-{exchange}-{market}-"
    room = NAME_LENGTH - len(tail) - _NUMBER_LENGTH
    if len(feed) > room:
        digest = hashlib.sha256(feed.encode()).hexdigest()[:6]
        feed = f"{feed[: room - 7].rstrip('-')}-{digest}"
    return f"{feed}{tail}{number}"


def number_of(shard: str) -> int:
    """The number at the end of a shard's name."""
    return int(shard.rpartition("-")[2])


def succeed(before: Assignment | None, after: Assignment) -> Assignment:
    """The assignment with its generation: one more than before if anything in it is new."""
    if before is None:
        return after.model_copy(update={"generation": 1})
    same = after.model_copy(update={"generation": before.generation})
    return same if same == before else same.model_copy(update={"generation": before.generation + 1})


def _order(assignment: Assignment) -> tuple[str, str, int]:
    return assignment.exchange, assignment.market, number_of(assignment.shard)


def _homes(groups: Sequence[Group], before: Sequence[Assignment]) -> dict[int, list[Assignment]]:
    """Which group goes on with which shard: the one that wants most of its symbols. Shards that nobody wants are left out."""
    homes: dict[int, list[Assignment]] = {i: [] for i in range(len(groups))}
    for shard in before:
        votes = [
            (sum(s.symbol in group.channels for s in shard.symbols), -i)
            for i, group in enumerate(groups)
            if group.settings.market == (shard.exchange, shard.market)
        ]
        wanted, negative = max(votes, default=(0, 0))
        if wanted:
            homes[-negative].append(shard)
    return homes


def _place(
    sharding: Sharding, group: Group, homes: Sequence[Assignment], used: set[tuple[str, str, int]]
) -> list[tuple[int, Bin]]:
    """The group's shards by number. `used`: numbers that are taken, which grows."""
    market = catalogue.market(*group.settings.market)
    capacity = _capacity(sharding, group.settings, market)
    items = {symbol: _item(symbol, channels, market) for symbol, channels in group.channels.items()}
    _refuse_too_large(items.values(), capacity, group.source)
    bins: list[tuple[int, Bin]] = []
    homeless = dict(items)
    for shard in homes:
        content = Bin(capacity)
        for streams in shard.symbols:
            item = homeless.pop(streams.symbol, None)
            if item is not None:
                content.add(item)
        for item in sorted(content.items, key=lambda i: (-i.size, i.symbol)):
            if not content.overfull():
                break
            content.remove(item)
            homeless[item.symbol] = item
        if content.items:
            bins.append((number_of(shard.shard), content))
        else:
            used.discard((*group.settings.market, number_of(shard.shard)))
    left = spread(homeless.values(), [content for _, content in bins])
    for content in pack(left, capacity):
        number = next(k for k in range(len(used) + 1) if (*group.settings.market, k) not in used)
        used.add((*group.settings.market, number))
        bins.append((number, content))
    return bins


def _capacity(sharding: Sharding, settings: Settings, market: Market) -> Capacity:
    connections = sharding.connections_per_shard or int(market.limits.connections_per_shard.default)
    each = settings.limits.streams_per_connection
    return Capacity(connections, each, sharding.max_messages_per_second, sharding.legs)


def _item(symbol: str, channels: Iterable[str], market: Market) -> Item:
    paths: dict[str, int] = {}
    rate = 0.0
    for channel in sorted(channels):
        for topic in market.topics(channel, symbol, None):
            path = topic.endpoint + topic.path
            paths[path] = paths.get(path, 0) + 1
        rate += market.rates[channel.partition(".")[0]]
    return Item(symbol, tuple(sorted(paths.items())), rate)


def _refuse_too_large(items: Iterable[Item], capacity: Capacity, source: int) -> None:
    large = next((item for item in sorted(items, key=lambda i: (-i.size, -i.rate)) if not fits_alone(item, capacity)), None)
    if large is None:
        return
    most = capacity.messages_per_second
    if most is not None and large.rate > most:
        reason = f"is {most:g}, and {large.symbol} alone is expected to bring {large.rate:g} messages per second"
        problem = Problem("spec.sharding.maxMessagesPerSecond", reason, "raise it, or ask for fewer channels")
    else:
        reason = f"{large.size} streams of {large.symbol} do not fit one shard, which holds {_held(capacity)}"
        way_out = "raise sharding.connectionsPerShard or limits.streamsPerConnection, or ask for fewer channels"
        problem = Problem(f"spec.sources[{source}].channels", reason, way_out)
    raise NotAccepted([replace(problem, code="ShardTooSmall")])


def _shares(feed: MarketFeed, filled: Sequence[tuple[Group, int, Bin]]) -> dict[tuple[str, str], list[Share]]:
    """The shards' parts of the connection attempts that the exchange allows this address, in the order of the shards."""
    shares: dict[tuple[str, str], list[Share]] = {}
    for place in {group.settings.market for group, _, _ in filled}:
        shards = sum(group.settings.market == place for group, _, _ in filled)
        default = catalogue.market(*place).limits.connects_per_5_minutes.default
        own = [s.limits.connects_per_5_minutes for s in feed.spec.sources if (s.exchange, s.market) == place and s.limits]
        attempts = int(min((limit for limit in own if limit is not None), default=default))
        windows = -(-shards // attempts)
        if windows > LONGEST_WINDOWS:
            reason = f"{shards} shards share {attempts} connection attempts in 5 minutes to {' '.join(place)}"
            way_out = "raise limits.connectsPer5Minutes or sharding.connectionsPerShard, so that each has one in 10 minutes"
            raise NotAccepted([Problem("spec.sources", reason, way_out, "AddressBudgetExceeded")])
        shares[place] = [_share(number, shards, attempts, windows) for number in range(shards)]
    return shares


def _share(number: int, shards: int, attempts: int, windows: int) -> Share:
    """One shard's: several attempts in a window, or one in several, and then only in its turn, so that not all come at once."""
    if windows == 1:
        return Share(count=attempts // shards, seconds=WINDOW_S)
    period_s = windows * WINDOW_S * TURN_SLACK
    return Share(count=1, seconds=windows * WINDOW_S, turn_s=round(number * period_s / shards, 3), period_s=period_s)


def _assignment(feed: MarketFeed, group: Group, name: str, content: Bin, share: Share) -> Assignment:
    settings, spec = group.settings, feed.spec
    market = catalogue.market(*settings.market)
    order = {channel: i for i, channel in enumerate(market.channels)}
    return Assignment(
        generation=1,
        feed=feed.metadata.name,
        shard=name,
        exchange=market.exchange,
        market=market.name,
        symbols=tuple(
            SymbolStreams(
                symbol=item.symbol,
                native=group.natives[item.symbol],
                channels=tuple(sorted(group.channels[item.symbol], key=order.__getitem__)),
            )
            for item in sorted(content.items, key=lambda i: i.symbol)
        ),
        endpoint=settings.endpoint,
        transport="websockets" if settings.transport == "websockets" else "picows",
        proxy=settings.proxy,
        limits=settings.limits,
        connects=share,
        book_depth=settings.book_depth,
        backfill=settings.backfill,
        legs=spec.sharding.legs,
        publishers=spec.publishers,
        watchdog=spec.watchdog,
    )


def _held(capacity: Capacity) -> str:
    legs = f", {capacity.legs} connections a stream" if capacity.legs > 1 else ""
    rate = f" and {capacity.messages_per_second:,g} messages per second" if capacity.messages_per_second else ""
    connections = f"{capacity.connections:,} connection{'' if capacity.connections == 1 else 's'}"
    return f"{capacity.streams:,} streams ({connections} × {capacity.streams_per_connection:,}{legs}){rate}"


def _reason(content: Bin, shards: int) -> str:
    total = sum(content.streams.values())
    held = f"{total:,} streams, about {content.rate:,.0f} messages per second; a shard holds {_held(content.capacity)}"
    if shards == 1:
        return f"{held}: one is enough"
    return f"{held}: {shards} shards, filled evenly by expected messages"
