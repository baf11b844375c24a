from __future__ import annotations

from collections import Counter

import pytest
from rest_double import BansDouble, RestDouble

from marketfeed.exchanges.catalogue import MARKETS
from marketfeed.exchanges.message import Message
from marketfeed.grammar import Malformed
from marketfeed_shard.recovery.budget import Weights
from marketfeed_shard.recovery.calls import Calls
from marketfeed_shard.recovery.polls import REFUSED_S, Polls

MARKET = MARKETS["binance", "linear"]
(POLL,) = MARKET.polls


class Bed:
    """Polls of open interest, every call answered at once unless the test does it."""

    def __init__(self, budget: int = 2400) -> None:
        self.rest = RestDouble()
        self.calls = Calls(MARKET, self.rest, BansDouble())
        self.calls.allow(Weights(budget, 60.0))
        self.polls = Polls(MARKET, self.calls, self)
        self.now_s = 1000.0
        self.published: list[tuple[int, bytes]] = []
        self.answers = True

    def native(self, slot: int) -> str:
        return f"S{slot}"

    def publish(self, slot: int, message: Message, body: bytes, received_ns: int) -> None:
        assert message is POLL.message
        if body == b"<html>":
            raise Malformed("not JSON")
        self.published.append((slot, body))

    def run(self, seconds: float) -> None:
        end_s = self.now_s + seconds
        while self.now_s < end_s:
            due_s = min(self.polls.tick(self.now_s), self.calls.tick(self.now_s))
            if self.answers:
                while self.rest.asked:
                    self.rest.answer(self.calls, self.now_s)
            self.now_s = min(max(due_s, self.now_s + 0.001), end_s)

    def asked(self) -> Counter[str]:
        return Counter(call.path.rsplit("=", 1)[1] for call in self.rest.all)


def test_every_stream_has_its_turn_once_a_period_evenly_spread() -> None:
    bed = Bed()
    bed.polls.carry("derivative", range(20))
    times = []
    for _ in range(20):
        before = len(bed.rest.all)
        while len(bed.rest.all) == before:
            bed.run(0.01)
        times.append(bed.now_s)
    assert bed.asked() == {f"S{slot}": 1 for slot in range(20)}
    assert times[-1] - times[0] == pytest.approx(19 * POLL.every_s / 20, rel=0.1)
    assert sorted(slot for slot, _ in bed.published) == list(range(20))


def test_a_small_budget_makes_polls_rarer_and_starves_no_stream() -> None:
    bed = Bed(budget=24)
    bed.polls.carry("derivative", range(10))
    bed.run(600.0)
    counts = bed.asked()
    assert set(counts) == {f"S{slot}" for slot in range(10)}
    assert sum(counts.values()) <= 12 * 11
    assert max(counts.values()) - min(counts.values()) <= 1


def test_an_answer_that_does_not_come_holds_no_other_poll_back() -> None:
    bed = Bed()
    bed.answers = False
    bed.polls.carry("derivative", range(5))
    bed.run(POLL.every_s)
    assert len(bed.rest.all) >= 5


def test_a_symbol_that_is_refused_is_asked_for_rarely_and_the_others_as_before() -> None:
    bed = Bed()
    bed.answers = False
    bed.polls.carry("derivative", [1, 2])
    for _ in range(2):
        while not bed.rest.asked:
            bed.run(0.1)
        refused = "S1" in bed.rest.paths[0]
        bed.rest.answer(bed.calls, bed.now_s, status=400 if refused else 200)
    bed.answers = True
    bed.run(REFUSED_S - 30.0)
    assert bed.asked()["S1"] == 1
    assert bed.asked()["S2"] > 20
    bed.run(60.0)
    assert bed.asked()["S1"] > 1


def test_an_answer_that_cannot_be_read_publishes_nothing() -> None:
    bed = Bed()
    bed.answers = False
    bed.polls.carry("derivative", [1])
    bed.run(0.1)
    bed.rest.answer(bed.calls, bed.now_s, b"<html>")
    assert bed.published == []


def test_a_stream_that_is_gone_is_not_asked_for_and_its_answer_not_published() -> None:
    bed = Bed()
    bed.answers = False
    bed.polls.carry("derivative", [1])
    bed.run(0.1)
    bed.polls.carry("derivative", [])
    bed.rest.answer(bed.calls, bed.now_s)
    bed.run(60.0)
    assert bed.published == []
    assert len(bed.rest.all) == 1
    assert bed.polls.tick(bed.now_s) == float("inf")


def test_a_market_without_polls_asks_for_nothing() -> None:
    bed = Bed()
    polls = Polls(MARKETS["binance", "spot"], bed.calls, bed)
    polls.carry("trades", [1])
    assert polls.channels == set()
    assert polls.tick(0.0) == float("inf")
