from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from itertools import pairwise

import pytest
from rest_double import BansDouble, RestDouble

from marketfeed.exchanges.catalogue import MARKETS
from marketfeed.exchanges.exchange import Market
from marketfeed.grammar import Malformed
from marketfeed_shard.recovery.budget import Weights
from marketfeed_shard.recovery.calls import Calls
from marketfeed_shard.recovery.resync import REFUSED_S, SOCKET_S, Resync

REST_FIRST = MARKETS["binance", "spot"]
SOCKET_FIRST = MARKETS["bybit", "spot"]
STAND_IN = MARKETS["okx", "spot"]


class Bed:
    """Books of a market, in and out of sync as the test says."""

    def __init__(self, market: Market) -> None:
        self.rest = RestDouble()
        self.calls = Calls(market, self.rest, BansDouble())
        self.calls.allow(Weights(6000, 60.0))
        self.resync = Resync(market, self.calls, self, lambda: 0.5)
        self.now_s = 1000.0
        self.out: set[int] = set()
        self.acknowledged: set[int] = set()
        self.renewed: list[tuple[float, list[int]]] = []
        self.snapshots: list[bytes] = []
        self.takes = True

    def unsynced(self) -> Collection[int]:
        return self.out

    def subscribed(self) -> set[int]:
        return self.acknowledged

    def native(self, slot: int) -> str:
        return f"S{slot}USDT"

    def snapshot(self, slot: int, body: bytes, received_ns: int) -> bool:
        if body == b"<html>":
            raise Malformed("not JSON")
        self.snapshots.append(body)
        if self.takes:
            self.out.discard(slot)
        return self.takes

    def renew(self, slots: Collection[int], now_s: float) -> None:
        self.renewed.append((now_s, sorted(slots)))

    # ---- the test's hands --------------------------------------------------------------------------------------------

    def carry(self, *slots: int) -> None:
        self.out.update(slots)
        self.acknowledged.update(slots)
        self.run(0.0)

    def break_(self, *slots: int) -> None:
        self.out.update(slots)
        for slot in slots:
            self.resync.broken(slot)
        self.run(0.0)

    def run(self, seconds: float) -> None:
        """Let time pass, as the machine asks to be called."""
        end_s = self.now_s + seconds
        while True:
            due_s = min(self.resync.tick(self.now_s), self.calls.tick(self.now_s))
            if due_s > end_s:
                self.now_s = end_s
                return
            self.now_s = max(due_s, self.now_s + 0.001)

    def answer(self, body: bytes = b"{}", status: int = 200) -> None:
        self.rest.answer(self.calls, self.now_s, body, status)
        self.run(0.0)


def test_a_book_that_begins_with_rest_asks_when_its_stream_is_subscribed() -> None:
    bed = Bed(REST_FIRST)
    bed.out.add(1)
    bed.run(5.0)
    assert bed.rest.all == []
    bed.resync.depth = 100
    bed.carry(1)
    bed.run(0.3)
    assert len(bed.rest.all) == 1
    assert bed.rest.all[0].path == "/api/v3/depth?symbol=S1USDT&limit=100"
    bed.answer()
    bed.run(60.0)
    assert bed.snapshots == [b"{}"]
    assert len(bed.rest.all) == 1


def test_a_snapshot_that_is_too_old_is_fetched_again() -> None:
    bed = Bed(REST_FIRST)
    bed.takes = False
    bed.carry(1)
    bed.answer()
    bed.run(0.45)
    assert bed.rest.asked == {}
    bed.takes = True
    bed.run(0.1)
    bed.answer(b"newer")
    bed.run(60.0)
    assert len(bed.rest.all) == 2


def test_what_failed_is_tried_again_without_end_and_ever_more_rarely() -> None:
    bed = Bed(REST_FIRST)
    bed.carry(1)
    asked_s = []
    for _ in range(14):
        while not bed.rest.asked:
            bed.run(0.25)
        asked_s.append(bed.now_s)
        bed.answer(status=500)
    waits = [b - a for a, b in pairwise(asked_s)]
    assert waits == sorted(waits)
    assert 149.0 < waits[-1] < 151.0


@pytest.mark.parametrize("body", [b"<html>"])
def test_an_answer_that_is_no_book_is_one_that_failed(body: bytes) -> None:
    bed = Bed(REST_FIRST)
    bed.carry(1)
    bed.answer(body)
    bed.run(1.0)
    assert len(bed.rest.all) == 2


