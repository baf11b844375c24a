from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from floor import Floor

from marketfeed_simulator import catalogue
from marketfeed_simulator.kraken_payloads import checksum, stamp
from marketfeed_simulator.limits import AddressLimits
from marketfeed_simulator.session import Answer, Hearing, Session
from marketfeed_simulator.symbol import Levels

KRAKEN = catalogue.exchange("kraken", "spot")
NOW = {"time_in": "1970-01-01T00:00:00.000000Z", "time_out": "1970-01-01T00:00:00.000000Z"}
PATH = "/v2"


def ask(body: Any, session: Session | None = None, **hearing: Any) -> tuple[Answer, list[dict[str, Any]]]:
    text = body if isinstance(body, str) else json.dumps(body)
    answer = KRAKEN.receive(session or Session(number=3), text, Hearing(**hearing))
    return answer, [json.loads(reply) for reply in answer.replies]


def request(method: str, channel: str, *symbols: str, number: int | None = None, **params: Any) -> dict[str, Any]:
    named = {"symbol": list(symbols)} if symbols else {}
    body = {"method": method, "params": {"channel": channel, **named, **params}}
    return body if number is None else body | {"req_id": number}


# ---- what clients say ----------------------------------------------------------------------------------------------------


def test_each_symbol_is_acknowledged_by_itself_with_the_parameters_of_its_channel() -> None:
    session = Session()
    _, replies = ask(request("subscribe", "book", "BTC/USD", "ETH/USD", number=7, depth=25), session)
    assert replies == [
        {"method": "subscribe", "req_id": 7, "success": True, **NOW,
         "result": {"channel": "book", "depth": 25, "snapshot": True, "symbol": symbol}}
        for symbol in ("BTC/USD", "ETH/USD")
    ]  # fmt: skip
    assert list(session.topics) == ["book/25:BTC/USD", "book/25:ETH/USD"]


@pytest.mark.parametrize(
    ("channel", "params", "result", "topic"),
    [
        ("book", {}, {"depth": 10, "snapshot": True}, "book/10:X"),
        ("ticker", {}, {"event_trigger": "trades", "snapshot": True}, "ticker/trades:X"),
        ("ticker", {"event_trigger": "bbo"}, {"event_trigger": "bbo", "snapshot": True}, "ticker/bbo:X"),
        ("ohlc", {"interval": 5, "snapshot": False}, {"interval": 5, "snapshot": False}, "ohlc/5:X"),
        ("trade", {}, {"snapshot": False}, "trade:X"),
    ],
)
def test_what_is_not_said_has_a_default(channel: str, params: Any, result: Any, topic: str) -> None:
    session = Session()
    _, (reply,) = ask(request("subscribe", channel, "X", **params), session)
    assert reply["result"] == {"channel": channel, "symbol": "X", **result}
    assert list(session.topics) == [topic]


def test_symbols_that_are_not_there_fail_alone() -> None:
    session = Session()
    wanted = request("subscribe", "trade", "XBT/USD", "BTC/USD", number=1)
    _, replies = ask(wanted, session, knows=lambda topic: "XBT" not in topic)
    assert replies[0] == {
        "error": "Currency pair not supported XBT/USD", "method": "subscribe", "req_id": 1, "success": False,
        "symbol": "XBT/USD", **NOW,
    }  # fmt: skip
    assert replies[1]["success"]
    assert list(session.topics) == ["trade:BTC/USD"]


def test_unsubscribing_needs_the_same_parameters() -> None:
    session = Session()
    ask(request("subscribe", "book", "BTC/USD", depth=100), session)
    _, (reply,) = ask(request("unsubscribe", "book", "BTC/USD"), session)
    assert (reply["success"], reply["error"], len(session.topics)) == (False, "Subscription Not Found", 1)
    _, (reply,) = ask(request("unsubscribe", "book", "BTC/USD", depth=100), session)
    assert (reply["success"], reply["result"]) == (True, {"channel": "book", "depth": 100, "symbol": "BTC/USD"})
    assert not session.topics


def test_ping_is_answered_with_its_id() -> None:
    assert ask({"method": "ping", "req_id": 101})[1] == [{"method": "pong", "req_id": 101, **NOW}]


