from __future__ import annotations

import json
from typing import Any

import pytest
from floor import Floor

from marketfeed_simulator import catalogue
from marketfeed_simulator.limits import AddressLimits
from marketfeed_simulator.okx_control import BUSINESS, PUBLIC
from marketfeed_simulator.session import Answer, Hearing, Session

SPOT, LINEAR = catalogue.exchange("okx", "spot"), catalogue.exchange("okx", "linear")
CONN_ID = "a4d30003"
TRADES = {"channel": "trades", "instId": "BTC-USDT"}
SWAP = "BTC-USDT-SWAP"


def ask(exchange: Any, body: Any, path: str = PUBLIC, session: Session | None = None, **hearing: Any) -> tuple[Answer, Any]:
    text = body if isinstance(body, str) else json.dumps(body)
    answer = exchange.receive(session or Session(path=path, number=3), text, Hearing(**hearing))
    return answer, [json.loads(reply) for reply in answer.replies]


def request(op: str, *args: dict[str, str], **more: Any) -> dict[str, Any]:
    return {"op": op, "args": list(args), **more}


def channels(*names: str, what: str = SWAP) -> dict[str, Any]:
    return request("subscribe", *({"channel": name, "instId": what} for name in names))


# ---- what clients say ----------------------------------------------------------------------------------------------------


def test_each_argument_is_acknowledged_by_itself_with_the_id_of_the_request() -> None:
    tickers = {"channel": "tickers", "instId": "BTC-USDT"}
    session = Session(path=PUBLIC, number=3)
    for op, topics in (("subscribe", ["trades:BTC-USDT", "tickers:BTC-USDT"]), ("unsubscribe", [])):
        _, replies = ask(SPOT, request(op, TRADES, tickers, id="7"), session=session)
        assert replies == [{"id": "7", "event": op, "arg": arg, "connId": CONN_ID} for arg in (TRADES, tickers)]
        assert list(session.topics) == topics
    assert "id" not in ask(SPOT, request("subscribe", TRADES))[1][0]


def test_text_ping_is_answered_with_a_text_pong() -> None:
    assert SPOT.receive(Session(path=PUBLIC), "ping", Hearing()).replies == ("pong",)


def test_what_is_not_there_fails_alone_and_is_named() -> None:
    session = Session(path=PUBLIC, number=3)
    unknown = {"channel": "trades", "instId": "LTC-USD"}
    _, replies = ask(SPOT, request("subscribe", unknown, TRADES), session=session, knows=lambda topic: "LTC" not in topic)
    assert (replies[0]["event"], replies[0]["code"]) == ("error", "60018")
    assert replies[0]["msg"] == (
        "Wrong URL or channel:trades,instId:LTC-USD doesn't exist. "
        "Please use the correct URL, channel and parameters referring to API document."
    )
    assert (replies[1]["event"], list(session.topics)) == ("subscribe", ["trades:BTC-USDT"])


@pytest.mark.parametrize(
    ("path", "channel", "code", "words"),
    [
        (PUBLIC, "candle1m", "64001", "This channel has been migrated to the '/business' URL."),
        (PUBLIC, "trades-all", "64001", "migrated"),
        (BUSINESS, "trades", "64002", 'not supported by "/business" URL'),
        (BUSINESS, "books", "64002", '"/public" URL(for public channels)'),
    ],
)
def test_channels_of_the_other_path_are_refused_with_its_name(path: str, channel: str, code: str, words: str) -> None:
    _, (reply,) = ask(SPOT, channels(channel, what="BTC-USDT"), path)
    assert reply["code"] == code
    assert words in reply["msg"]


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        ("{", "60012", "Invalid request: {"),
        ('{"op":"subscribe","argss":[]}', "60012", 'Invalid request: {"op":"subscribe","argss":[]}'),
        ({"op": "subscribe", "args": []}, "60012", 'Invalid request: {"op": "subscribe", "args": []}'),
        (request("nosuch", TRADES), "60019", "Invalid op: nosuch"),
        (request("subscribe", {"instId": "BTC-USDT"}), "60013", "Invalid args"),
        (request("subscribe", TRADES, id="a-b"), "60033", "Parameter id error."),
        (request("subscribe", TRADES, id="a" * 33), "60033", "Parameter id error."),
    ],
)
def test_what_is_no_request_is_told_so(body: Any, code: str, message: str) -> None:
    assert ask(SPOT, body)[1] == [{"event": "error", "code": code, "msg": message, "connId": CONN_ID}]


