from __future__ import annotations

import pytest
from assignments import assignment

from marketfeed.assignment import EffectiveLimits, SymbolStreams
from marketfeed.resource import Endpoint, Grpc, Publishers, Watchdog
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


def test_symbols_shares_and_the_watchdog_restart_nothing() -> None:
    other = assignment(0, "AXYZ", attempts=5).model_copy(update={"generation": 7, "watchdog": Watchdog(stale_after=9)})
    assert not starts_anew(assignment(), other)


@pytest.mark.parametrize(
    "change",
    [
        {"publishers": Publishers(grpc=Grpc(port=9191))},
        {"endpoint": Endpoint(ws="ws://localhost:1")},
        {"transport": "websockets"},
        {"limits": EffectiveLimits(streams_per_connection=10, messages_per_second=2)},
        {"symbols": (SymbolStreams(symbol="A-USDT", native="OTHER", channels=("trades",)),)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_a_running_shard_cannot_take_starts_it_anew(change: dict[str, object]) -> None:
    assert starts_anew(assignment(), assignment().model_copy(update=change))


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