def test_of_a_burst_a_part_is_refused_the_same_in_every_run() -> None:
    names = [f"S{n}/USD" for n in range(40)]
    refused = []
    for _ in range(2):
        session = Session(number=3)
        _, replies = ask(request("subscribe", "trade", *names, number=5), session, within=lambda count: False)
        bad = [reply for reply in replies if not reply["success"]]
        assert {reply["error"] for reply in bad} == {"Exceeded msg rate"}
        assert len(session.topics) + len(bad) == len(names)
        refused.append([reply["symbol"] for reply in bad])
    assert refused[0] == refused[1]
    assert 5 < len(refused[0]) < 35


def test_symbols_are_refused_for_their_pace_by_command() -> None:
    granted = iter([True, False, True])
    _, replies = ask(request("subscribe", "trade", "A/USD", "B/USD", "C/USD"), granted=lambda: next(granted))
    assert [reply.get("error") for reply in replies] == [None, "Exceeded msg rate", None]
    assert ask(request("subscribe", "trade", "A/USD"), refusal=lambda: "no")[1][0]["error"] == "no"


def test_requests_are_counted_and_pings_are_not() -> None:
    counted: list[int] = []
    for body in (request("subscribe", "trade", "A/USD", "B/USD"), {"method": "ping"}, request("unsubscribe", "trade", "A/USD")):
        ask(body, within=lambda count: not counted.append(count))
    assert counted == [1, 1]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("{", "Malformed request"),
        ("[]", "Malformed request"),
        ({"method": "nosuch"}, "Malformed request"),
        ({"method": "subscribe", "req_id": "x", "params": {}}, "Malformed request"),
        (request("subscribe", "trade"), "Malformed request"),
        (request("subscribe", "nosuch", "BTC/USD"), "Subscription name invalid"),
        (request("subscribe", "book", "BTC/USD", depth=50), "Subscription depth not supported"),
        (request("subscribe", "ohlc", "BTC/USD", interval=3), "Subscription ohlc interval not supported"),
        (request("subscribe", "ticker", "BTC/USD", event_trigger="x"), "Event trigger not supported"),
    ],
)
def test_what_is_no_request_is_told_so(body: Any, said: str) -> None:
    _, (reply,) = ask(body)
    assert (reply["success"], reply["error"]) == (False, said)


def test_status_is_said_at_once_with_a_number_that_needs_64_bits() -> None:
    (status,) = KRAKEN.welcome(Session(number=3), 0)
    body = json.loads(status)
    assert (body["channel"], body["data"][0]["system"]) == ("status", "online")
    assert body["data"][0]["connection_id"] == 2**63 + 3
    assert json.loads(KRAKEN.notice(Session(), 0) or "")["data"][0]["system"] == "maintenance"


def test_too_many_attempts_are_a_ban_of_ten_minutes() -> None:
    address = AddressLimits(KRAKEN.limits)
    assert all(address.connect(0.0) is None for _ in range(150))
    refused = address.connect(1.0)
    assert refused is not None
    assert (refused.status, refused.retry_after_s) == (429, 600.0)
    assert address.connect(600.0) is not None
    assert address.connect(602.0) is None
    assert KRAKEN.open("/", {}) is None


# ---- channels ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def floor() -> Floor:
    return Floor("kraken", "spot", ["BTC-USD", "DOGE-USD"])


def sent(floor: Floor) -> list[str]:
    texts = [text for _, text in floor.sent]
    floor.sent.clear()
    return texts


def tell(floor: Floor, body: Any) -> list[str]:
    floor.say(floor.session(PATH), json.dumps(body))
    return sent(floor)


def exact(text: str) -> Any:
    """Numbers as their text."""
    return json.loads(text, parse_float=str, parse_int=str)


def test_checksum_is_that_of_the_guide() -> None:
    """Worked example of the guide on the book's checksum (docs.kraken.com, 2026-11)."""
    asks = """45285.2 0.00100000 45286.4 1.54571953 45286.6 1.54571109 45289.6 1.54560911 45290.2 0.15890660
              45291.8 1.54553491 45294.7 0.04454749 45296.1 0.35380000 45297.5 0.09945542 45299.5 0.18772827""".split()
    bids = """45283.5 0.10000000 45283.4 1.54582015 45282.1 0.10000000 45281.0 0.10000000 45280.3 1.54592586
              45279.0 0.07990000 45277.6 0.03310103 45277.5 0.30000000 45277.3 1.54602737 45276.6 0.15445238""".split()
    sides = [list(zip(side[::2], side[1::2], strict=True)) for side in (bids, asks)]
    assert checksum(Levels(0, *sides)) == 3310070434
    assert checksum(Levels(0, *([*side, ("1", "1")] for side in sides))) == 3310070434


