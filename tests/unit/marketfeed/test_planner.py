from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as run_with
from hypothesis import strategies as st

from marketfeed.assignment import Assignment
from marketfeed.exchanges import catalogue
from marketfeed.planner import Plan, number_of, plan, shard_name
from marketfeed.problem import NotAccepted
from marketfeed.resource import MarketFeed
from marketfeed.selection import ListAddress, Listing
from marketfeed.symbols import Instrument
from marketfeed.validation import parse

BINANCE = catalogue.market("binance", "spot")
CHANNELS = ("trades", "bbo", "book", "ticker")


def source(symbols: list[str], *channels: str, **others: Any) -> dict[str, Any]:
    return {"exchange": "binance", "market": "spot", "symbols": symbols, "channels": list(channels or ("trades",)), **others}


def feed(*sources: dict[str, Any], name: str = "feed", **spec: Any) -> MarketFeed:
    return parse(
        {
            "apiVersion": "marketfeed.dev/v1alpha1",
            "kind": "MarketFeed",
            "metadata": {"name": name},
            "spec": {"sources": list(sources), "publishers": {"grpc": {}}, **spec},
        }
    )


def names(count: int, start: int = 0) -> list[str]:
    return [f"S{i}-USDT" for i in range(start, start + count)]


def homes(result: Plan) -> dict[str, str]:
    return {s.symbol: a.shard for a in result.assignments for s in a.symbols}


def streams(result: Plan) -> Counter[tuple[str, str]]:
    return Counter((s.symbol, channel) for a in result.assignments for s in a.symbols for channel in s.channels)


