from __future__ import annotations

import pytest
from rest_double import BansDouble, RestDouble

from marketfeed.exchanges import catalogue
from marketfeed.exchanges.exchange import Call, Market
from marketfeed_shard.recovery.budget import Weights
from marketfeed_shard.recovery.calls import MOST_IN_FLIGHT, TIMEOUT_S, Calls, Failure, Purpose
from marketfeed_shard.recovery.ports import Answer

MARKET = catalogue.market("binance", "spot")


class Bed:
    """Calls with a budget of 100 a minute, and what became of them by path."""

    def __init__(self, count: int | None = 100, market: Market = MARKET) -> None:
        self.rest, self.bans = RestDouble(), BansDouble()
        self.calls = Calls(market, self.rest, self.bans)
        self.calls.allow(None if count is None else Weights(count, 60.0))
        self.outcomes: dict[str, Answer | Failure] = {}

    def ask(self, path: str, weight: int = 1, purpose: Purpose = Purpose.BACKFILL) -> int:
        def done(outcome: Answer | Failure, now_s: float) -> None:
            self.outcomes[path] = outcome

        return self.calls.ask(purpose, Call(path, weight), done)


@pytest.fixture
def bed() -> Bed:
    return Bed()


def test_an_answer_reaches_who_asked(bed: Bed) -> None:
    bed.ask("/a")
    bed.calls.tick(0.0)
    bed.rest.answer(bed.calls, 0.1, b"body")
    assert bed.outcomes == {"/a": Answer(200, b"body", 100_000_000)}
    assert bed.calls.outcomes == {(Purpose.BACKFILL, "ok"): 1}


def test_the_most_urgent_goes_first_and_none_overtakes_it_for_being_cheap(bed: Bed) -> None:
    bed.ask("/list", 1, Purpose.INSTRUMENTS)
    bed.ask("/poll", 1, Purpose.POLL)
    bed.ask("/trades", 1)
    bed.ask("/book 1", 60, Purpose.BOOK)
    bed.ask("/book 2", 60, Purpose.BOOK)
    due_s = bed.calls.tick(0.0)
    assert bed.rest.paths == ["/book 1"]
    assert due_s == TIMEOUT_S
    bed.rest.answer(bed.calls, 1.0)
    assert bed.calls.tick(1.0) == pytest.approx(60.1)
    bed.calls.tick(61.0)
    assert bed.rest.paths == ["/book 2", "/trades"]


def test_polls_and_lists_leave_half_of_the_budget(bed: Bed) -> None:
    for i in range(3):
        bed.ask(f"/poll {i}", 30, Purpose.POLL)
    bed.calls.tick(0.0)
    assert bed.rest.paths == ["/poll 0"]
    bed.ask("/book", 70, Purpose.BOOK)
    bed.calls.tick(1.0)
    assert bed.rest.paths == ["/poll 0", "/book"]


def test_only_so_many_at_a_time(bed: Bed) -> None:
    for i in range(MOST_IN_FLIGHT + 1):
        bed.ask(f"/{i}")
    bed.calls.tick(0.0)
    assert len(bed.rest.asked) == MOST_IN_FLIGHT
    bed.rest.answer(bed.calls, 0.1)
    bed.calls.tick(0.1)
    assert len(bed.rest.asked) == MOST_IN_FLIGHT


def test_without_a_share_nothing_is_asked_until_there_is_one() -> None:
    bed = Bed(count=None)
    bed.ask("/a")
    assert bed.calls.tick(0.0) == float("inf")
    assert not bed.calls.promises(Purpose.BACKFILL, 1, 2.0, 0.0)
    bed.calls.allow(Weights(10, 60.0))
    bed.calls.tick(1.0)
    assert bed.rest.paths == ["/a"]


def test_a_call_that_the_whole_budget_does_not_hold_fails_and_blocks_nothing(bed: Bed) -> None:
    bed.ask("/heavy", 101, Purpose.BOOK)
    bed.ask("/light")
    bed.calls.tick(0.0)
    assert bed.outcomes == {"/heavy": Failure("costs more than the whole budget", permanent=True)}
    assert bed.rest.paths == ["/light"]


def test_a_call_without_an_answer_is_given_up(bed: Bed) -> None:
    number = bed.ask("/a")
    bed.calls.tick(0.0)
    bed.calls.tick(TIMEOUT_S)
    assert bed.outcomes == {"/a": Failure("no answer within 10 s")}
    assert bed.rest.cancelled == [number]


def test_a_dropped_call_is_not_heard_of_again_and_stays_paid_for(bed: Bed) -> None:
    number = bed.ask("/a", 100)
    bed.calls.tick(0.0)
    bed.calls.drop(number)
    bed.calls.answered(number, Answer(200, b"", 0), 1.0)
    bed.calls.failed(number, "late", 1.0)
    assert bed.outcomes == {}
    assert bed.rest.cancelled == [number]
    assert not bed.calls.promises(Purpose.BOOK, 1, 2.0, 1.0)


@pytest.mark.parametrize(("status", "banned_s"), [(418, 120.0), (429, 7.0), (403, 7.0), (451, 7.0)])
def test_a_ban_holds_for_everything_and_is_told(bed: Bed, status: int, banned_s: float) -> None:
    bed.ask("/a")
    bed.calls.tick(0.0)
    bed.rest.answer(bed.calls, 1.0, b"", status, retry_after_s=7.0)
    outcome = bed.outcomes["/a"]
    assert isinstance(outcome, Failure)
    assert not outcome.permanent
    assert bed.bans.until_s == 1.0 + banned_s
    assert str(status) in bed.bans.reason
    bed.ask("/b", 1, Purpose.BOOK)
    assert bed.calls.tick(2.0) == 1.0 + banned_s
    assert bed.rest.paths == []
    bed.calls.tick(1.0 + banned_s)
    assert bed.rest.paths == ["/b"]


