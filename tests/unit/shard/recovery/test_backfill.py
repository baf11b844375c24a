from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rest_double import BansDouble, RestDouble

from marketfeed.exchanges.catalogue import MARKETS
from marketfeed.exchanges.exchange import Market
from marketfeed.exchanges.message import Message
from marketfeed.normalizer import Data, Normalizer, Row
from marketfeed_shard.recovery.backfill import LONGEST_WAIT_S, Backfill, Missing
from marketfeed_shard.recovery.budget import Weights
from marketfeed_shard.recovery.calls import Calls
from marketfeed_shard.recovery.pages import Lost, Outcome

SPOT = MARKETS["binance", "spot"]
OKX = MARKETS["okx", "spot"]
BYBIT = MARKETS["bybit", "linear"]


class Bed:
    """Backfill of one stream, with the REST client and the clock under the test's hands."""

    def __init__(self, market: Market = SPOT, budget: int | None = 6000) -> None:
        self.rest = RestDouble()
        self.calls = Calls(market, self.rest, BansDouble())
        self.calls.allow(None if budget is None else Weights(budget, 60.0))
        self.backfill = Backfill(market, self.calls, self)
        self.now_s = 1000.0
        self.first: list[Row] = []
        """Of the message that waits."""
        self.went_out: set[str] = set()
        self.results: list[tuple[float, list[Any]]] = []
        """(when, what was published: ids, or bounds of what is lost)"""
        self._normalizer = Normalizer(market, lambda native: "A-USDT")

    # ---- Streams -----------------------------------------------------------------------------------------------------

    def native(self, slot: int) -> str:
        return "AUSDT"

    def rows(self, slot: int, message: Message, body: bytes) -> list[Row]:
        return self._normalizer.body(message, "A-USDT", body)

    def waiting(self, slot: int) -> list[Row]:
        return self.first

    def published(self, slot: int, identifier: str) -> bool:
        return identifier in self.went_out

    def publish(self, slot: int, outcome: Outcome, received_ns: int) -> None:
        told = [(part.last, part.first) if isinstance(part, Lost) else part.event["id"] for part in outcome]
        self.results.append((self.now_s, told))

    # ---- the test's hands --------------------------------------------------------------------------------------------

    def miss(self, last: int | None, first: int | None, waited_s: float = 0.0, cut_s: float = 0.0) -> bool:
        now_ns = round(self.now_s * 1e9)
        missing = Missing(last, first, now_ns - 5 * 10**9, now_ns, waited_s, cut_s)
        wanted = self.backfill.wants(0, "trades", missing, self.now_s)
        self.tick()
        return wanted

    def tick(self, later_s: float = 0.0) -> float:
        self.now_s += later_s
        due_s = self.backfill.tick(self.now_s)
        return min(due_s, self.calls.tick(self.now_s))

    def answer(self, rows: list[Any], **options: Any) -> None:
        self.rest.answer(self.calls, self.now_s, json.dumps(rows).encode(), **options)
        self.tick()

    @property
    def told(self) -> list[Any]:
        ((_, told),) = self.results
        return told


def trades(*identifiers: int) -> list[dict[str, Any]]:
    return [{"id": i, "price": "1", "qty": "2", "time": 1_700_000_000_000 + i, "isBuyerMaker": True} for i in identifiers]


@pytest.fixture
def bed() -> Bed:
    return Bed()


def test_what_is_missing_is_asked_for_and_published(bed: Bed) -> None:
    assert bed.miss(10, 14)
    assert bed.rest.paths == ["/api/v3/historicalTrades?symbol=AUSDT&fromId=11&limit=1000"]
    bed.now_s += 0.1
    bed.answer(trades(11, 12, 13, 14, 15))
    assert bed.results == [(1000.1, ["11", "12", "13"])]
    assert bed.backfill.outcomes == {"filled": 1, "partial": 0, "lost": 0}
    assert sum(bed.backfill.durations.counts) == 1
    assert bed.backfill.durations.sum_s == pytest.approx(0.1)
    assert bed.tick() == float("inf")


def test_where_the_cut_is_known_a_hole_is_timed_from_there(bed: Bed) -> None:
    bed.miss(10, 14, cut_s=3.0)
    bed.now_s += 0.5
    bed.answer(trades(11, 12, 13, 14))
    assert bed.backfill.durations.sum_s == pytest.approx(3.5)


def test_an_error_is_no_empty_page() -> None:
    bed = Bed(OKX)
    assert bed.miss(10, 14)
    bed.rest.answer(bed.calls, bed.now_s, b'{"code":"50013","msg":"Systems are busy","data":[]}')
    bed.tick(LONGEST_WAIT_S)
    assert bed.told == [(10, 14)]
    assert bed.backfill.outcomes["lost"] == 1


