from __future__ import annotations

import json
from typing import Any

import pytest
from floor import Floor

from marketfeed_simulator import catalogue
from marketfeed_simulator.limits import AddressLimits
from marketfeed_simulator.session import Answer, Hearing, Session

SPOT, LINEAR = catalogue.exchange("bybit", "spot"), catalogue.exchange("bybit", "linear")
CONN_ID = "0970e817-0000-0000-0000-000000000003"
PATH = "/v5/public/linear"


def ask(exchange: Any, body: Any, session: Session | None = None, **hearing: Any) -> tuple[Answer, Any]:
    text = body if isinstance(body, str) else json.dumps(body)
    answer = exchange.receive(session or Session(number=3), text, Hearing(**hearing))
    return answer, json.loads(answer.replies[0])


def subscribe(*args: str, **more: Any) -> dict[str, Any]:
    return {"op": "subscribe", "args": list(args), **more}


def test_acknowledgements_have_the_form_of_their_market() -> None:
    assert ask(SPOT, subscribe("publicTrade.BTCUSDT", req_id="7"))[1] == {
        "success": True, "ret_msg": "subscribe", "conn_id": CONN_ID, "req_id": "7", "op": "subscribe",
    }  # fmt: skip
    assert "req_id" not in ask(SPOT, subscribe("publicTrade.BTCUSDT"))[1]
    assert ask(LINEAR, subscribe("publicTrade.BTCUSDT"))[1] == {
        "success": True, "ret_msg": "", "conn_id": CONN_ID, "req_id": "", "op": "subscribe",
    }  # fmt: skip


def test_pongs_name_the_ping() -> None:
    assert ask(SPOT, {"op": "ping"})[1] == {"success": True, "ret_msg": "pong", "conn_id": CONN_ID, "op": "ping"}
    assert ask(LINEAR, {"op": "ping"})[1]["req_id"] == ""


def test_eleven_args_in_one_spot_request_are_refused_as_a_whole() -> None:
    session = Session()
    assert ask(SPOT, subscribe(*(f"t{n}" for n in range(10))), session)[1]["success"]
    answer, reply = ask(SPOT, subscribe(*(f"u{n}" for n in range(11))), session)
    assert (reply["success"], reply["ret_msg"]) == (False, "args size >10")
    assert (answer.rule, answer.violation, len(session.topics)) == ("request_topics", "11 in one request", 10)
    assert ask(LINEAR, subscribe(*(f"t{n}" for n in range(300))))[1]["success"]


def test_args_of_a_connection_are_counted_in_characters() -> None:
    session = Session()
    assert ask(LINEAR, subscribe(*(f"{n:0100}" for n in range(210))), session)[1]["success"]
    answer, reply = ask(LINEAR, subscribe("x"), session)
    assert (reply["success"], answer.rule, answer.violation) == (False, "topic_characters", "21001 on one connection")
    ask(LINEAR, {"op": "unsubscribe", "args": [f"{0:0100}"]}, session)
    assert ask(LINEAR, subscribe("x"), session)[1]["success"]


def test_topic_that_is_not_there_fails_its_request() -> None:
    session = Session()
    wanted = subscribe("publicTrade.BTCUSDT", "orderbook.500.BTCUSDT")
    _, reply = ask(LINEAR, wanted, session, knows=lambda topic: "500" not in topic)
    assert reply["ret_msg"] == "error:handler not found,topic:orderbook.500.BTCUSDT"
    assert not session.topics


@pytest.mark.parametrize(
    "body", ["{", "[]", {"op": "nosuch"}, {"op": "subscribe"}, subscribe(), {"op": "subscribe", "args": [1]}]
)
def test_what_is_no_request_is_told_so(body: Any) -> None:
    _, reply = ask(LINEAR, body)
    assert (reply["success"], reply["ret_msg"]) == (False, "Params Error")


def test_subscriptions_are_refused_on_command() -> None:
    assert ask(LINEAR, subscribe("publicTrade.BTCUSDT"), refusal=lambda: "no")[1]["ret_msg"] == "no"


def test_each_market_has_its_path() -> None:
    assert SPOT.open("/v5/public/spot", {}) is not None
    assert SPOT.open("/v5/public/linear", {}) is None


def test_too_many_connections_are_refused_with_403_for_ten_minutes() -> None:
    address = AddressLimits(SPOT.limits)
    assert all(address.connect(0.0) is None for _ in range(500))
    refused = address.connect(1.0)
    assert refused is not None
    assert (refused.status, refused.retry_after_s) == (403, 600.0)
    assert address.connect(599.0) is not None
    alive = AddressLimits(SPOT.limits).connect(0.0, alive=1000)
    assert alive is not None
    assert alive.rule == "alive"


# ---- topics --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def floor() -> Floor:
    return Floor("bybit", "linear", ["BTC-USDT-PERP"])


def sent(floor: Floor) -> list[dict[str, Any]]:
    messages = [json.loads(text) for _, text in floor.sent]
    floor.sent.clear()
    return messages


def test_book_begins_with_a_snapshot_and_its_numbers_rise_by_one(floor: Floor) -> None:
    floor.say(floor.session(PATH), json.dumps(subscribe("orderbook.50.BTCUSDT")))
    (first,) = sent(floor)
    assert (first["type"], len(first["data"]["b"]), len(first["data"]["a"])) == ("snapshot", 50, 50)
    floor.run(1.0, 30, ticks=30)
    deltas = sent(floor)
    assert {delta["type"] for delta in deltas} == {"delta"}
    numbers = [first["data"]["u"], *(delta["data"]["u"] for delta in deltas)]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert deltas[-1]["data"]["seq"] == floor.truth.book("BTCUSDT")["update"]


