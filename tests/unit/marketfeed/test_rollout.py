from __future__ import annotations

import pytest
from assignments import assignment

from marketfeed.assignment import Assignment, EffectiveLimits, Share, SymbolStreams
from marketfeed.exchanges import catalogue
from marketfeed.resource import Endpoint, Grpc, Proxy, Publishers, Watchdog
from marketfeed.rollout import rollout, starts_anew


def test_shards_that_give_something_up_come_before_those_that_get_it() -> None:
    running = {a.shard: a for a in (assignment(0, "AB"), assignment(1, "C"), assignment(2, "D"), assignment(3, "E"))}
    steps = rollout(running, [assignment(0, "A"), assignment(1, "BC"), assignment(2, "D"), assignment(4, "F")])
    assert steps.stop == ("feed-binance-spot-3",)
    assert [a.shard[-1] for a in steps.first] == ["0"]
    assert [a.shard[-1] for a in steps.then] == ["1"]
    assert [a.shard[-1] for a in steps.start] == ["4"]


def test_a_lower_share_of_attempts_is_handed_out_before_a_new_shard_gets_the_rest() -> None:
    running = {a.shard: a for a in (assignment(0, attempts=300),)}
    steps = rollout(running, [assignment(0, attempts=150), assignment(1, "C", attempts=150)])
    assert [a.shard[-1] for a in steps.first] == ["0"]
    assert [a.shard[-1] for a in steps.start] == ["1"]


@pytest.mark.parametrize("kind", ["connects_burst", "rest"])
def test_every_share_is_lowered_before_another_shard_has_more_of_it(kind: str) -> None:
    def having(number: int, symbols: str, count: int) -> Assignment:
        return assignment(number, symbols).model_copy(update={kind: Share(count=count, seconds=60)})

    running = {a.shard: a for a in (having(0, "A", 10), having(1, "B", 10))}
    steps = rollout(running, [having(0, "A", 5), having(1, "B", 15)])
    assert [a.shard[-1] for a in steps.first] == ["0"]
    assert [a.shard[-1] for a in steps.then] == ["1"]


def test_other_turns_are_known_before_a_new_shard_takes_one() -> None:
    def taking(number: int, turn_s: float, period_s: float) -> Assignment:
        share = Share(count=1, seconds=600, turn_s=turn_s, period_s=period_s)
        return assignment(number, "ABC"[number]).model_copy(update={"connects": share})

    running = {a.shard: a for a in (taking(0, 0.0, 600.7), taking(1, 300.35, 600.7))}
    steps = rollout(running, [taking(0, 0.0, 600.7), taking(1, 200.233, 600.7), taking(2, 400.467, 600.7)])
    assert [a.shard[-1] for a in steps.first] == ["1"]
    assert [a.shard[-1] for a in steps.start] == ["2"]


def test_markets_of_one_exchange_wait_for_each_other_s_shares() -> None:
    linear = assignment(1, "B", attempts=100).model_copy(update={"market": "linear", "shard": "feed-binance-linear-0"})
    more = linear.model_copy(update={"connects": Share(count=150, seconds=300), "symbols": ()})
    running = {a.shard: a for a in (assignment(0, "A", attempts=100), linear)}
    steps = rollout(running, [assignment(0, "A", attempts=50), more])
    assert [a.connects.count for a in steps.first] == [50, 100]
    assert [a.connects.count for a in steps.then] == [150]


def test_symbols_shares_backfill_depth_and_the_watchdog_restart_nothing() -> None:
    share = Share(count=1, seconds=1)
    changes = {"watchdog": Watchdog(stale_after=9), "rest": share, "connects_burst": share, "backfill": False, "book_depth": 50}
    other = assignment(0, "AXYZ", attempts=5).model_copy(update={"generation": 7, **changes})
    assert not starts_anew(assignment(), other)


@pytest.mark.parametrize(
    "change",
    [
        {"publishers": Publishers(grpc=Grpc(port=9191))},
        {"endpoint": Endpoint(ws="ws://localhost:1")},
        {"transport": "websockets"},
        {"legs": 2},
        {"proxy": Proxy(url="http://localhost:1")},
        {"limits": EffectiveLimits(streams_per_connection=10, messages_per_second=2)},
        {"symbols": (SymbolStreams(symbol="A-USDT", native="OTHER", channels=("trades",)),)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_a_running_shard_cannot_take_starts_it_anew(change: dict[str, object]) -> None:
    assert starts_anew(assignment(), assignment().model_copy(update=change))


def test_only_where_all_books_are_cut_alike_another_depth_starts_a_shard_anew() -> None:
    def cut(depth: int | None) -> Assignment:
        return assignment().model_copy(update={"exchange": "kraken", "book_depth": depth})

    assert starts_anew(cut(10), cut(100))
    assert not starts_anew(cut(60), cut(100))  # both are 100 levels
    assert not starts_anew(cut(None), cut(catalogue.market("kraken", "spot").default_depth))


def test_a_shard_that_gives_and_gets_gives_first() -> None:
    running = {a.shard: a for a in (assignment(0, "AB", attempts=100), assignment(1, "C", attempts=100))}
    steps = rollout(running, [assignment(0, "AC", attempts=150), assignment(1, "B", attempts=50)])
    assert [[s.symbol for s in a.symbols] for a in steps.first] == [["A-USDT"], []]
    assert [a.connects.count for a in steps.first] == [100, 50]
    assert [[s.symbol for s in a.symbols] for a in steps.then] == [["A-USDT", "C-USDT"], ["B-USDT"]]
    assert [a.generation for a in (*steps.first, *steps.then)] == [1, 1, 2, 2]


def test_what_nobody_else_has_is_had_at_once() -> None:
    """A symbol in the place of another one."""
    running = {a.shard: a for a in (assignment(0, "AB", attempts=100), assignment(1, "C"))}
    steps = rollout(running, [assignment(0, "AD", attempts=100), assignment(1, "C")])
    assert [[s.symbol for s in a.symbols] for a in steps.first] == [["A-USDT", "D-USDT"]]
    assert steps.then == ()