def test_a_ban_that_sockets_met_stops_rest(bed: Bed) -> None:
    bed.bans.banned(50.0, "HTTP 418", 0.0)
    bed.ask("/a")
    assert not bed.calls.promises(Purpose.BACKFILL, 1, 2.0, 0.0)
    assert bed.calls.tick(0.0) == 50.0
    assert bed.rest.paths == []


def test_a_refusal_of_the_call_itself_is_permanent_and_says_why(bed: Bed) -> None:
    bed.ask("/a")
    bed.calls.tick(0.0)
    bed.rest.answer(bed.calls, 1.0, b'{"code":-1121,"msg":"Invalid symbol."}', 400)
    assert bed.outcomes == {"/a": Failure("HTTP 400: -1121: Invalid symbol.", permanent=True)}


@pytest.mark.parametrize("status", [408, 500, 502, 503, 301])
def test_other_refusals_pass(bed: Bed, status: int) -> None:
    bed.ask("/a")
    bed.calls.tick(0.0)
    bed.rest.answer(bed.calls, 1.0, b"", status)
    assert bed.outcomes == {"/a": Failure(f"HTTP {status}")}
    assert bed.calls.outcomes == {(Purpose.BACKFILL, str(status)): 1}


@pytest.mark.parametrize(
    ("name", "body", "failure", "outcome"),
    [
        ("bybit", b'{"retCode":10001,"retMsg":"params error: symbol invalid","result":{}}',
         Failure("10001: params error: symbol invalid", permanent=True), "refused"),
        ("okx", b'{"code":"51001","msg":"Instrument ID doesn\'t exist.","data":[]}',
         Failure("51001: Instrument ID doesn't exist.", permanent=True), "refused"),
        ("okx", b'{"code":"50013","msg":"Systems are busy.","data":[]}', Failure("50013: Systems are busy."), "failed"),
        ("kraken", b'{"error":["EQuery:Unknown asset pair"]}', Failure("EQuery:Unknown asset pair", permanent=True), "refused"),
    ],
)  # fmt: skip
def test_an_error_is_no_answer_although_its_status_is_200(name: str, body: bytes, failure: Failure, outcome: str) -> None:
    bed = Bed(market=catalogue.market(name, "spot"))
    bed.ask("/a")
    bed.calls.tick(0.0)
    bed.rest.answer(bed.calls, 1.0, body)
    assert bed.outcomes == {"/a": failure}
    assert bed.calls.outcomes == {(Purpose.BACKFILL, outcome): 1}


def test_after_a_refusal_for_pace_nothing_goes_out_for_a_window_then_for_two() -> None:
    bed, paced = Bed(market=catalogue.market("okx", "spot")), b'{"code":"50011","msg":"Too Many Requests","data":[]}'
    for path in ("/a", "/b", "/c"):
        bed.ask(path)
    bed.calls.tick(0.0)
    bed.rest.answer(bed.calls, 1.0, paced)
    bed.rest.answer(bed.calls, 1.5, paced)  # it went out with the first one, and counts with it
    assert bed.outcomes["/a"] == Failure("50011: Too Many Requests")
    assert bed.bans.until_s == 0.0  # sockets are counted apart
    bed.ask("/d")
    assert not bed.calls.promises(Purpose.BACKFILL, 1, 1.0, 1.5)
    assert bed.calls.tick(2.9) == 3.0
    assert bed.rest.paths == ["/c"]
    bed.calls.tick(3.0)
    bed.rest.answer(bed.calls, 3.5, paced, containing="/d")
    bed.ask("/e")
    assert bed.calls.tick(7.4) == 7.5
    bed.calls.tick(7.5)
    bed.rest.answer(bed.calls, 8.0, containing="/e")
    bed.ask("/f")
    bed.calls.tick(8.0)
    bed.rest.answer(bed.calls, 9.0, paced, containing="/f")
    bed.ask("/g")
    assert bed.calls.tick(9.0) == 10.0  # `/c` is given up; the pause is one window again, up to 11.0
    assert bed.calls.tick(10.0) == 11.0


def test_a_refusal_for_pace_that_says_how_long_holds_calls_back_so_long_and_no_longer(bed: Bed) -> None:
    bed.ask("/a")
    bed.calls.tick(0.0)
    bed.rest.answer(bed.calls, 1.0, b'{"code":-1003,"msg":"Too many requests."}', 429, retry_after_s=7.0)
    bed.ask("/b")
    assert bed.calls.tick(1.0) == 8.0
    bed.calls.tick(8.0)
    assert bed.rest.paths == ["/b"]


@pytest.mark.parametrize(("code", "permanent"), [(-1121, True), (-1003, False), (-1007, False)])
def test_what_the_body_tells_of_a_refusal_is_more_exact_than_its_status(bed: Bed, code: int, permanent: bool) -> None:
    bed.ask("/a")
    bed.calls.tick(0.0)
    bed.rest.answer(bed.calls, 1.0, b'{"code":%d,"msg":"words"}' % code, 400)
    assert bed.outcomes == {"/a": Failure(f"HTTP 400: {code}: words", permanent)}


def test_a_promise_counts_what_waits_before(bed: Bed) -> None:
    bed.ask("/book", 95, Purpose.BOOK)
    assert bed.calls.promises(Purpose.BACKFILL, 5, 2.0, 0.0)
    assert not bed.calls.promises(Purpose.BACKFILL, 6, 2.0, 0.0)
    bed.ask("/poll", 50, Purpose.POLL)
    assert bed.calls.promises(Purpose.BACKFILL, 5, 2.0, 0.0)