def test_request_that_is_one_too_many_or_refused_by_command_changes_nothing() -> None:
    for hearing, code in (
        ({"within": lambda count: False}, "60014"),
        ({"granted": lambda: False}, "60014"),
        ({"refusal": lambda: "no"}, "60012"),
    ):
        session = Session(path=PUBLIC, number=3)
        _, (reply,) = ask(SPOT, request("subscribe", TRADES, id="1"), session=session, **hearing)
        assert (reply["code"], reply["id"], list(session.topics)) == (code, "1", [])


def test_unsubscribing_counts_as_a_request_and_is_not_refused_by_command() -> None:
    asked = []
    hearing = {"within": lambda count: asked.append(count) or True, "refusal": lambda: "no"}
    assert ask(SPOT, request("unsubscribe", TRADES), **hearing)[1][0]["event"] == "unsubscribe"
    assert asked == [1]


def test_request_of_more_than_64_kb_closes_the_connection() -> None:
    args = [{"channel": "trades", "instId": f"{n:050}"} for n in range(1000)]
    answer, replies = ask(SPOT, request("subscribe", *args))
    assert (answer.close, answer.rule, replies) == (
        (1009, "Request message exceeds the maximum frame length"), "request_bytes", [],
    )  # fmt: skip


def test_one_channel_too_many_closes_the_connection() -> None:
    exchange = catalogue.exchange("okx", "spot", streams_per_connection=2)
    args = [{"channel": "trades", "instId": f"{n}"} for n in range(3)]
    answer, replies = ask(exchange, request("subscribe", *args))
    assert len(replies) == 2
    assert (answer.close, answer.violation) == (
        (4009, "The number of subscription channels for this connection exceeds the limit"), "3 on one connection",
    )  # fmt: skip


def test_channel_that_is_asked_for_again_begins_again() -> None:
    session = Session(path=PUBLIC)
    ask(SPOT, request("subscribe", TRADES), session=session)
    assert ask(SPOT, request("subscribe", TRADES), session=session)[0].again == ("trades:BTC-USDT",)


def test_upgrade_is_announced_on_public_connections_alone() -> None:
    notice = SPOT.notice(Session(path=PUBLIC, number=3), 0)
    assert json.loads(notice or "") == {
        "event": "notice",
        "code": "64008",
        "msg": "The connection will soon be closed for a service upgrade. Please reconnect.",
        "connId": CONN_ID,
    }
    assert SPOT.notice(Session(path=BUSINESS), 0) is None


def test_three_connections_a_second_are_let_in() -> None:
    address = AddressLimits(SPOT.limits)
    assert [address.connect(0.1 * n) is None for n in range(4)] == [True, True, True, False]
    assert address.connect(1.2) is None
    assert SPOT.open("/ws/v5/private", {}) is None


# ---- channels ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def floor() -> Floor:
    return Floor("okx", "linear", ["BTC-USDT-PERP", "BTC-USDT-261225"])


def sent(floor: Floor) -> list[dict[str, Any]]:
    messages = [json.loads(text) for _, text in floor.sent]
    floor.sent.clear()
    return messages


def tell(floor: Floor, body: Any, path: str = PUBLIC) -> list[dict[str, Any]]:
    floor.say(floor.session(path), json.dumps(body))
    return sent(floor)


def test_book_begins_with_a_snapshot_and_each_update_names_the_one_before(floor: Floor) -> None:
    (first,) = tell(floor, channels("books"))
    assert (first["action"], first["data"][0]["prevSeqId"], first["data"][0]["checksum"]) == ("snapshot", -1, 0)
    floor.run(2.0, 60, ticks=60)
    updates = sent(floor)
    assert {update["action"] for update in updates} == {"update"}
    last = first["data"][0]["seqId"]
    for update in updates:
        (row,) = update["data"]
        assert (row["prevSeqId"], row["seqId"] > last, row["checksum"]) == (last, True, 0)
        last = row["seqId"]
    assert last == floor.truth.book(SWAP)["update"]
    removed = [level for update in updates for side in ("bids", "asks") for level in update["data"][0][side] if level[1] == "0"]
    assert removed
    assert {tuple(level[1:]) for level in removed} == {("0", "0", "0")}