@pytest.mark.parametrize("depth", [10, 100, 1000])
def test_book_cut_after_each_message_has_its_checksum(floor: Floor, depth: int) -> None:
    """Levels that leave the window are not told, a level may be told twice, and so may a removal."""
    texts = tell(floor, request("subscribe", "book", "BTC/USD", depth=depth))
    floor.run(20.0, 400, ticks=400)
    texts += sent(floor)
    sides: tuple[dict[str, str], dict[str, str]] = {}, {}
    twice = forgotten = 0
    for number, text in enumerate(texts):
        body = exact(text)
        (row,) = body["data"]
        assert body["type"] == ("update" if number else "snapshot")
        for side, told, best_first in zip(sides, (row["bids"], row["asks"]), (True, False), strict=True):
            twice += len(told) - len({level["price"] for level in told})
            for level in told:
                if Decimal(level["qty"]):
                    side[level["price"]] = level["qty"]
                else:
                    side.pop(level["price"], None)
            for price in sorted(side, key=Decimal, reverse=best_first)[depth:]:
                del side[price]
                forgotten += 1
        best = [sorted(side.items(), key=lambda level: Decimal(level[0])) for side in sides]
        assert checksum(Levels(0, best[0][::-1], best[1])) == int(row["checksum"])
    assert twice > 0
    assert (forgotten > 0) == (depth < 1000)
    truth = floor.truth.book("BTC/USD", levels=depth)
    assert sides == (dict(truth["bids"]), dict(truth["asks"]))


def test_second_subscriber_gets_the_window_of_the_first(floor: Floor) -> None:
    tell(floor, request("subscribe", "book", "BTC/USD"))
    floor.run(1.0, 100, ticks=50)
    last = exact(sent(floor)[-1])["data"][0]
    (text,) = tell(floor, request("subscribe", "book", "BTC/USD"))
    snapshot = exact(text)
    assert (snapshot["type"], snapshot["data"][0]["checksum"]) == ("snapshot", last["checksum"])


def test_numbers_have_all_the_decimals_of_their_pair(floor: Floor) -> None:
    texts = tell(floor, request("subscribe", "book", "BTC/USD", "DOGE/USD"))
    tell(floor, request("subscribe", "trade", "BTC/USD", "DOGE/USD"))
    floor.run(2.0, 200, ticks=40)
    texts += sent(floor)
    places = {each.native: each.tick_decimals for each in floor.market.listings}
    for text in texts:
        (row,) = exact(text)["data"]
        for level in (*row.get("bids", ()), *row.get("asks", ()), *([row] if "price" in row else [])):
            assert len(level["price"].partition(".")[2]) == places[row["symbol"]]
            assert len(level["qty"].partition(".")[2]) == 8


def test_ticker_begins_with_a_snapshot_and_follows_the_best_prices(floor: Floor) -> None:
    first = exact(tell(floor, request("subscribe", "ticker", "BTC/USD", event_trigger="bbo"))[0])
    assert first["type"] == "snapshot"
    floor.run(1.0, 0)
    assert not sent(floor)
    floor.run(1.0, 10, ticks=10)
    updates = [exact(text) for text in sent(floor)]
    assert {update["type"] for update in updates} == {"update"}
    book = floor.truth.book("BTC/USD", levels=1)
    row = updates[-1]["data"][0]
    assert [(row["bid"], row["bid_qty"]), (row["ask"], row["ask_qty"])] == [book["bids"][0], book["asks"][0]]
    assert Decimal(row["low"]) <= Decimal(row["vwap"]) <= Decimal(row["high"])


def test_candles_are_over_when_the_next_one_begins_and_silent_without_trades(floor: Floor) -> None:
    tell(floor, request("subscribe", "ohlc", "BTC/USD", interval=1))
    floor.run(59.0, 0, ticks=59)
    assert not sent(floor)
    floor.run(62.0, 620, ticks=124)
    rows = [exact(text)["data"][0] for text in sent(floor)]
    begun = [row["interval_begin"] for row in rows]
    assert begun == sorted(begun)
    assert len(set(begun)) == 3
    assert all("closed" not in row and row["timestamp"] > row["interval_begin"] for row in rows)
    assert begun[0] == "2026-01-01T00:00:00.000000000Z"
    assert rows[0]["timestamp"] == "2026-01-01T00:01:00.000000Z"


