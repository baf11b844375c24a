"""Plans of every market that the catalogue has: limits are kept, whatever an exchange counts."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from marketfeed.demand import demand
from marketfeed.exchanges import catalogue
from marketfeed.exchanges.exchange import Limit, Market
from marketfeed.load import Load, connections, load_of, topics
from marketfeed.planner import Plan, plan
from marketfeed.problem import NotAccepted
from marketfeed.resource import Endpoint, MarketFeed
from marketfeed.validation import parse
from marketfeed.wanted import wanted

ENDS = {"spot": "USDT", "linear": "USDT-PERP", "inverse": "USD-PERP"}
EVERY = pytest.mark.parametrize("market", catalogue.MARKETS.values(), ids=lambda m: f"{m.exchange} {m.name}")


def some_channels(market: Market) -> list[str]:
    """All of a market; of its candles those of one interval."""
    candles = [c for c in market.channels if c.startswith("candles.")]
    return [c for c in market.channels if c not in candles[1:]]


def feed(market: Market, count: int, channels: list[str] | None = None, **fields: Any) -> MarketFeed:
    spec = {"sharding": fields.pop("sharding", {}), "publishers": {"grpc": {}}}
    source = {
        "exchange": market.exchange,
        "market": market.name,
        "symbols": [f"S{i}-{ENDS[market.name]}" for i in range(count)],
        "channels": channels or some_channels(market),
        **fields,
    }
    head = {"apiVersion": "marketfeed.dev/v1alpha1", "kind": "MarketFeed", "metadata": {"name": "feed"}}
    return parse({**head, "spec": {**spec, "sources": [source]}})


def streams(result: Plan) -> Counter[tuple[str, str]]:
    return Counter((s.symbol, channel) for a in result.assignments for s in a.symbols for channel in s.channels)


@EVERY
@pytest.mark.parametrize("legs", [1, 2])
def test_every_stream_is_planned_once_and_no_shard_has_more_connections_than_it_may(market: Market, legs: int) -> None:
    most = int(market.limits.connections_per_shard.default)
    result = plan(feed(market, 300, sharding={"legs": legs}))
    assert set(streams(result).values()) == {1}
    assert len(streams(result)) == 300 * len(some_channels(market))
    for assignment in result.assignments:
        assert connections(assignment) <= most


@EVERY
def test_connections_hold_no_more_than_an_exchange_allows(market: Market) -> None:
    """Filled as far as they go, by topics in any order."""
    ceiling = int(market.limits.streams_per_connection.ceiling)
    for assignment in plan(feed(market, 500, limits={"streamsPerConnection": ceiling})).assignments:
        by_url: dict[str, dict[str, Load]] = {}
        for s in assignment.symbols:
            for url, topic in topics(market, Endpoint(), s.native, s.channels, None):
                by_url.setdefault(url, {})[topic.name] = load_of(topic)
        total = sum((load for loads in by_url.values() for load in loads.values()), Load())
        there = connections(assignment)
        assert total.topics <= there * ceiling
        bytes_, deep = market.limits.topic_bytes, market.limits.deep_books
        assert bytes_ is None or total.characters <= there * bytes_.default
        assert deep is None or total.deep <= there * deep.default


@EVERY
def test_parts_of_all_shards_add_up_to_no_more_than_one_address_may(market: Market) -> None:
    assignments = plan(feed(market, 300)).assignments
    limits = market.limits
    attempts = sum(a.connects.count * 300 / a.connects.seconds for a in assignments)
    assert attempts <= limits.connects_per_5_minutes.default
    bursts = [a.connects_burst for a in assignments if a.connects_burst is not None]
    assert (limits.connects is None) == (not bursts)
    if limits.connects is not None:
        assert sum(b.count / b.seconds for b in bursts) <= limits.connects.count / limits.connects.seconds
    calls = [a.rest for a in assignments if a.rest is not None]
    assert len(calls) == len(assignments)
    assert sum(c.count / c.seconds for c in calls) <= 0.8 * limits.rest.count / limits.rest.seconds * 1.001


def test_a_topic_that_all_symbols_share_is_counted_once_a_shard_and_one_that_few_share_with_each() -> None:
    okx = catalogue.market("okx", "linear")
    (group,) = wanted(feed(okx, 30, ["liquidations", "derivative"]), {}, ()).groups
    _, items = demand(feed(okx, 1).spec.sharding, group)
    assert {tuple(name for _, name, _ in item.shared) for item in items.values()} == {("liquidation-orders:SWAP",)}
    assert {item.size for item in items.values()} == {5}
    assert connections(plan(feed(okx, 30, ["liquidations"])).assignments[0]) == 1


def test_a_thousand_symbols_with_topics_of_their_own_kind_are_planned() -> None:
    assert len(streams(plan(feed(catalogue.market("okx", "linear"), 1000, ["derivative"])))) == 1000


def test_deep_books_of_okx_take_the_connections_that_they_need() -> None:
    okx = catalogue.market("okx", "spot")
    (assignment,) = plan(feed(okx, 58, ["book"], sharding={"connectionsPerShard": 2})).assignments
    assert connections(assignment) == 2
    assert len(plan(feed(okx, 59, ["book"], sharding={"connectionsPerShard": 2})).assignments) == 2


def test_more_connections_than_one_address_may_have_open_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    binance = catalogue.market("binance", "spot")
    limits = replace(binance.limits, connections_per_address=Limit(2, 2, ""))
    monkeypatch.setitem(catalogue.MARKETS, ("binance", "spot"), replace(binance, limits=limits))
    each = {"limits": {"streamsPerConnection": 10}}
    plan(feed(binance, 20, ["trades"], **each))
    with pytest.raises(NotAccepted, match="3 connections to binance spot are more than the 2 that it allows one address") as e:
        plan(feed(binance, 21, ["trades"], **each))
    assert e.value.problems[0].code == "AddressBudgetExceeded"