@st.composite
def feeds(draw: st.DrawFn) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Sources and spec of a feed whose limits are so tight that it has several shards."""
    limits = {"streamsPerConnection": draw(st.integers(4, 8))}
    symbols = draw(st.lists(st.integers(0, 60), min_size=1, max_size=40, unique=True))
    cut = draw(st.integers(0, len(symbols)))
    parts = [part for part in (symbols[:cut], symbols[cut:]) if part]
    sources = [
        source(
            [f"S{i}-USDT" for i in part],
            *draw(st.lists(st.sampled_from(CHANNELS), min_size=1, max_size=4, unique=True)),
            limits=limits,
            **({"bookDepth": 50} if draw(st.booleans()) else {}),
        )
        for part in parts
    ]
    sharding: dict[str, Any] = {"connectionsPerShard": draw(st.integers(1, 3))}
    if draw(st.booleans()):
        sharding["maxMessagesPerSecond"] = draw(st.integers(30, 90))
    return sources, {"sharding": sharding}


@given(feeds())
def test_every_wanted_stream_is_in_exactly_one_shard(drawn: tuple[list[dict[str, Any]], dict[str, Any]]) -> None:
    sources, spec = drawn
    wanted = Counter((symbol, c) for s in sources for symbol in s["symbols"] for c in s["channels"])
    assert streams(plan(feed(*sources, **spec))) == wanted


@given(feeds())
def test_no_limit_is_exceeded_and_attempts_add_up_to_the_budget(drawn: tuple[list[dict[str, Any]], dict[str, Any]]) -> None:
    sources, spec = drawn
    result = plan(feed(*sources, **spec))
    for assignment in result.assignments:
        channels = [c for s in assignment.symbols for c in s.channels]
        each = assignment.limits.streams_per_connection
        assert each == sources[0]["limits"]["streamsPerConnection"]
        assert -(-len(channels) // each) <= spec["sharding"]["connectionsPerShard"]
        most = spec["sharding"].get("maxMessagesPerSecond")
        assert most is None or sum(BINANCE.rates[c] for c in channels) <= most
    assert sum(a.connects.count * 300 / a.connects.seconds for a in result.assignments) <= 300


@given(feeds(), st.randoms(use_true_random=False))
def test_the_same_feed_has_the_same_plan(drawn: tuple[list[dict[str, Any]], dict[str, Any]], random: Any) -> None:
    sources, spec = drawn
    result = plan(feed(*sources, **spec))
    for s in sources:
        random.shuffle(s["symbols"])
    again = plan(feed(*sources, **spec))
    assert again == result
    assert plan(feed(*sources, **spec), previous=result.assignments) == result


@given(feeds(), st.integers(1, 12))
def test_adding_symbols_moves_no_other(drawn: tuple[list[dict[str, Any]], dict[str, Any]], count: int) -> None:
    sources, spec = drawn
    before = plan(feed(*sources, **spec))
    sources[0]["symbols"] += names(count, start=100)
    after = plan(feed(*sources, **spec), previous=before.assignments)
    assert homes(before).items() <= homes(after).items()
    shards = [a.shard for a in after.assignments]
    assert len(set(shards)) == len(shards)


@given(feeds(), st.data())
def test_removing_symbols_moves_no_other(drawn: tuple[list[dict[str, Any]], dict[str, Any]], data: st.DataObject) -> None:
    sources, spec = drawn
    before = plan(feed(*sources, **spec))
    for s in sources:
        s["symbols"] = [symbol for symbol in s["symbols"] if data.draw(st.booleans(), symbol)] or s["symbols"]
    after = plan(feed(*sources, **spec), previous=before.assignments)
    assert homes(after).items() <= homes(before).items()
    assert all(a.symbols for a in after.assignments)


@given(feeds(), st.integers(4, 8))
def test_a_changed_limit_is_kept_and_only_what_no_longer_fits_moves(
    drawn: tuple[list[dict[str, Any]], dict[str, Any]], limit: int
) -> None:
    sources, spec = drawn
    before = plan(feed(*sources, **spec))
    old = sources[0]["limits"]["streamsPerConnection"]
    for s in sources:
        s["limits"] = {"streamsPerConnection": limit}
    after = plan(feed(*sources, **spec), previous=before.assignments)
    assert streams(after) == streams(before)
    for assignment in after.assignments:
        count = sum(len(s.channels) for s in assignment.symbols)
        assert -(-count // limit) <= spec["sharding"]["connectionsPerShard"]
    if limit >= old:
        assert homes(after) == homes(before)


@given(st.integers(1, 300), st.integers(1, 4), st.integers(1, 3))
def test_a_fresh_plan_has_as_few_shards_as_can_be(symbols: int, channels: int, connections: int) -> None:
    result = plan(
        feed(
            source(names(symbols), *CHANNELS[:channels], limits={"streamsPerConnection": 12}),
            sharding={"connectionsPerShard": connections},
        )
    )
    assert len(result.assignments) == -(-symbols // (12 * connections // channels))


@run_with(deadline=None)
@given(st.integers(2, 400))
def test_shards_are_balanced_by_expected_messages(symbols: int) -> None:
    busy = source(names(symbols), "trades", "bbo")
    calm = source(names(symbols, start=1000), "trades")
    result = plan(feed(busy, calm, sharding={"connectionsPerShard": 1}), None)
    rates = [sum(BINANCE.rates[c] for s in a.symbols for c in s.channels) for a in result.assignments]
    assert max(rates) - min(rates) <= 18.0


def test_all_channels_of_a_symbol_are_in_one_shard_in_the_market_s_order() -> None:
    result = plan(feed(source(["A-USDT", "B-USDT"], "bbo"), source(["A-USDT"], "trades", "candles.1m")))
    assert [(s.symbol, s.native, s.channels) for s in result.assignments[0].symbols] == [
        ("A-USDT", "AUSDT", ("trades", "bbo", "candles.1m")),
        ("B-USDT", "BUSDT", ("bbo",)),
    ]


def test_sources_with_other_settings_share_no_shard() -> None:
    other = {"ws": "ws://127.0.0.1:1", "rest": "http://127.0.0.1:1"}
    result = plan(feed(source(["A-USDT"]), source(["B-USDT"], endpoint=other), source(["C-USDT"])))
    assert [[s.symbol for s in a.symbols] for a in result.assignments] == [["A-USDT", "C-USDT"], ["B-USDT"]]
    assert [a.shard for a in result.assignments] == ["feed-binance-spot-0", "feed-binance-spot-1"]
    assert result.assignments[1].endpoint.ws == other["ws"]


def test_a_changed_endpoint_moves_nothing() -> None:
    sharding = {"sharding": {"connectionsPerShard": 1}}
    limits = {"limits": {"streamsPerConnection": 2}}
    before = plan(feed(source(names(5), **limits), **sharding))
    after = plan(feed(source(names(5), endpoint={"ws": "ws://localhost:1"}, **limits), **sharding), None, before.assignments)
    assert homes(after) == homes(before)
    assert [a.generation for a in after.assignments] == [2, 2, 2]


def test_a_shard_keeps_its_number_when_one_before_it_goes() -> None:
    limits = {"limits": {"streamsPerConnection": 2}}
    sharding = {"sharding": {"connectionsPerShard": 1}}
    before = plan(feed(source(names(6), **limits), **sharding))
    first = {s.symbol for s in before.assignments[0].symbols}
    left = [symbol for symbol in names(6) if symbol not in first]
    after = plan(feed(source(left, **limits), **sharding), None, before.assignments)
    assert [number_of(a.shard) for a in after.assignments] == [1, 2]
    again = plan(feed(source(left + names(1, start=50), **limits), **sharding), None, after.assignments)
    assert [number_of(a.shard) for a in again.assignments] == [0, 1, 2]


def test_the_generation_rises_where_something_changed_and_only_there() -> None:
    limits = {"limits": {"streamsPerConnection": 2}}
    sharding = {"sharding": {"connectionsPerShard": 1}}
    before = plan(feed(source(names(4), **limits), **sharding))
    assert [a.generation for a in before.assignments] == [1, 1]
    removed = before.assignments[1].symbols[0].symbol
    left = [symbol for symbol in names(4) if symbol != removed]
    after = plan(feed(source(left, **limits), **sharding), None, before.assignments)
    assert [a.generation for a in after.assignments] == [1, 2]


def test_a_shard_s_name_has_at_most_52_characters_and_tells_long_feeds_apart() -> None:
    assert shard_name("feed", "binance", "spot", 3) == "feed-binance-spot-3"
    long = "a" * 40
    one, other = shard_name(long, "binance", "spot", 0), shard_name(long[:-1] + "b", "binance", "spot", 0)
    assert one != other
    assert len(shard_name(long, "binance", "spot", 9999)) <= 52
    assert shard_name(long, "binance", "spot", 9999).rpartition("-")[0] == one.rpartition("-")[0]


def test_attempts_are_shared_out_and_may_be_one_in_ten_minutes_but_no_less() -> None:
    def planned(shards: int) -> Plan:
        limits = {"streamsPerConnection": 1, "connectsPer5Minutes": 3}
        return plan(feed(source(names(shards), limits=limits), sharding={"connectionsPerShard": 1}))

    assert {(a.connects.count, a.connects.seconds) for a in planned(1).assignments} == {(3, 300.0)}
    assert {(a.connects.count, a.connects.seconds) for a in planned(2).assignments} == {(1, 300.0)}
    assert {(a.connects.count, a.connects.seconds) for a in planned(6).assignments} == {(1, 600.0)}
    with pytest.raises(NotAccepted) as refused:
        planned(7)
    assert refused.value.problems[0].code == "AddressBudgetExceeded"


@pytest.mark.parametrize(("shards", "attempts"), [(4, 3), (6, 3), (2, 1), (17, 10), (20, 10)])
def test_shards_that_are_more_than_attempts_take_turns_and_no_five_minutes_have_too_many(shards: int, attempts: int) -> None:
    limits = {"streamsPerConnection": 1, "connectsPer5Minutes": attempts}
    planned = plan(feed(source(names(shards), limits=limits), sharding={"connectionsPerShard": 1}))
    turns = []
    for assignment in planned.assignments:
        share = assignment.connects
        assert share.turn_s is not None
        assert share.period_s is not None
        assert 600.0 <= share.period_s < 601.0
        turns += [share.turn_s + n * share.period_s for n in range(4)]
    turns.sort()
    for first, beyond in zip(turns, turns[attempts:], strict=False):
        assert beyond - first > 300.0


def test_a_symbol_that_no_shard_can_hold_is_refused() -> None:
    with pytest.raises(NotAccepted, match=r"2 topics of A-USDT do not fit one shard"):
        plan(feed(source(["A-USDT"], "trades", "bbo", limits={"streamsPerConnection": 1}), sharding={"connectionsPerShard": 1}))
    with pytest.raises(NotAccepted, match=r"spec\.sharding\.maxMessagesPerSecond: is 10, and A-USDT alone"):
        plan(feed(source(["A-USDT"], "trades", "bbo"), sharding={"maxMessagesPerSecond": 10}))


def test_with_a_list_unknown_symbols_are_left_out_and_named() -> None:
    wanted = feed(source(["A-USDT", "B-USDT"]))
    listing = Listing.of([Instrument("A-USDT", "ausdt-native", "A", "USDT", "TRADING", True)])
    result = plan(wanted, {ListAddress.of(wanted.spec.sources[0]): listing})
    assert [(s.symbol, s.native) for a in result.assignments for s in a.symbols] == [("A-USDT", "ausdt-native")]
    assert result.unknown == ("binance spot B-USDT",)


def selecting(**selector: Any) -> dict[str, Any]:
    return {"exchange": "binance", "market": "spot", "symbolSelector": selector, "channels": ["trades"]}


def test_a_selector_waits_for_a_list_and_keeps_what_it_had_meanwhile() -> None:
    wanted = feed(selecting(quote=["USDT"]))
    assert plan(wanted).waiting == ("spec.sources[0].symbolSelector",)
    assert plan(wanted).assignments == ()
    listing = Listing.of([Instrument(f"{b}-USDT", f"{b}USDT", b, "USDT", "TRADING", True) for b in "AB"])
    had = plan(wanted, {ListAddress.of(wanted.spec.sources[0]): listing})
    assert homes(plan(wanted, None, had.assignments)) == homes(had)


@pytest.mark.parametrize("settings", [{}, {"bookDepth": 50}], ids=["same settings", "other settings"])
def test_what_a_selector_and_a_source_both_want_is_in_the_plan_once(settings: dict[str, Any]) -> None:
    wanted = feed(source(["A-USDT"], **settings), selecting(quote=["USDT"]))
    listing = Listing.of([Instrument(f"{b}-USDT", f"{b}USDT", b, "USDT", "TRADING", True) for b in "AB"])
    result = plan(wanted, {ListAddress.of(s): listing for s in wanted.spec.sources})
    assert streams(result) == {("A-USDT", "trades"): 1, ("B-USDT", "trades"): 1}


def test_shards_of_another_feed_are_none_of_ours() -> None:
    others = plan(feed(source(["A-USDT"]), name="other")).assignments
    result = plan(feed(source(["A-USDT"])), None, others)
    assert [a.shard for a in result.assignments] == ["feed-binance-spot-0"]
    assert result.assignments[0].generation == 1


def test_an_assignment_survives_its_file() -> None:
    assignment = plan(feed(source(names(3), "trades", "bbo"))).assignments[0]
    assert Assignment.loads(assignment.dumps()) == assignment


def test_every_shard_s_size_has_a_reason() -> None:
    result = plan(feed(source(names(5), limits={"streamsPerConnection": 2}), sharding={"connectionsPerShard": 1}))
    assert set(result.reasons) == {a.shard for a in result.assignments}
    assert "a shard holds 2 topics (1 connection × 2)" in result.reasons["feed-binance-spot-0"]