def test_a_symbol_that_the_exchange_does_not_know_is_asked_for_rarely() -> None:
    bed = Bed(REST_FIRST)
    bed.carry(1)
    bed.answer(b'{"code":-1121}', 400)
    bed.run(REFUSED_S - 1.0)
    assert len(bed.rest.all) == 1
    bed.run(2.0)
    assert len(bed.rest.all) == 2


def test_a_book_whose_snapshot_the_socket_brings_is_subscribed_again_when_it_breaks() -> None:
    bed = Bed(SOCKET_FIRST)
    bed.carry(1, 2, 3)
    bed.out.clear()
    bed.run(100.0)
    assert bed.renewed == []
    bed.break_(1, 3)
    bed.run(1.0)
    assert [slots for _, slots in bed.renewed] == [[1, 3]]
    assert bed.rest.all == []
    bed.out.clear()
    bed.run(100.0)
    assert len(bed.renewed) == 1


def test_a_first_snapshot_that_does_not_come_is_asked_for_after_a_while() -> None:
    bed = Bed(SOCKET_FIRST)
    bed.carry(1)
    bed.run(SOCKET_S - 0.5)
    assert bed.renewed == []
    bed.run(1.0)
    assert [slots for _, slots in bed.renewed] == [[1]]


def test_a_book_that_breaks_again_and_again_is_renewed_ever_more_rarely_and_hurts_no_other() -> None:
    bed = Bed(SOCKET_FIRST)
    bed.carry(1, 2)
    bed.out.clear()
    for _ in range(3600):
        if 1 not in bed.out:
            bed.break_(1)
        seen = len(bed.renewed)
        bed.run(1.0)
        if len(bed.renewed) > seen:
            bed.out.discard(1)
            bed.run(0.3)
    renewals = Counter(slot for _, slots in bed.renewed for slot in slots)
    assert renewals[1] < 60
    bed.break_(2)
    begun_s = bed.now_s
    bed.run(1.0)
    renewed_s, slots = bed.renewed[-1]
    assert slots == [2]
    assert renewed_s == pytest.approx(begun_s + 0.5, abs=0.1)


def test_a_book_that_breaks_right_after_its_snapshot_waits_before_the_next() -> None:
    bed = Bed(REST_FIRST)
    bed.carry(1)
    for _ in range(10):
        while not bed.rest.asked:
            bed.run(0.25)
        bed.answer()
        bed.break_(1)
    assert bed.now_s > 1000.0 + 200.0


def test_a_book_that_was_well_for_a_while_is_repaired_at_once_again() -> None:
    bed = Bed(SOCKET_FIRST)
    bed.carry(1)
    bed.out.clear()
    for _ in range(5):
        bed.run(100.0)
        bed.break_(1)
        seen = len(bed.renewed)
        bed.run(1.0)
        assert len(bed.renewed) == seen + 1
        bed.out.clear()


def test_rest_stands_in_where_the_socket_does_not_bring_its_snapshot() -> None:
    bed = Bed(STAND_IN)
    bed.carry(1)
    bed.run(2.5)
    assert bed.rest.all == []
    bed.run(1.0)
    assert bed.rest.paths == ["/api/v5/market/books?instId=S1USDT&sz=400"]
    bed.answer()
    bed.run(100.0)
    bed.break_(1)
    bed.run(1.0)
    assert [slots for _, slots in bed.renewed] == [[1]]
    assert len(bed.rest.all) == 1
    bed.run(3.0)
    assert len(bed.rest.all) == 2


def test_a_book_whose_connection_goes_waits_for_the_next_one() -> None:
    bed = Bed(REST_FIRST)
    bed.carry(1)
    (number,) = bed.rest.asked
    bed.acknowledged.clear()
    bed.run(1.0)
    assert bed.rest.cancelled == [number]
    bed.acknowledged.add(1)
    bed.run(1.0)
    assert len(bed.rest.all) == 2


def test_a_book_that_is_not_wanted_any_more_asks_for_nothing() -> None:
    bed = Bed(REST_FIRST)
    bed.carry(1)
    (number,) = bed.rest.asked
    bed.resync.forget([1])
    bed.out.clear()
    bed.run(10.0)
    assert bed.rest.cancelled == [number]
    assert len(bed.rest.all) == 1


def test_without_a_budget_books_wait() -> None:
    bed = Bed(REST_FIRST)
    bed.calls.allow(None)
    bed.carry(1)
    bed.run(100.0)
    assert bed.rest.all == []