def test_restart_of_the_service_is_a_snapshot_with_number_one(floor: Floor) -> None:
    floor.say(floor.session(PATH), json.dumps(subscribe("orderbook.50.BTCUSDT")))
    floor.generator.reset()
    floor.run(1.0, 10, ticks=10)
    books = sent(floor)[1:]
    assert (books[0]["type"], books[0]["data"]["u"]) == ("snapshot", 1)
    assert [(book["type"], book["data"]["u"]) for book in books[1:3]] == [("delta", 2), ("delta", 3)]


def test_best_prices_are_repeated_every_three_seconds_with_the_same_number(floor: Floor) -> None:
    floor.say(floor.session(PATH), json.dumps(subscribe("orderbook.1.BTCUSDT")))
    floor.run(10.0, 0, ticks=1000)
    messages = sent(floor)
    assert len(messages) == 4
    assert {message["type"] for message in messages} == {"snapshot"}
    assert len({message["data"]["u"] for message in messages}) == 1
    floor.run(1.0, 1, ticks=10)
    (changed,) = sent(floor)
    assert changed["data"]["u"] == messages[0]["data"]["u"] + 1


def test_ticker_is_a_snapshot_then_what_changes(floor: Floor) -> None:
    floor.say(floor.session(PATH), json.dumps(subscribe("tickers.BTCUSDT")))
    floor.run(2.0, 20, ticks=20)
    first, *deltas = sent(floor)
    known = dict(first["data"])
    assert first["type"] == "snapshot"
    assert {"markPrice", "indexPrice", "openInterest", "fundingRate", "nextFundingTime", "bid1Price"} <= known.keys()
    assert len(deltas) > 5
    for delta in deltas:
        assert delta["type"] == "delta"
        assert all(known[key] != value for key, value in delta["data"].items() if key != "symbol")
        known |= delta["data"]


def test_dated_contract_has_no_funding_and_its_own_name() -> None:
    floor = Floor("bybit", "linear", ["BTC-USDT-261225"])
    floor.say(floor.session(PATH), json.dumps(subscribe("tickers.BTCUSDT-25DEC26")))
    (first,) = sent(floor)
    assert (first["data"]["fundingRate"], first["data"]["nextFundingTime"]) == ("", "")


def test_liquidations_tell_the_side_of_the_position(floor: Floor) -> None:
    floor.say(floor.session(PATH), json.dumps(subscribe("allLiquidation.BTCUSDT", "publicTrade.BTCUSDT")))
    floor.run(2.0, 2000, ticks=1000)  # a step a tick, each asked for two feeds
    messages = sent(floor)
    trades = {m["ts"]: m["data"][0] for m in messages if m["topic"].startswith("publicTrade")}
    liquidations = [m["data"][0] for m in messages if m["topic"].startswith("allLiquidation")]
    assert len(liquidations) == 20
    for found in liquidations:
        assert (found["S"], found["v"]) == ({"Buy": "Sell", "Sell": "Buy"}[trades[found["T"]]["S"]], trades[found["T"]]["v"])


# ---- REST ----------------------------------------------------------------------------------------------------------------


def result(floor: Floor, path: str) -> Any:
    body = json.loads(floor.get(path).body)
    assert (body["retCode"], body["retMsg"]) == (0, "OK")
    return body["result"]


def test_instruments_come_in_pages() -> None:
    floor = Floor("bybit", "linear", [f"SYM{n:03d}-USDT-PERP" for n in range(7)])
    pages: list[list[str]] = []
    cursor = ""
    while not pages or cursor:
        page = result(floor, f"/v5/market/instruments-info?category=linear&limit=3&cursor={cursor}")
        cursor = page["nextPageCursor"]
        pages.append([row["symbol"] for row in page["list"]])
    assert [len(page) for page in pages] == [3, 3, 1]
    assert [name for page in pages for name in page] == [listing.native for listing in floor.market.listings]


def test_only_what_is_traded_is_listed_unless_a_status_is_asked_for(floor: Floor) -> None:
    floor.market.set_status(0, "PreLaunch")
    assert result(floor, "/v5/market/instruments-info?category=linear")["list"] == []
    (row,) = result(floor, "/v5/market/instruments-info?category=linear&status=PreLaunch")["list"]
    assert row["status"] == "PreLaunch"


def test_latest_trades_are_newest_first_and_as_many_as_the_market_has(floor: Floor) -> None:
    spot = Floor("bybit", "spot", ["BTC-USDT"])
    for each, most in ((spot, 60), (floor, 1000)):
        each.run(1.0, 1200)
        path = f"/v5/market/recent-trade?category={each.exchange.market}&symbol=BTCUSDT&limit=1000"
        rows = result(each, path)["list"]
        made = each.truth.trades("BTCUSDT")[-most:]
        assert [row["execId"] for row in rows] == [trade["id"] for trade in reversed(made)]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("recent-trade?category=linear&symbol=NOSUCH", "params error: symbol invalid"),
        ("recent-trade?category=spot&symbol=BTCUSDT", "params error: Category is invalid"),
        ("instruments-info?category=linear&limit=x", "params error: limit or cursor is invalid"),
    ],
)
def test_errors_come_with_status_200(floor: Floor, path: str, said: str) -> None:
    reply = floor.get(f"/v5/market/{path}")
    assert reply.status == 200
    assert (json.loads(reply.body)["retCode"], json.loads(reply.body)["retMsg"]) == (10001, said)