def test_book_without_a_change_is_told_every_minute_with_the_number_that_it_has(floor: Floor) -> None:
    (first,) = tell(floor, channels("books"))
    floor.run(130.0, 0, ticks=1300)
    rows = [message["data"][0] for message in sent(floor)]
    seq = first["data"][0]["seqId"]
    assert [(row["prevSeqId"], row["seqId"], row["bids"], row["asks"]) for row in rows] == [(seq, seq, [], [])] * 2


def test_book_whose_snapshot_did_not_come_can_begin_over_rest(floor: Floor) -> None:
    """The first update that ends after the REST book may begin before it: it has all that changed in between."""
    tell(floor, channels("books"))
    floor.run(0.95, 40, ticks=19)
    floor.market.skip(3, floor.now_ms)
    (book,) = rows(floor, f"market/books?instId={SWAP}&sz=400")
    sides = {side: {level[0]: level[1] for level in book[side]} for side in ("bids", "asks")}
    floor.run(1.0, 40, ticks=20)
    updates = [row for row in (message["data"][0] for message in sent(floor)) if row["seqId"] > book["seqId"]]
    assert updates[0]["prevSeqId"] < book["seqId"]
    for row in updates:
        for side, levels in sides.items():
            for price, size, *_ in row[side]:
                levels[price] = size
    truth = floor.truth.book(SWAP)
    for side, levels in sides.items():
        assert {price: size for price, size in levels.items() if size != "0"} == dict(truth[side])


def test_after_maintenance_numbers_begin_anew_and_the_chain_holds(floor: Floor) -> None:
    (first, _) = tell(floor, channels("books", "bbo-tbt"))
    floor.generator.reset()
    tell(floor, request("unsubscribe", {"channel": "bbo-tbt", "instId": SWAP}))
    (again,) = tell(floor, channels("books"))
    assert again["data"][0]["seqId"] == first["data"][0]["seqId"]
    floor.run(1.0, 30, ticks=10)
    rows = [message["data"][0] for message in sent(floor)]
    assert rows[0]["prevSeqId"] == first["data"][0]["seqId"] > rows[0]["seqId"]
    assert [row["prevSeqId"] for row in rows[1:]] == [row["seqId"] for row in rows[:-1]]


def test_best_prices_come_whole_and_with_rising_numbers(floor: Floor) -> None:
    tell(floor, channels("bbo-tbt", "books5"))
    floor.run(1.0, 50, ticks=50)
    messages = sent(floor)
    for channel, depth in (("bbo-tbt", 1), ("books5", 5)):
        rows = [m["data"][0] for m in messages if m["arg"]["channel"] == channel]
        assert all(len(row["bids"]) == len(row["asks"]) == depth for row in rows)
        assert [row["seqId"] for row in rows] == sorted({row["seqId"] for row in rows})
        book = floor.truth.book(SWAP, levels=depth)
        assert [tuple(level[:2]) for level in rows[-1]["asks"]] == book["asks"]


def test_trades_join_fills_that_their_other_channel_tells_apart(floor: Floor) -> None:
    tell(floor, channels("trades"))
    tell(floor, channels("trades-all"), BUSINESS)
    floor.run(1.0, 200)
    messages = sent(floor)
    joined = [m["data"][0] for m in messages if m["arg"]["channel"] == "trades"]
    fills = [row for m in messages if m["arg"]["channel"] == "trades-all" for row in m["data"]]
    ids = [int(fill["tradeId"]) for fill in fills]
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    assert {trade["count"] for trade in joined} == {"1", "3"}
    at = 0
    for trade in joined:
        own = fills[at : at + int(trade["count"])]
        at += len(own)
        assert own[-1]["tradeId"] == trade["tradeId"]
        assert {(fill["px"], fill["side"], fill["ts"]) for fill in own} == {(trade["px"], trade["side"], trade["ts"])}
        assert sum(round(float(fill["sz"]) * 100) for fill in own) == round(float(trade["sz"]) * 100)


