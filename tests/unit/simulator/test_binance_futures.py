from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from floor import Floor

PUBLIC, MARKET, FORMER = "/public/stream", "/market/stream", "/stream"
NAMES = [f"btcusdt@{kind}" for kind in ("trade", "bookTicker", "depth@100ms", "aggTrade", "kline_1m", "markPrice@1s", "ticker")]


@pytest.fixture
def floor() -> Floor:
    return Floor("binance", "linear", ["BTC-USDT-PERP", "ETH-USDT-261225"])


def ask(floor: Floor, path: str, *names: str) -> None:
    floor.say(floor.session(path), json.dumps({"method": "SUBSCRIBE", "params": names, "id": 1}))
    assert list(floor.session(path).topics) == list(names)


def sent(floor: Floor) -> list[dict[str, Any]]:
    return [json.loads(text) for _, text in floor.sent]


@pytest.mark.parametrize(("path", "served"), [(PUBLIC, NAMES[:3]), (MARKET, NAMES[3:]), (FORMER, NAMES[:3])])
def test_all_is_acknowledged_and_only_what_belongs_to_the_path_is_delivered(floor: Floor, path: str, served: list[str]) -> None:
    ask(floor, path, *NAMES)
    floor.run(5.0, 50, ticks=100)
    assert {message["stream"] for message in sent(floor)} == set(served)


@pytest.mark.parametrize("path", ["/public/ws", "/market/ws/btcusdt@aggTrade", "/ws"])
def test_raw_streams_are_there_on_each_path(floor: Floor, path: str) -> None:
    session = floor.exchange.open(path, {})
    assert session is not None
    assert not session.combined


def test_unknown_paths_are_none(floor: Floor) -> None:
    assert floor.exchange.open("/private/stream", {}) is None
    assert floor.exchange.open("/public/nosuch", {}) is None


def test_unknown_names_are_acknowledged_and_silent(floor: Floor) -> None:
    ask(floor, MARKET, "nosuch@aggTrade", "BTCUSDT@aggTrade", "btcusdt@kline_1s", "btcusdt@nosuch")
    floor.run(3.0, 30)
    assert not floor.sent


def test_depth_is_chained_by_the_id_before_and_joins_its_snapshot(floor: Floor) -> None:
    ask(floor, PUBLIC, "btcusdt@depth@100ms")
    floor.run(1.0, 40, ticks=40)
    snapshot = json.loads(floor.get("/fapi/v1/depth?symbol=BTCUSDT&limit=1000").body)
    floor.run(1.0, 40, ticks=40)
    events = [message["data"] for message in sent(floor)]
    assert all(later["pu"] == earlier["u"] for earlier, later in pairwise(events))
    assert not any(later["U"] == earlier["u"] + 1 for earlier, later in pairwise(events))
    joining = next(event for event in events if event["u"] > snapshot["lastUpdateId"])
    assert joining["pu"] <= snapshot["lastUpdateId"]
    assert {"st": 1, "ps": "BTCUSDT"}.items() <= joining.items()


def test_dated_future_has_no_funding(floor: Floor) -> None:
    ask(floor, MARKET, "btcusdt@markPrice@1s", "ethusdt_261225@markPrice@1s")
    floor.run(1.5, 10, ticks=3)
    perpetual, dated = (message["data"] for message in sent(floor))
    assert perpetual["T"] > floor.now_ms
    assert (dated["s"], dated["r"], dated["T"]) == ("ETHUSDT_261225", "0.00000000", 0)


def test_liquidations_of_all_symbols_are_one_stream(floor: Floor) -> None:
    ask(floor, MARKET, "!forceOrder@arr")
    floor.run(1.0, 400)
    orders = [message["data"]["o"] for message in sent(floor)]
    assert {order["s"] for order in orders} == {"BTCUSDT", "ETHUSDT_261225"}
    assert {order["S"] for order in orders} == {"SELL", "BUY"}
    assert len(orders) == 8


