from __future__ import annotations

from dataclasses import replace

import pytest

from marketfeed.assignment import Assignment, EffectiveLimits, Share, SymbolStreams
from marketfeed.exchanges import catalogue
from marketfeed.exchanges.exchange import Limit, Market, Topic
from marketfeed.load import Load, Room, connections
from marketfeed.resource import Endpoint, Grpc, Publishers

BINANCE = catalogue.market("binance", "spot")


def room(topics: int, **limits: Limit) -> Room:
    return Room.of(replace(BINANCE.limits, **limits), topics)


def test_a_connection_holds_what_its_scarcest_limit_allows() -> None:
    assert Room(10).connections(Load(11)) == 2
    assert Room(10, 100).connections(Load(5, 301)) == 4
    assert Room(240, None, 29).connections(Load(100, 0, 30)) == 2
    assert Room(10).connections(Load()) == 0
    assert Room(10, 100, 2).share(Load(1, 50, 2)) == 1.0


def test_limits_that_cannot_be_reached_are_left_out() -> None:
    characters, deep = Limit(21_000, 21_000, ""), Limit(29, 29, "")
    assert room(10, topic_bytes=characters, deep_books=deep) == Room(10, 21_000, 29)
    assert room(10, topic_bytes=characters, deep_books=deep).without_rest(30) == Room(10)
    assert room(1000, topic_bytes=characters, deep_books=deep).without_rest(30) == Room(1000, 20_971, 29)
    assert Room(10).counted(Load(1, 30, 1)) == Load(1)


def topics(channel: str, native: str, depth: int | None) -> tuple[Topic, ...]:
    """Two channels that share a topic, one that has two at different paths, and one that serves all symbols."""
    if channel in {"bbo", "ticker"}:
        return (Topic(f"ticker:{native}", native, path="/a"),)
    if channel == "derivative":
        return Topic(f"mark:{native}", native, path="/a"), Topic(f"index:{native}", native, path="/b")
    return (Topic("liquidations", path="/a"),)


@pytest.fixture
def market(monkeypatch: pytest.MonkeyPatch) -> Market:
    found = replace(BINANCE, topics=topics)
    monkeypatch.setitem(catalogue.MARKETS, ("binance", "spot"), found)
    return found


def assignment(each: int, *channels: str, legs: int = 1) -> Assignment:
    symbols = tuple(SymbolStreams(symbol=f"{c}-USDT", native=f"{c}USDT", channels=channels) for c in "ABC")
    return Assignment(
        generation=1,
        feed="feed",
        shard="feed-binance-spot-0",
        exchange="binance",
        market="spot",
        symbols=symbols,
        endpoint=Endpoint(ws="ws://h"),
        limits=EffectiveLimits(streams_per_connection=each, messages_per_second=2),
        connects=Share(count=1, seconds=300),
        legs=legs,
        publishers=Publishers(grpc=Grpc()),
    )


@pytest.mark.usefixtures("market")
def test_a_topic_is_counted_once_whoever_needs_it() -> None:
    assert connections(assignment(3, "bbo", "ticker")) == 1
    assert connections(assignment(3, "bbo", "ticker", "liquidations")) == 2
    assert connections(assignment(4, "bbo", "ticker", "liquidations")) == 1


@pytest.mark.usefixtures("market")
def test_every_address_has_connections_of_its_own_and_every_leg() -> None:
    assert connections(assignment(3, "derivative")) == 2
    assert connections(assignment(2, "derivative", legs=2)) == 8