def okx_page(*identifiers: int) -> bytes:
    row = {"px": "1", "sz": "2", "side": "buy", "ts": "1700000000000"}
    return json.dumps({"code": "0", "msg": "", "data": [{**row, "tradeId": str(i)} for i in identifiers]}).encode()


def test_a_page_of_a_server_that_is_behind_is_asked_for_again() -> None:
    bed = Bed(OKX)
    bed.miss(1000, 1151)
    bed.rest.answer(bed.calls, bed.now_s, okx_page(*range(1150, 1050, -1)))
    bed.tick()
    assert "&after=1051&" in bed.rest.paths[0]
    bed.rest.answer(bed.calls, bed.now_s, okx_page(*range(1040, 940, -1)))  # 1041 to 1050 are not there yet
    bed.tick(0.5)
    assert "&after=1051&" in bed.rest.paths[0]
    bed.rest.answer(bed.calls, bed.now_s, okx_page(*range(1050, 950, -1)))
    assert bed.told == [str(i) for i in range(1001, 1151)]


def test_what_no_server_has_in_time_is_announced_by_its_bounds() -> None:
    bed = Bed(OKX)
    bed.miss(1000, 1151)
    bed.rest.answer(bed.calls, bed.now_s, okx_page(*range(1150, 1050, -1)))
    bed.tick()
    bed.rest.answer(bed.calls, bed.now_s, okx_page(*range(1040, 940, -1)))
    bed.tick(LONGEST_WAIT_S)
    assert bed.told == [*(str(i) for i in range(1001, 1041)), (1040, 1051), *(str(i) for i in range(1051, 1151))]


def test_a_refused_call_is_not_and_the_loss_announced_at_once() -> None:
    bed = Bed(OKX)
    bed.miss(10, 14)
    bed.rest.answer(bed.calls, bed.now_s, b'{"code":"51001","msg":"Instrument ID doesn\'t exist.","data":[]}')
    assert bed.told == [(10, 14)]
    assert bed.tick(1.0) == float("inf")
    assert len(bed.rest.all) == 1


def test_pages_follow_until_all_is_there(bed: Bed) -> None:
    bed.miss(0, 2501)
    for begin in (1, 1001, 2001):
        assert f"fromId={begin}&" in bed.rest.paths[0]
        bed.answer(trades(*range(begin, begin + 1000)))
    assert bed.told == [str(i) for i in range(1, 2501)]


def test_live_trades_wait_two_seconds_and_a_later_answer_is_discarded(bed: Bed) -> None:
    bed.miss(10, 14)
    (number,) = bed.rest.asked
    assert bed.tick() == 1000.0 + LONGEST_WAIT_S
    bed.tick(LONGEST_WAIT_S)
    assert bed.results == [(1002.0, [(10, 14)])]
    assert bed.rest.cancelled == [number]
    assert bed.backfill.outcomes["lost"] == 1


def test_a_partial_answer_is_published_and_the_rest_is_lost(bed: Bed) -> None:
    bed.miss(10, 14)
    bed.answer(trades(11, 12))
    assert bed.results == []
    bed.tick(LONGEST_WAIT_S)
    assert bed.told == ["11", "12", (12, 14)]
    assert bed.backfill.outcomes["partial"] == 1


def test_an_exchange_whose_history_lags_is_asked_again(bed: Bed) -> None:
    bed.miss(10, 14)
    bed.answer(trades(11))
    assert bed.rest.paths == []
    due_s = bed.tick()
    assert 1000.0 < due_s < 1001.0
    bed.tick(due_s - bed.now_s)
    assert "fromId=12&" in bed.rest.paths[0]
    bed.answer(trades(12, 13))
    assert bed.told == ["11", "12", "13"]


def test_a_wait_ends_at_once_when_too_much_waits(bed: Bed) -> None:
    bed.miss(10, 14)
    bed.backfill.full(0)
    bed.tick()
    assert bed.told == [(10, 14)]


def test_what_waited_before_counts(bed: Bed) -> None:
    assert bed.miss(10, 14, waited_s=0.5)
    bed.tick(1.5)
    assert bed.told == [(10, 14)]
    assert not bed.miss(20, 24, waited_s=1.5)


def test_a_refused_call_is_not_repeated_and_one_that_failed_is(bed: Bed) -> None:
    bed.miss(10, 14)
    bed.answer([], status=400)
    assert bed.told == [(10, 14)]
    bed.results.clear()
    bed.miss(20, 24)
    bed.answer([], status=500)
    assert bed.results == []
    bed.tick(0.5)
    assert len(bed.rest.paths) == 1


def test_an_answer_that_is_no_history_ends_the_wait(bed: Bed) -> None:
    bed.miss(10, 14)
    bed.rest.answer(bed.calls, bed.now_s, b'{"error":"maintenance"}')
    assert bed.told == [(10, 14)]