@pytest.mark.parametrize(
    ("path", "status", "weight", "body"),
    [
        ("depth?symbol=BTCUSDT&limit=7", 400, 1, {"code": -4021, "msg": "7 is not valid depth limit"}),
        ("depth?symbol=NOSUCH&limit=5", 400, 1, {"code": -1121, "msg": "Invalid symbol."}),
        ("aggTrades?symbol=NOSUCH", 400, 20, {"code": -1121, "msg": "Invalid symbol."}),
        ("aggTrades?symbol=BTCUSDT&fromId=x", 400, 20, {"code": -1100, "msg": "Illegal characters found in a parameter."}),
        ("openInterest?symbol=NOSUCH", 400, 1, {"code": -1121, "msg": "Invalid symbol."}),
        ("premiumIndex?symbol=NOSUCH", 400, 1, {"code": -1121, "msg": "Invalid symbol."}),
        ("ticker/24hr?symbol=NOSUCH", 400, 1, {"code": -1121, "msg": "Invalid symbol."}),
        ("ping", 200, 1, {}),
    ],
)
def test_rest_answers_and_errors(floor: Floor, path: str, status: int, weight: int, body: Any) -> None:
    reply = floor.get(f"/fapi/v1/{path}")
    assert (reply.status, reply.weight, json.loads(reply.body)) == (status, weight, body)


@pytest.mark.parametrize(("limit", "weight"), [("5", 2), ("50", 2), ("100", 5), ("500", 10), ("1000", 20)])
def test_books_weigh_by_their_levels(floor: Floor, limit: str, weight: int) -> None:
    assert floor.get(f"/fapi/v1/depth?symbol=BTCUSDT&limit={limit}").weight == weight
    assert floor.get("/fapi/v1/depth?symbol=BTCUSDT").weight == 1


def test_trades_are_paged_by_id_and_by_time(floor: Floor) -> None:
    ask(floor, MARKET, "btcusdt@aggTrade")
    floor.run(1.0, 30, ticks=30)
    told = [message["data"] for message in sent(floor)]
    first = told[10]["a"]
    rows = json.loads(floor.get(f"/fapi/v1/aggTrades?symbol=BTCUSDT&fromId={first}&limit=5").body)
    assert [(row["a"], row["p"], row["q"], row["T"], row["m"]) for row in rows] == [
        (event["a"], event["p"], event["q"], event["T"], event["m"]) for event in told[10:15]
    ]
    since = json.loads(floor.get(f"/fapi/v1/aggTrades?symbol=BTCUSDT&startTime={told[10]['T']}&limit=5").body)
    assert since == rows
    latest = json.loads(floor.get("/fapi/v1/aggTrades?symbol=BTCUSDT&limit=3").body)
    assert [row["a"] for row in latest] == [event["a"] for event in told[-3:]]
    assert json.loads(floor.get(f"/fapi/v1/aggTrades?symbol=BTCUSDT&fromId={told[-1]['a'] + 1}").body) == []


def test_coin_margined_sizes_are_contracts() -> None:
    floor = Floor("binance", "inverse", ["BTC-USD-PERP"])
    ask(floor, FORMER, "btcusd_perp@aggTrade", "btcusd_perp@kline_1m", "btcusd_perp@bookTicker")
    floor.run(1.0, 50, ticks=20)
    data = {message["stream"]: message["data"] for message in sent(floor)}
    trade, candle = data["btcusd_perp@aggTrade"], data["btcusd_perp@kline_1m"]["k"]
    assert trade["q"].isdecimal()
    assert (trade["st"], trade["ps"]) == (2, "BTCUSD")
    contracts, base = int(candle["v"]), float(candle["q"])
    assert base == pytest.approx(contracts * 100 / float(candle["c"]), rel=0.01)
    (row,) = json.loads(floor.get("/dapi/v1/exchangeInfo").body)["symbols"]
    assert (row["contractSize"], row["contractStatus"]) == (100, "TRADING")
    interest = json.loads(floor.get("/dapi/v1/openInterest?symbol=BTCUSD_PERP").body)
    assert (interest["pair"], interest["contractType"]) == ("BTCUSD", "PERPETUAL")
    (premium,) = json.loads(floor.get("/dapi/v1/premiumIndex?symbol=BTCUSD_PERP").body)
    assert premium["symbol"] == "BTCUSD_PERP"