def test_numbers_have_no_zeros_that_they_do_not_need(floor: Floor) -> None:
    tell(floor, channels("trades"))
    floor.run(1.0, 200)
    texts = {row[name] for message in sent(floor) for row in message["data"] for name in ("px", "sz")}
    assert not [text for text in texts if "." in text and text.endswith("0")]
    assert {len(text.partition(".")[2]) for text in texts} == {1, 2}


@pytest.mark.parametrize(("channel", "opened_ms"), [("candle1D", 1_767_196_800_000), ("candle1Dutc", 1_767_225_600_000)])
def test_days_begin_in_utc8_unless_their_name_says_otherwise(floor: Floor, channel: str, opened_ms: int) -> None:
    tell(floor, channels(channel), BUSINESS)
    floor.run(2.0, 0)
    assert {message["data"][0][0] for message in sent(floor)} == {str(opened_ms)}


def test_candles_close(floor: Floor) -> None:
    tell(floor, channels("candle1m"), BUSINESS)
    floor.run(61.5, 600, ticks=123)
    rows = [message["data"][0] for message in sent(floor)]
    assert {len(row) for row in rows} == {9}
    closed = [row for row in rows if row[8] == "1"]
    assert len(closed) == 1
    assert int(closed[0][0]) + 60_000 == int(rows[-1][0])
    assert float(closed[0][6]) == pytest.approx(float(closed[0][5]) * 0.01)  # of 0.01 BTC each
    assert float(closed[0][3]) <= float(closed[0][7]) / float(closed[0][6]) <= float(closed[0][2])


@pytest.mark.parametrize("name", ["candle1mutc", "candle7m", "books50", "books-l2-tbt", "nosuch"])
def test_channels_that_are_not_there_are_none(floor: Floor, name: str) -> None:
    assert floor.generator.feed(f"{name}:{SWAP}") is None


def test_dated_contracts_have_no_funding_and_spot_no_state(floor: Floor) -> None:
    assert floor.generator.feed(f"funding-rate:{SWAP}") is not None
    assert floor.generator.feed("funding-rate:BTC-USDT-261225") is None
    spot = Floor("okx", "spot", ["BTC-USDT"])
    for topic in ("mark-price:BTC-USDT", "index-tickers:BTC-USDT", "liquidation-orders:SWAP"):
        assert spot.generator.feed(topic) is None


def test_index_is_named_by_its_own_name_whoever_follows_it(floor: Floor) -> None:
    (first,) = tell(floor, channels("index-tickers", what="BTC-USDT"))
    assert (first["arg"]["instId"], first["data"][0]["instId"]) == ("BTC-USDT", "BTC-USDT")
    dated = Floor("okx", "linear", ["ETH-USDT-261225"])
    assert tell(dated, channels("index-tickers", what="ETH-USDT"))
    assert dated.generator.feed("index-tickers:BTC-USDT") is None
    assert dated.generator.feed("index-tickers:ETH-USDT-261225") is None


def test_funding_is_for_the_coming_settlement(floor: Floor) -> None:
    (first,) = tell(floor, channels("funding-rate"))
    (row,) = first["data"]
    assert 0 < int(row["fundingTime"]) - int(row["ts"]) <= 8 * 3_600_000
    assert int(row["nextFundingTime"]) - int(row["fundingTime"]) == 8 * 3_600_000
    assert (row["nextFundingRate"], row["method"]) == ("", "current_period")


def test_liquidations_come_by_type_of_instrument(floor: Floor) -> None:
    tell(floor, request("subscribe", {"channel": "liquidation-orders", "instType": "SWAP"}))
    floor.run(2.0, 2000)
    messages = sent(floor)
    assert len(messages) == 20
    assert {message["data"][0]["instId"] for message in messages} == {SWAP}
    details = [message["data"][0]["details"][0] for message in messages]
    assert {(row["posSide"], row["side"]) for row in details} == {("long", "sell"), ("short", "buy")}


# ---- REST ----------------------------------------------------------------------------------------------------------------


