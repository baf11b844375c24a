"""From a feed to its shards: every wanted stream in exactly one of them, within the exchange's limits.

The plan before is an input, and whatever is in it stays where it is: a symbol moves only when its shard may no longer hold it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from marketfeed.assignment import Assignment, SymbolStreams
from marketfeed.demand import claim, demand
from marketfeed.exchanges import catalogue
from marketfeed.packing import Bin, Capacity, Item, fits_alone, pack, spread
from marketfeed.problem import NotAccepted, Problem
from marketfeed.resource import MarketFeed, Sharding
from marketfeed.selection import Listings
from marketfeed.shares import Shares, shares
from marketfeed.wanted import Group, wanted

NAME_LENGTH: Final = 52
_NUMBER_LENGTH: Final = 4
"""Digits that a shard's number may grow to without its feed being cut anew."""


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
    _refuse_too_many_connections(filled)
    parts = shares([claim(feed, group) for group, _, _ in filled])
    known = {a.shard: a for a in before}
    assignments, reasons = [], {}
    for (group, number, content), part in zip(filled, parts, strict=True):
        name = shard_name(feed.metadata.name, *group.settings.market, number)
        fresh = _assignment(feed, group, name, content, part)
        assignments.append(succeed(known.get(name), fresh))
        reasons[name] = _reason(group, content, sum(g is group for g, _, _ in filled))
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
    capacity, items = demand(sharding, group)
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


def _refuse_too_large(items: Iterable[Item], capacity: Capacity, source: int) -> None:
    large = next((item for item in sorted(items, key=lambda i: (-i.size, -i.rate)) if not fits_alone(item, capacity)), None)
    if large is None:
        return
    most = capacity.messages_per_second
    if most is not None and large.rate > most:
        reason = f"is {most:g}, and {large.symbol} alone is expected to bring {large.rate:g} messages per second"
        problem = Problem("spec.sharding.maxMessagesPerSecond", reason, "raise it, or ask for fewer channels")
    else:
        reason = f"{large.size} topics of {large.symbol} do not fit one shard, which holds {_held(capacity)}"
        way_out = "raise sharding.connectionsPerShard or limits.streamsPerConnection, or ask for fewer channels"
        problem = Problem(f"spec.sources[{source}].channels", reason, way_out)
    raise NotAccepted([replace(problem, code="ShardTooSmall")])


def _refuse_too_many_connections(filled: Sequence[tuple[Group, int, Bin]]) -> None:
    """Connections that are open at the same time count by address, those of all shards together."""
    for place in dict.fromkeys(group.settings.market for group, _, _ in filled):
        limit = catalogue.market(*place).limits.connections_per_address
        total = sum(content.connections() for group, _, content in filled if group.settings.market == place)
        if limit is not None and total > limit.ceiling:
            reason = (
                f"{total:,} connections to {' '.join(place)} are more than the {limit.ceiling:,g} that it allows one address"
            )
            way_out = "raise limits.streamsPerConnection, or ask for less"
            raise NotAccepted([Problem("spec.sources", reason, way_out, "AddressBudgetExceeded")])


def _assignment(feed: MarketFeed, group: Group, name: str, content: Bin, part: Shares) -> Assignment:
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
        connects=part.connects,
        connects_burst=part.connects_burst,
        rest=part.rest,
        book_depth=settings.book_depth,
        backfill=settings.backfill,
        legs=spec.sharding.legs,
        publishers=spec.publishers,
        watchdog=spec.watchdog,
    )


def _held(capacity: Capacity) -> str:
    legs = f", {capacity.legs} connections a stream" if capacity.legs > 1 else ""
    deep = f", {capacity.room.deep} of them deep books" if capacity.room.deep is not None else ""
    rate = f" and {capacity.messages_per_second:,g} messages per second" if capacity.messages_per_second else ""
    connections = f"{capacity.connections:,} connection{'' if capacity.connections == 1 else 's'}"
    return f"{capacity.topics:,} topics ({connections} × {capacity.room.topics:,}{deep}{legs}){rate}"


def _reason(group: Group, content: Bin, shards: int) -> str:
    streams = sum(len(group.channels[item.symbol]) for item in content.items)
    topics = sum(load.topics for load in content.loads.values())
    carried = f"{streams:,} streams" if topics == streams else f"{streams:,} streams on {topics:,} topics"
    held = f"{carried}, about {content.rate:,.0f} messages per second; a shard holds {_held(content.capacity)}"
    if shards == 1:
        return f"{held}: one is enough"
    return f"{held}: {shards} shards, filled evenly by expected messages"
