"""A shard opens as many connections as its plan says: both go by the same limits, each in its own way."""

from __future__ import annotations

from typing import Any

import pytest
from exchange_double import Exchange

from marketfeed.assignment import Assignment, topic_url
from marketfeed.exchanges import catalogue
from marketfeed.exchanges.exchange import Market
from marketfeed.load import connections
from marketfeed.planner import plan
from marketfeed.validation import parse
from marketfeed_shard.connection.pool import Pool
from marketfeed_shard.connection.ports import Settings, Source, Want

ENDS = {"spot": "USDT", "linear": "USDT-PERP", "inverse": "USD-PERP"}


def planned(market: Market, groups: list[tuple[int, list[str]]], legs: int = 1) -> tuple[Assignment, ...]:
    """The shards of a feed with so many symbols on these channels each."""
    sources: list[dict[str, Any]] = []
    for letter, (count, channels) in zip("ABC", groups, strict=False):
        symbols = [f"{letter}{i}-{ENDS[market.name]}" for i in range(count)]
        sources.append({"exchange": market.exchange, "market": market.name, "symbols": symbols, "channels": channels})
    spec = {"sources": sources, "publishers": {"grpc": {}}, "sharding": {"legs": legs}}
    head = {"apiVersion": "marketfeed.dev/v1alpha1", "kind": "MarketFeed", "metadata": {"name": "feed"}}
    return plan(parse({**head, "spec": spec})).assignments


def opened(market: Market, assignment: Assignment) -> int:
    """Connections of a pool that is given all streams at once."""
    settings = Settings(assignment.limits, assignment.connects, (), 30.0, 5.0, legs=assignment.legs)
    exchange = Exchange()
    pool = Pool(market, exchange, exchange.streams, settings, lambda: 0.5, 0.0)
    wants = [
        Want(channel, tuple(Source(topic, topic_url(market, assignment.endpoint, topic)) for topic in topics))
        for streams in assignment.symbols
        for channel in streams.channels
        for topics in [market.topics(channel, streams.native, assignment.book_depth)]
    ]
    pool.want(dict(enumerate(wants)), 0.0)
    return len(pool)


@pytest.mark.parametrize("legs", [1, 2])
@pytest.mark.parametrize("market", catalogue.MARKETS.values(), ids=lambda m: f"{m.exchange} {m.name}")
def test_every_market_takes_the_connections_that_are_planned(market: Market, legs: int) -> None:
    candles = [c for c in market.channels if c.startswith("candles.")]
    everything = [c for c in market.channels if c not in candles[1:]]
    for groups in ([(200, everything)], [(200, ["trades", "book"])], [(60, ["trades"]), (60, everything)]):
        for assignment in planned(market, groups, legs):
            assert opened(market, assignment) == connections(assignment)


@pytest.mark.parametrize(("light", "deep"), [(240, 58), (480, 100), (100, 300), (600, 29)])
def test_deep_books_come_first_so_that_the_others_fill_what_they_leave(light: int, deep: int) -> None:
    okx = catalogue.market("okx", "spot")
    for assignment in planned(okx, [(light, ["trades", "bbo"]), (deep, ["book"])]):
        assert opened(okx, assignment) == connections(assignment)
