"""A whole shard under a virtual clock: what follows from what happens, from the socket to the events."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from core_bed import CoreBed, assigned
from pipeline_bed import gaps, trade

from marketfeed.assignment import Assignment, Share
from marketfeed.clock import ManualClock
from marketfeed.report import CatalogueState
from marketfeed_shard.recovery.instruments import Facts
from marketfeed_shard.state.memory import Past

NATIVES = {"BTC-USDT": "BTCUSDT"}
LISTED = {"symbol": "BTCUSDT", "status": "TRADING", "baseAsset": "BTC", "quoteAsset": "USDT", "filters": []}


@pytest.fixture
def make(engine: str, tmp_path: Path) -> Iterator[Any]:
    beds = []

    def made(assignment: Assignment, past: Past | None = None) -> CoreBed:
        beds.append(CoreBed(tmp_path, assignment, past))
        return beds[-1]

    yield made
    for bed in beds:
        bed.progress.close()


def spot(*channels: str, **options: Any) -> Assignment:
    return assigned("binance", "spot", NATIVES, channels, **options)


def history(*numbers: int) -> list[dict[str, Any]]:
    return [{"id": n, "price": "1", "qty": "2", "time": 1_700_000_000_000, "isBuyerMaker": True} for n in numbers]


def depth(first: int, last: int, price: str = "100") -> dict[str, Any]:
    data = {"e": "depthUpdate", "E": 1_700_000_000_000, "s": "BTCUSDT", "U": first, "u": last, "b": [[price, "1"]], "a": []}
    return {"stream": "btcusdt@depth@100ms", "data": data}


def snapshot(last: int) -> dict[str, Any]:
    return {"lastUpdateId": last, "bids": [["99", "1"]], "asks": [["101", "1"]]}


def ids(events: list[dict[str, Any]]) -> list[Any]:
    return [(event.get("id") or event["type"], event.get("backfill", False)) for event in events]


# ---- missed trades -------------------------------------------------------------------------------------------------------


def test_trades_that_a_cut_lost_are_fetched_before_the_live_ones_go_on(make: Any) -> None:
    bed = make(spot("trades"))
    bed.feed(bed.connect(), trade(10))
    bed.take()
    bed.cut(1)
    key = bed.connect()
    bed.feed(key, trade(13))
    bed.feed(key, trade(14))
    assert bed.take() == []
    bed.answer("historicalTrades", history(11, 12, 13, 14))
    events = bed.take()
    assert ids(events) == [("11", True), ("12", True), ("13", False), ("14", False)]
    assert [event["n"] for event in events] == [3, 4, 5, 6]
    assert list(events[0])[-1] == "backfill"


def test_a_history_that_does_not_answer_holds_the_live_trades_two_seconds(make: Any) -> None:
    bed = make(spot("trades"))
    bed.feed(bed.connect(), trade(10))
    bed.cut(1)
    bed.feed(bed.connect(), trade(13))
    bed.take()
    bed.run(1.9)
    assert bed.take() == []
    bed.run(0.2)
    events = bed.take()
    assert gaps(events) == [("backfill", 11, 12, 3)]
    assert ids(events)[-1] == ("13", False)


def test_a_jump_in_the_ids_is_filled_like_a_cut(make: Any) -> None:
    bed = make(spot("trades"))
    key = bed.connect()
    bed.feed(key, trade(10), trade(12))
    bed.answer("historicalTrades", history(11, 12))
    bed.feed(key, trade(13))
    assert ids(bed.take()) == [("gap", False), ("10", False), ("11", True), ("12", False), ("13", False)]


def test_a_second_cut_while_the_first_is_filled_is_filled_after_it(make: Any) -> None:
    bed = make(spot("trades"))
    bed.feed(bed.connect(), trade(10))
    bed.cut(1)
    bed.feed(bed.connect(), trade(13))
    bed.cut(2)
    bed.feed(bed.connect(), trade(16))
    bed.take()
    bed.answer("fromId=11", history(11, 12, 13, 14, 15, 16))
    if bed.rest.asked:
        bed.answer("fromId=14", history(14, 15, 16))
    bed.run(2.0)
    events = bed.take()
    found = [int(event["id"]) for event in events if event["type"] == "trade"]
    lost = [i for e in events if e["type"] == "gap" for i in range(e["from_seq"], e["to_seq"] + 1)]
    assert sorted(found + lost) == [11, 12, 13, 14, 15, 16]
    assert found == sorted(found)


@pytest.mark.parametrize("options", [{"backfill": False}, {"rest": None}, {"rest": Share(count=24, seconds=60.0)}])
def test_where_nothing_is_fetched_the_loss_is_announced_at_once(make: Any, options: dict[str, Any]) -> None:
    bed = make(spot("trades", **options))
    bed.feed(bed.connect(), trade(10))
    bed.cut(1)
    bed.take()
    bed.feed(bed.connect(), trade(13))
    events = bed.take()
    assert gaps(events) == [("disconnected", 11, 12, 3)]
    assert ids(events)[-1] == ("13", False)


def test_whether_trades_are_fetched_may_change_while_a_shard_runs(make: Any) -> None:
    bed = make(spot("trades", backfill=False))
    key = bed.connect()
    bed.feed(key, trade(10), trade(13))
    assert gaps(bed.take())[-1] == ("sequence", 11, 12, 3)
    bed.core.follow(spot("trades"))
    bed.feed(key, trade(16))
    bed.answer("/historicalTrades", history(14, 15, 16))
    assert ids(bed.take()) == [("14", True), ("15", True), ("16", False)]
    bed.core.follow(spot("trades", backfill=False))
    bed.feed(key, trade(19))
    assert gaps(bed.take()) == [("sequence", 17, 18, 8)]


# ---- books ---------------------------------------------------------------------------------------------------------------


def test_a_book_begins_with_rest_and_begins_anew_after_a_break(make: Any) -> None:
    bed = make(spot("book", book_depth=100))
    key = bed.connect()
    bed.feed(key, depth(11, 12))
    assert bed.status.report().reasons == ["books not in sync: 1 (book:BTC-USDT)"]
    bed.run(0.5)
    bed.answer("/depth?symbol=BTCUSDT&limit=100", snapshot(11))
    events = bed.take()
    assert [(e["type"], e.get("snapshot"), e.get("seq"), e.get("prev_seq")) for e in events] == [
        ("gap", None, None, None),
        ("book", True, 11, None),
        ("book", False, 12, 10),
    ]
    assert bed.status.report().reasons == []
    bed.feed(key, depth(14, 15))
    assert gaps(bed.take()) == [("sequence", 13, 13, 4)]
    books = bed.status.report().books
    assert (books.desired, books.synced, books.gaps, books.resyncs) == (1, 0, 1, 0)
    bed.run(1.0)
    bed.answer("/depth", snapshot(15))
    bed.feed(key, depth(16, 16))
    assert [(e["snapshot"], e["seq"]) for e in bed.take()] == [(True, 15), (False, 16)]
    books = bed.status.report().books
    assert (books.synced, books.resyncs) == (1, 1)


def test_a_book_of_another_depth_begins_anew_and_nothing_else_does(make: Any) -> None:
    bed = make(spot("book", "trades", book_depth=100))
    key = bed.connect()
    bed.feed(key, depth(11, 12), trade(10))
    bed.run(0.5)
    bed.answer("/depth?symbol=BTCUSDT&limit=100", snapshot(11))
    bed.take()
    bed.core.follow(spot("book", "trades", book_depth=90))  # the same levels of the exchange
    bed.run(1.0)
    assert bed.sockets.wires[key].sent == []
    bed.core.follow(spot("book", "trades", book_depth=500))
    bed.run(1.0)
    bed.acknowledge(key)
    bed.run(1.0)
    bed.acknowledge(key)
    bed.feed(key, depth(21, 22), trade(11))
    bed.run(0.5)
    bed.answer("/depth?symbol=BTCUSDT&limit=500", snapshot(21))
    events = bed.take()
    assert gaps(events) == [("started", 13, 20, 1)]
    assert [(e["channel"], e["n"]) for e in events] == [("trades", 3), ("book", 1), ("book", 2), ("book", 3)]
    assert not bed.sockets.wires[key].closed


def test_a_topic_that_names_its_depth_is_changed_on_its_connection(make: Any) -> None:
    def bybit(depth: int) -> Assignment:
        return assigned("bybit", "spot", NATIVES, ["book"], book_depth=depth)

    bed = make(bybit(50))
    key = bed.connect()
    bed.core.follow(bybit(200))
    bed.run(2.0)
    assert [text for text in bed.sockets.wires[key].sent if "orderbook" in text] == [
        '{"req_id":"2","op":"unsubscribe","args":["orderbook.50.BTCUSDT"]}',
        '{"req_id":"3","op":"subscribe","args":["orderbook.200.BTCUSDT"]}',
    ]
    assert not bed.sockets.wires[key].closed


def test_why_a_book_cannot_be_had_is_told_until_it_is_there(make: Any) -> None:
    bed = make(spot("book"))
    key = bed.connect()
    bed.feed(key, depth(11, 12))
    bed.run(0.5)
    bed.answer("/depth", {"code": -1121, "msg": "Invalid symbol."}, 400)
    reason = "books not in sync: 1 (book:BTC-USDT)"
    assert bed.status.report().reasons == [f"{reason}: HTTP 400: -1121: Invalid symbol."]
    for number in range(13, 43):
        assert len([call for call in bed.rest.all if "/depth" in call.path]) == 1
        bed.run(10.0)
        bed.feed(key, depth(number, number))
    bed.run(1.0)
    bed.answer("/depth", snapshot(42))
    assert bed.status.report().reasons == []


def test_books_that_are_cut_here_keep_their_depth_until_the_shard_starts_anew(make: Any) -> None:
    def kraken(depth: int) -> Assignment:
        return assigned("kraken", "spot", {"BTC-USD": "BTC/USD"}, ["book"], book_depth=depth)

    bed = make(kraken(10))
    bed.core.follow(kraken(100))
    bed.run(1.0)
    (key,) = bed.sockets.wires
    bed.core.opened(key)
    bed.run(1.0)
    (request,) = (text for text in bed.sockets.wires[key].sent if "subscribe" in text)
    assert json.loads(request)["params"]["depth"] == 10


# ---- bans ----------------------------------------------------------------------------------------------------------------


def test_a_ban_over_rest_holds_for_sockets_and_is_remembered(make: Any) -> None:
    bed = make(spot("trades"))
    bed.connect()
    bed.run(5.0)
    bed.answer("exchangeInfo", {}, 418, retry_after_s=300.0)
    (ban, *_) = bed.memory.bans
    assert ban.until_ns == bed.now_ns + 300 * 10**9
    attempts = len(bed.memory.attempts_ns)
    bed.cut(1)
    bed.run(299.0)
    assert len(bed.memory.attempts_ns) == attempts
    bed.run(40.0)
    assert len(bed.memory.attempts_ns) > attempts


# ---- instruments ---------------------------------------------------------------------------------------------------------


def test_a_change_of_an_instrument_is_an_event_after_its_own_beginning(make: Any) -> None:
    bed = make(spot("trades"), Past(listed={"BTC-USDT": Facts("TRADING")}))
    bed.connect()
    bed.run(5.0)
    bed.answer("exchangeInfo", {"symbols": [LISTED | {"status": "HALT"}]})
    started, event = bed.take("instruments")
    assert (started["type"], started["reason"], started["n"]) == ("gap", "started", 1)
    assert event == {
        "type": "instrument", "exchange": "binance", "market": "spot", "channel": "instruments", "symbol": "BTC-USDT",
        "ts": None, "recv": bed.now_ns, "n": 2, "status": "HALT", "tick_size": None, "lot_size": None, "contract_size": None,
        "contract_currency": None, "expiry": None,
    }  # fmt: skip
    report = bed.status.report()
    assert report.streams.desired == 1
    assert report.catalogue.state is CatalogueState.CURRENT
    assert report.catalogue.halted == ["BTC-USDT: HALT"]
    assert bed.memory.known == {"BTC-USDT": Facts("HALT")}


def test_the_silence_of_a_symbol_that_is_not_traded_is_no_fault(make: Any) -> None:
    bed = make(spot("trades"))
    key = bed.connect()
    for number in range(30):
        bed.run(0.1)
        bed.feed(key, trade(number))
    bed.answer("exchangeInfo", {"symbols": [LISTED]})
    bed.run(280.0)
    assert bed.status.report().streams.stale == ["trades:BTC-USDT"]
    bed.run(20.0)
    bed.answer("exchangeInfo", {"symbols": [LISTED | {"status": "BREAK"}]})
    report = bed.status.report()
    assert report.streams.stale == []
    assert report.reasons == []


def test_the_streams_of_a_symbol_that_is_traded_again_are_soon_asked_for(make: Any) -> None:
    bed = make(assigned("binance", "spot", NATIVES | {"ETH-USDT": "ETHUSDT"}, ["trades"]))
    key = bed.connect()
    requests: list[str] = []

    def live(seconds: int, status: str, *quiet: str) -> None:
        """A trade of each symbol that is not quiet every second; the list tells this status of the quiet ones."""
        for _ in range(seconds):
            bed.run(1.0)
            number = int(bed.clock.monotonic())
            bed.feed(key, *(trade(number, native) for native in ("BTCUSDT", "ETHUSDT") if native not in quiet))
            requests.extend(bed.sockets.wires[key].sent)
            bed.acknowledge(key)
            if bed.rest.paths:
                rows = [LISTED | {"status": status}, LISTED | {"symbol": "ETHUSDT", "baseAsset": "ETH"}]
                bed.answer("exchangeInfo", {"symbols": rows})

    live(60, "TRADING")
    live(3600, "BREAK", "BTCUSDT")
    assert bed.status.report().streams.stale == []
    assert 1 < sum('"SUBSCRIBE"' in request for request in requests) < 10  # in vain, and ever less often
    while bed.core.restoring.instruments.halted:
        live(1, "TRADING", "BTCUSDT")
    assert bed.status.report().streams.stale == []
    requests.clear()
    live(36, "TRADING", "BTCUSDT")
    assert any("btcusdt@trade" in request for request in requests)


def test_a_symbol_that_goes_takes_its_instrument_stream_with_it(make: Any) -> None:
    bed = make(spot("trades"), Past(listed={"BTC-USDT": Facts("HALT")}))
    bed.connect()
    bed.run(5.0)
    bed.answer("exchangeInfo", {"symbols": [LISTED]})
    assert len(bed.take("instruments")) == 2
    other = assigned("binance", "spot", {"ETH-USDT": "ETHUSDT"}, ["trades"], generation=2)
    bed.core.follow(other)
    bed.run(301.0)
    bed.answer("exchangeInfo", {"symbols": [LISTED | {"status": "HALT"}, LISTED | {"symbol": "ETHUSDT", "baseAsset": "ETH"}]})
    assert bed.take("instruments") == []
    assert bed.status.report().generation == 2


# ---- polls ---------------------------------------------------------------------------------------------------------------


def test_what_there_is_no_stream_for_is_polled_into_its_stream(make: Any) -> None:
    bed = make(assigned("binance", "linear", {"BTC-USDT-PERP": "BTCUSDT"}, ["derivative"]))
    bed.connect()
    bed.answer("openInterest", {"symbol": "BTCUSDT", "openInterest": "10659.509", "time": 1_589_437_530_011})
    started, event = bed.take("derivative")
    assert started["reason"] == "started"
    own = {key: value for key, value in event.items() if key not in {"recv", "n"}}
    assert own == {
        "type": "derivative", "exchange": "binance", "market": "linear", "channel": "derivative", "symbol": "BTC-USDT-PERP",
        "ts": 1_589_437_530_011_000_000, "open_interest": "10659.509",
    }  # fmt: skip
    bed.run(11.0)
    assert any("openInterest" in path for path in bed.rest.paths)


# ---- the budget of an heir ---------------------------------------------------------------------------------------------------


def test_what_an_earlier_process_spent_counts(make: Any) -> None:
    spent = Past(spent=((ManualClock().time_ns() - 10 * 10**9, 5000),))
    bed = make(spot("trades"), spent)
    bed.connect()
    bed.run(49.0)
    assert bed.rest.all == []
    bed.run(2.0)
    assert len(bed.rest.all) == 1
    assert bed.memory.spent_weight == 20