@pytest.mark.parametrize("budget", [None, 24])
def test_without_budget_the_loss_is_announced_at_once(budget: int | None) -> None:
    bed = Bed(budget=budget)
    assert not bed.miss(10, 14)
    assert bed.rest.paths == []
    assert bed.backfill.outcomes["lost"] == 1


def test_a_budget_that_ends_between_two_pages_ends_the_wait() -> None:
    bed = Bed(budget=25)
    assert bed.miss(0, 2001)
    bed.answer(trades(*range(1, 1001)))
    assert bed.told == [*(str(i) for i in range(1, 1001)), (1000, 2001)]


@pytest.mark.parametrize(("last", "first"), [(None, 14), (10, None), (14, 10)])
def test_holes_without_bounds_are_not_filled(bed: Bed, last: int | None, first: int | None) -> None:
    assert not bed.miss(last, first)


def test_other_channels_and_feeds_without_backfill_are_not_filled(bed: Bed) -> None:
    assert not bed.backfill.wants(0, "bbo", Missing(1, 5, 1, 2), 1000.0)
    bed.backfill.enabled = False
    assert not bed.miss(10, 14)


def test_a_stream_that_goes_takes_its_call_with_it(bed: Bed) -> None:
    bed.miss(10, 14)
    (number,) = bed.rest.asked
    bed.backfill.forget([0])
    assert bed.rest.cancelled == [number]
    bed.tick(LONGEST_WAIT_S)
    assert bed.results == []


def rows_of(market: Market, frame: dict[str, Any]) -> list[Row]:
    """The events of a message of the stream."""
    decoded = Normalizer(market, lambda native: "A-USDT").decode(json.dumps(frame).encode())
    assert isinstance(decoded, Data)
    return decoded.rows


def test_fills_inside_a_joined_trade_are_not_published_again() -> None:
    """OKX: a joined trade has the id of its last fill, and counts them (docs-v5 trades-channel, 2026-07)."""
    bed = Bed(OKX)
    fill = {"instId": "A-USDT", "px": "1", "sz": "1", "side": "buy", "ts": "1700000000000"}
    joined = {"arg": {"channel": "trades", "instId": "A-USDT"}, "data": [fill | {"tradeId": "20", "count": "3"}]}
    bed.first = rows_of(OKX, joined)
    bed.miss(14, 20)
    rows = [fill | {"tradeId": str(i)} for i in range(19, 12, -1)]
    bed.rest.answer(bed.calls, bed.now_s, json.dumps({"code": "0", "msg": "", "data": rows}).encode())
    assert bed.told == ["15", "16", "17"]


def test_trades_without_numbers_are_those_between_the_ids_that_are_known() -> None:
    bed = Bed(BYBIT)
    bed.went_out = {"a", "b"}
    live = {"T": 1700000000000, "s": "AUSDT", "S": "Buy", "v": "1", "p": "2", "i": "live"}
    bed.first = rows_of(BYBIT, {"topic": "publicTrade.AUSDT", "type": "snapshot", "ts": 1, "data": [live]})
    assert bed.miss(None, None)
    row = {"symbol": "AUSDT", "price": "2", "size": "1", "side": "Buy", "time": "1700000000000", "isBlockTrade": False}
    listed = [row | {"execId": i} for i in ("after", "live", "d", "c", "b", "a")]
    body = {"retCode": 0, "retMsg": "OK", "result": {"category": "linear", "list": listed}, "retExtInfo": {}, "time": 1}
    bed.rest.answer(bed.calls, bed.now_s, json.dumps(body).encode())
    assert bed.told == ["c", "d"]


@given(st.data())
def test_whatever_the_exchange_does_every_missing_trade_is_published_once_in_order_or_lost_in_time(data: st.DataObject) -> None:
    bed = Bed(budget=data.draw(st.integers(25, 300), "budget"))
    last = data.draw(st.integers(0, 10), "last")
    first = last + data.draw(st.integers(2, 3000), "missing")
    if not bed.miss(last, first):
        return
    while not bed.results:
        assert bed.now_s < 1000.0 + LONGEST_WAIT_S + 0.001
        if not bed.rest.asked:
            bed.tick(0.1)
            continue
        begin = int(bed.rest.paths[0].split("fromId=")[1].split("&")[0])
        action = data.draw(st.sampled_from(["answer", "lag", "error", "refuse", "wait"]))
        if action == "wait":
            bed.tick(0.3)
        elif action == "error":
            bed.answer([], status=502)
        elif action == "refuse":
            bed.answer([], status=404)
        else:
            end = begin + 1000 if action == "answer" else begin + data.draw(st.integers(0, 20))
            bed.answer(trades(*range(begin, end)))
    found = [int(part) for part in bed.told if isinstance(part, str)]
    lost = [i for part in bed.told if isinstance(part, tuple) for i in range(part[0] + 1, part[1])]
    assert found == sorted(set(found))
    assert sorted(found + lost) == list(range(last + 1, first))