def test_list_of_pairs_is_told_and_told_again_when_it_changes(floor: Floor) -> None:
    (text,) = tell(floor, request("subscribe", "instrument"))
    body = json.loads(text)
    assert (body["channel"], body["type"]) == ("instrument", "snapshot")
    assert {pair["symbol"]: pair["price_precision"] for pair in body["data"]["pairs"]} == {
        each.native: each.tick_decimals for each in floor.market.listings
    }
    parsed = {each.symbol: each for each in floor.product.instruments.parse(body)}
    assert {each.symbol for each in floor.market.listings} == parsed.keys()
    assert all(Decimal(parsed[each.symbol].tick_size) == Decimal(each.tick_size) for each in floor.market.listings)
    floor.market.set_status(0, "cancel_only")
    floor.generator.relist(floor.now_s)
    ((_, told),) = floor.generator.news(floor.now_ms)
    update = json.loads(told)
    assert (update["type"], [pair["status"] for pair in update["data"]["pairs"]]) == ("update", ["cancel_only", "online"])


@pytest.mark.parametrize(
    ("time_ms", "text"), [(0, "1970-01-01T00:00:00.000000Z"), (1_767_225_600_123, "2026-01-01T00:00:00.123000Z")]
)
def test_times_have_microseconds(time_ms: int, text: str) -> None:
    assert stamp(time_ms) == text


# ---- REST ----------------------------------------------------------------------------------------------------------------


def result(floor: Floor, path: str) -> Any:
    body = json.loads(floor.get(f"/0/public/{path}").body, parse_float=str)
    assert body["error"] == []
    return body["result"]


def test_pairs_are_named_as_on_the_socket_and_tell_their_old_names(floor: Floor) -> None:
    pairs = result(floor, "AssetPairs?assetVersion=1")
    assert list(pairs) == ["BTC/USD", "DOGE/USD"]
    assert [pair["wsname"] for pair in pairs.values()] == ["XBT/USD", "XDG/USD"]
    assert list(result(floor, "AssetPairs?assetVersion=1&pair=DOGE/USD")) == ["DOGE/USD"]


def test_trades_are_told_from_a_moment_on_and_page_by_page(floor: Floor) -> None:
    floor.run(3.0, 300, ticks=300)
    made = [trade["id"] for trade in floor.truth.trades("BTC/USD")]
    path = "Trades?pair=BTC/USD&assetVersion=1"
    assert [str(row[6]) for row in result(floor, path)["BTC/USD"]] == made
    assert [str(row[6]) for row in result(floor, f"{path}&count=7")["BTC/USD"]] == made[-7:]
    first_ns = floor.truth.trades("BTC/USD")[0]["time_ms"] * 10**6
    told: list[str] = []
    since = first_ns - 1
    while rows := (page := result(floor, f"{path}&since={since}&count=80"))["BTC/USD"]:
        told += [str(row[6]) for row in rows]
        since = int(page["last"])
    assert told == made
    assert str(result(floor, f"{path}&since={first_ns}&count=1")["BTC/USD"][0][6]) == made[1]
    assert {row[3] for row in result(floor, path)["BTC/USD"]} == {"b", "s"}


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("Trades?pair=NO/SUCH", "EQuery:Unknown asset pair"),
        ("Ticker?pair=BTC/USD,NO/SUCH", "EQuery:Unknown asset pair"),
        ("Trades?pair=BTC/USD&since=x", "EGeneral:Invalid arguments:since"),
    ],
)
def test_errors_come_with_status_200(floor: Floor, path: str, said: str) -> None:
    reply = floor.get(f"/0/public/{path}")
    assert (reply.status, json.loads(reply.body)) == (200, {"error": [said]})


def test_about_one_call_a_second_is_let_pass() -> None:
    address = AddressLimits(KRAKEN.limits)
    assert all(address.call(1, float(second)) is None for second in range(60))
    assert [address.call(1, 100.0 + 0.5 * n) is None for n in range(6)][-1] is False