def rows(floor: Floor, path: str) -> list[dict[str, Any]]:
    body = json.loads(floor.get(f"/api/v5/{path}").body)
    assert body["code"] == "0", body
    return list(body["data"])


def test_instruments_are_listed_by_type_with_their_terms(floor: Floor) -> None:
    (swap,) = rows(floor, "public/instruments?instType=SWAP")
    assert {name: swap[name] for name in ("ctVal", "ctValCcy", "ctType", "uly", "baseCcy", "settleCcy", "expTime")} == {
        "ctVal": "0.01", "ctValCcy": "BTC", "ctType": "linear", "uly": "BTC-USDT", "baseCcy": "", "settleCcy": "USDT",
        "expTime": "",
    }  # fmt: skip
    floor.market.set_status(1, "suspend")
    (dated,) = rows(floor, "public/instruments?instType=FUTURES")
    assert (dated["instId"], dated["state"], dated["expTime"]) == ("BTC-USDT-261225", "suspend", "1798185600000")


def test_inverse_contracts_are_worth_dollars() -> None:
    (swap,) = rows(Floor("okx", "inverse", ["BTC-USD-PERP"]), "public/instruments?instType=SWAP")
    assert (swap["ctVal"], swap["ctValCcy"], swap["settleCcy"], swap["ctType"]) == ("100", "USD", "BTC", "inverse")


def test_book_over_rest_has_the_number_of_the_socket(floor: Floor) -> None:
    (first,) = tell(floor, channels("books"))
    (book,) = rows(floor, f"market/books?instId={SWAP}&sz=400")
    assert {name: book[name] for name in ("asks", "bids", "seqId")} == {
        name: first["data"][0][name] for name in ("asks", "bids", "seqId")
    }


def test_history_goes_back_from_an_id_or_a_time(floor: Floor) -> None:
    floor.run(3.0, 300, ticks=300)
    path = f"market/history-trades?instId={SWAP}"
    newest = rows(floor, path)
    ids = [int(row["tradeId"]) for row in newest]
    assert ids == list(range(ids[0], ids[0] - 100, -1))
    assert str(ids[0]) == floor.truth.trades(SWAP)[-1]["id"]
    older = rows(floor, f"{path}&type=1&after={ids[-1]}&limit=5")
    assert [int(row["tradeId"]) for row in older] == list(range(ids[-1] - 1, ids[-1] - 6, -1))
    moment = int(newest[50]["ts"])
    before = rows(floor, f"{path}&type=2&after={moment}")
    assert all(int(row["ts"]) < moment for row in before)
    assert int(before[0]["tradeId"]) == max(int(row["tradeId"]) for row in newest if int(row["ts"]) < moment)


@pytest.mark.parametrize(
    ("path", "code", "status"),
    [
        ("public/instruments", "50014", 400),
        ("public/instruments?instType=SPOT", "51000", 400),
        ("market/books?sz=400", "50014", 400),
        ("market/books?instId=NOSUCH-USDT", "51001", 200),
        (f"market/books?instId={SWAP}&sz=x", "51000", 400),
        ("market/history-trades?instId=NOSUCH-USDT", "51001", 200),
        (f"market/history-trades?instId={SWAP}&after=x", "51000", 400),
    ],
)
def test_errors_have_a_code(floor: Floor, path: str, code: str, status: int) -> None:
    reply = floor.get(f"/api/v5/{path}")
    assert (reply.status, json.loads(reply.body)["code"]) == (status, code)


def test_calls_have_budgets_of_their_own(floor: Floor) -> None:
    address = AddressLimits(floor.exchange.limits)
    calls = {name: floor.get(f"/api/v5/{name}") for name in (
        "public/instruments?instType=SWAP", "public/instruments?instType=FUTURES", f"market/books?instId={SWAP}",
        f"market/history-trades?instId={SWAP}", "market/tickers?instType=SWAP",
    )}  # fmt: skip
    most = [sum(address.call(reply.weight, 0.0, reply.budget) is None for _ in range(50)) for reply in calls.values()]
    assert most == [20, 20, 40, 20, 20]
    refused = address.call(1, 0.0, "tickers")
    assert refused is not None
    assert (refused.status, json.loads(floor.exchange.refused(429, 0))["code"]) == (429, "50011")
