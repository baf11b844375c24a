from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketfeed import normalizer
from marketfeed.encoding import encode
from marketfeed.exchanges.catalogue import MARKETS
from marketfeed.exchanges.exchange import Market
from marketfeed.exchanges.message import OneOf, Wire, message
from marketfeed.normalizer import Data, Ignored, Malformed, Normalizer, NotData, Row
from marketfeed.symbols import Names

SPOT = MARKETS["binance", "spot"]
NAMES = Names({}, SPOT.symbol)
TRADE = {"e": "trade", "E": 1672515782140, "s": "BTCUSDT", "t": 12345, "p": "0.0010", "q": "100", "T": 1672515782136,
         "m": True, "M": True}  # fmt: skip
DEPTH = {"e": "depthUpdate", "E": 1672515782136, "s": "BTCUSDT", "U": 157, "u": 160, "b": [["0.0024", "10"]], "a": []}
KLINE = {"e": "kline", "E": 1672515782136, "s": "BTCUSDT",
         "k": {"t": 1704067200000, "T": 1704067259999, "s": "BTCUSDT", "i": "1m", "o": "1", "c": "2", "h": "3", "l": "0.5",
               "v": "10", "x": False, "q": "15"}}  # fmt: skip
TICKER = {"e": "24hrTicker", "E": 1672515782136, "s": "BTCUSDT", "c": "2", "o": "1", "h": "3", "l": "0.5", "v": "10", "q": "15"}
BOOK_TICKER = {"u": 400900217, "s": "BTCUSDT", "b": "25.35190000", "B": "31.21", "a": "25.3652", "A": "40.66"}


def combined(stream: str, data: Any) -> bytes:
    return json.dumps({"stream": stream, "data": data}, ensure_ascii=False).encode()


def decode(frame: bytes | dict[str, Any] | list[Any], market: Market = SPOT, merge: bool = False) -> Data | Ignored | NotData:
    return Normalizer(market, NAMES if market is SPOT else market.symbol, merge).decode(
        frame if isinstance(frame, bytes) else json.dumps(frame).encode()
    )


def rows(frame: Any, market: Market = SPOT) -> list[Row]:
    decoded = decode(frame, market)
    assert isinstance(decoded, Data), decoded
    return decoded.rows


def event(frame: Any, market: Market = SPOT) -> dict[str, Any]:
    (row,) = rows(frame, market)
    return row.event


def refusal(frame: Any, market: Market = SPOT) -> str:
    with pytest.raises(Malformed) as caught:
        decode(frame, market)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# ---- Binance spot, channel by channel --------------------------------------------------------------------------------


def test_trade_is_written_in_the_order_of_the_contract() -> None:
    assert encode(event(combined("btcusdt@trade", TRADE))) == (
        b'{"type":"trade","exchange":"binance","market":"spot","channel":"trades","symbol":"BTC-USDT",'
        b'"ts":1672515782136000000,"recv":null,"n":null,"id":"12345","price":"0.0010","size":"100","side":"sell"}'
    )


def test_trade_without_a_time_of_its_own_takes_that_of_its_message() -> None:
    data = {key: value for key, value in TRADE.items() if key != "T"}
    assert event(combined("btcusdt@trade", data))["ts"] == 1672515782140_000_000
    del data["E"]
    assert event(combined("btcusdt@trade", data))["ts"] is None


def test_aggregated_trades_are_trades_with_ids_of_their_own() -> None:
    data = {**TRADE, "e": "aggTrade", "a": 99, "f": 1, "l": 2, "m": False}
    (row,) = rows(combined("btcusdt@aggTrade", data))
    assert (row.event["id"], row.event["side"], row.position) == ("99", "buy", 99)


def test_a_trade_whose_id_is_not_told_has_none() -> None:
    data = {"e": "aggTrade", "E": 2, "s": "BTCUSDT", "p": "1", "q": "2", "f": 3, "l": 3, "T": 1, "m": False}
    (row,) = rows(combined("btcusdt@aggTrade", data))
    assert (row.event["id"], row.position) == (None, None)


def test_book_ticker_has_no_time() -> None:
    own = {"bid_price": "25.35190000", "bid_size": "31.21", "ask_price": "25.3652", "ask_size": "40.66", "seq": 400900217}
    found = event(combined("btcusdt@bookTicker", BOOK_TICKER))
    assert found["ts"] is None
    assert {key: found[key] for key in own} == own


def test_book_delta_tells_what_it_applies_to() -> None:
    (row,) = rows(combined("btcusdt@depth@100ms", DEPTH))
    assert list(row.event)[8:] == ["snapshot", "bids", "asks", "seq", "prev_seq"]
    assert row.event["snapshot"] is False
    assert row.event["bids"] == [["0.0024", "10"]]
    assert row.event["asks"] == []
    assert (row.event["seq"], row.event["prev_seq"], row.position) == (160, 156, 160)


def test_a_book_delta_of_the_first_years_does_not_tell_what_it_applies_to() -> None:
    data = {key: value for key, value in DEPTH.items() if key != "U"}
    found = event(combined("btcusdt@depth", data))
    assert (found["seq"], found["prev_seq"]) == (160, None)


@pytest.mark.parametrize("stream", ["btcusdt@depth", "btcusdt@depth@100ms", "btcusdt@depth@1000ms"])
def test_every_speed_of_diff_depth_is_recognised(stream: str) -> None:
    assert event(combined(stream, DEPTH))["type"] == "book"


def test_candle_has_its_interval_in_the_channel_and_the_exchanges_own_end() -> None:
    found = event(combined("btcusdt@kline_1m", KLINE))
    assert found["channel"] == "candles.1m"
    assert list(found)[8:] == ["interval", "open_time", "close_time", "open", "high", "low", "close", "volume", "quote_volume",
                               "closed"]  # fmt: skip
    assert found["close_time"] == 1704067259999_000_000
    assert found["closed"] is False


def test_candle_whose_end_is_not_told_ends_with_its_interval() -> None:
    candle = {key: value for key, value in KLINE["k"].items() if key != "T"}  # type: ignore[attr-defined]
    for interval, length_s in (("1m", 60), ("1M", 31 * 86_400)):
        data = {**KLINE, "k": {**candle, "i": interval}}
        assert event(combined(f"btcusdt@kline_{interval}", data))["close_time"] == (1704067200 + length_s) * 10**9 - 10**6


def test_ticker_has_null_for_what_it_lacks() -> None:
    data = {key: value for key, value in TICKER.items() if key not in "ol"}
    found = event(combined("btcusdt@ticker", data))
    assert (found["last"], found["open"], found["low"], found["quote_volume"]) == ("2", None, None, "15")


def test_tickers_of_all_symbols_become_one_event_each() -> None:
    found = rows(combined("!ticker@arr", [TICKER, {**TICKER, "s": "ETHBTC"}]))
    assert [row.symbol for row in found] == ["BTC-USDT", "ETH-BTC"]


def test_the_records_symbol_counts_not_that_of_the_stream() -> None:
    assert event(combined("btcusdt@trade", {**TRADE, "s": "ETHBTC"}))["symbol"] == "ETH-BTC"


def test_symbols_may_be_of_any_script() -> None:
    assert event(combined("币安人生usdt@trade", {**TRADE, "s": "币安人生USDT"}))["symbol"] == "币安人生-USDT"


def test_microseconds_are_kept() -> None:
    assert event(combined("btcusdt@trade", {**TRADE, "T": 1672515782136123}))["ts"] == 1672515782136123_000


# ---- raw streams -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stream", "data"),
    [
        ("btcusdt@trade", TRADE),
        ("btcusdt@aggTrade", {**TRADE, "e": "aggTrade", "a": 1}),
        ("btcusdt@bookTicker", BOOK_TICKER),
        ("btcusdt@depth", DEPTH),
        ("btcusdt@kline_1m", KLINE),
        ("btcusdt@ticker", TICKER),
        ("!ticker@arr", [TICKER]),
    ],
)
def test_a_raw_message_becomes_what_its_combined_form_does(stream: str, data: Any) -> None:
    assert [row.event for row in rows(data)] == [row.event for row in rows(combined(stream, data))]


@pytest.mark.parametrize(
    "data",
    [
        {"e": "avgPrice", "E": 1, "s": "BTCUSDT", "i": "5m", "w": "25776.86", "T": 1},
        {"e": "24hrMiniTicker", "E": 1, "s": "BTCUSDT", "c": "1", "o": "1", "h": "1", "l": "1", "v": "1", "q": "1"},
        {"e": "1hTicker", "E": 1, "s": "BTCUSDT"},
        {"e": "blockTrade", "E": 1, "s": "BTCUSDT", "t": 1, "p": "1", "q": "1", "T": 1, "m": True},
        {"e": "depth", "s": "BTCUSDT", "U": 1, "u": 2, "b": [], "a": []},
        {"e": "x@trade", **{key: value for key, value in TRADE.items() if key != "e"}},
        {"lastUpdateId": 160, "bids": [["0.0024", "10"]], "asks": []},
        [{"e": "24hrMiniTicker", "s": "BTCUSDT"}],
        [{"e": "ticker", "s": "BTCUSDT"}],
    ],
)
def test_raw_messages_of_other_channels_are_ignored(data: Any) -> None:
    assert isinstance(decode(data), Ignored)


@pytest.mark.parametrize(
    "stream",
    ["btcusdt@depth20", "btcusdt@depth5@100ms", "btcusdt@miniTicker", "!miniTicker@arr", "btcusdt@avgPrice", "btcusdt@kline_7m",
     "btcusdt@kline_1d@+08:00", "btcusdt@trades", "@trade"],
)  # fmt: skip
def test_combined_messages_of_other_channels_are_ignored(stream: str) -> None:
    assert isinstance(decode(combined(stream, {"lastUpdateId": 1})), Ignored)


def test_messages_of_symbols_that_are_not_listed_are_ignored_and_named() -> None:
    decoded = Normalizer(SPOT, {"ETHBTC": "ETH-BTC"}.get).decode(combined("btcusdt@trade", TRADE))
    assert isinstance(decoded, Ignored)
    assert "BTCUSDT" in decoded.reason


def test_reasons_are_short_and_of_one_line() -> None:
    for frame in (combined("x\n" * 1000, {}), combined("btcusdt@trade", {**TRADE, "s": "\x1b[2J" * 1000})):
        decoded = decode(frame)
        assert isinstance(decoded, Ignored)
        assert len(decoded.reason) < 500
        assert decoded.reason.isprintable()


@pytest.mark.parametrize(
    "body",
    [
        {"result": None, "id": 1},
        {"result": ["btcusdt@aggTrade"], "id": 3},
        {"error": {"code": 2, "msg": "Invalid request"}, "id": 3},
        {"code": 3, "msg": "Invalid JSON"},
        {"e": "serverShutdown", "E": 1770123456789},
        {"stream": "!serverShutdown", "data": {"e": "serverShutdown", "E": 1770123456789}},
    ],
)
def test_control_messages_keep_their_numbers(body: dict[str, Any]) -> None:
    decoded = decode(body)
    assert isinstance(decoded, NotData)
    assert decoded.body == body
    assert SPOT.control(decoded.body) is not None


# ---- what is malformed -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["s", "p", "q", "m"])
def test_a_field_that_a_trade_cannot_lack_is_named(key: str) -> None:
    data = {k: v for k, v in TRADE.items() if k != key}
    assert f"no {key}" in refusal(combined("btcusdt@trade", data))
    assert f"no {key}" in refusal(combined("btcusdt@trade", {**TRADE, key: ""}))
    assert f"no {key}" in refusal(combined("btcusdt@trade", {**TRADE, key: None}))


@pytest.mark.parametrize(
    ("key", "value"),
    [("p", "1,5"), ("p", True), ("p", {}), ("p", "NaN"), ("q", "+1"), ("q", []), ("m", "maybe"), ("m", 1), ("T", "soon"),
     ("T", -1), ("T", 10**17), ("t", True), ("t", [1]), ("s", False)],
)  # fmt: skip
def test_a_value_of_another_form_is_malformed(key: str, value: Any) -> None:
    assert "btcusdt@trade" in refusal(combined("btcusdt@trade", {**TRADE, key: value}))


@pytest.mark.parametrize("levels", [None, {}, "x", [["1"]], [[]], [["1", None]], [["1", "x"]], [None], ["1", "2"], [["1", ""]]])
def test_levels_of_another_form_are_malformed(levels: Any) -> None:
    refusal(combined("btcusdt@depth", {**DEPTH, "b": levels}))


@pytest.mark.parametrize(
    "frame",
    [b"", b" ", b"x", b"{", b'{"a":1}}', b'{"a":01}', b'{"a":1.}', b'{"a":NaN}', b'{"a":-Infinity}', b"[1,]", b'{"a":"\t"}',
     b'{"a":"\\x"}', b'{"a":"\xff"}', b"\xef\xbb\xbf{}", b"\xed\xa0\x80", b"[" * 100_000, b'{"a":' * 100_000, b"{'a':1}",
     b'"pong"', b"1", b"null", b"[]", b"[1]", b'[{"e":null}]', b'[{"e":[]},{"e":[]}]'],
)  # fmt: skip
def test_what_is_no_json_or_no_message_is_malformed(frame: bytes) -> None:
    refusal(frame)


def test_an_integer_without_end_is_malformed_and_harmless() -> None:
    refusal(b'{"result":null,"id":' + b"9" * 10_000 + b"}")
    refusal(combined("btcusdt@bookTicker", BOOK_TICKER).replace(b"400900217", b"9" * 10_000))


def test_a_channel_of_ours_without_its_record_is_no_data() -> None:
    for data in (b"null", b'""'):
        frame = b'{"stream":"btcusdt@kline_1m","data":' + data + b"}"
        if data == b"null":
            assert isinstance(decode(frame), NotData)
        else:
            refusal(frame)
    refusal(combined("btcusdt@kline_1m", {"e": "kline", "E": 1, "s": "BTCUSDT"}))
    refusal(combined("btcusdt@kline_1m", [KLINE, {}]))


def test_of_a_key_that_comes_twice_the_last_counts() -> None:
    frame = combined("btcusdt@trade", TRADE).replace(b'"p": "0.0010"', b'"p": "1", "p": "0.0010"')
    assert event(frame)["price"] == "0.0010"


def test_escapes_are_read_and_written_again() -> None:
    frame = combined("btcusdt@trade", {**TRADE, "t": 'a"b\\c\n'})
    assert json.loads(encode(event(frame)))["id"] == 'a"b\\c\n'


def test_numbers_may_come_with_an_exponent() -> None:
    assert event(combined("btcusdt@trade", {**TRADE, "p": 1e-8}))["price"] == "0.00000001"


@given(st.binary(max_size=200))
def test_any_bytes_are_decoded_or_malformed(frame: bytes) -> None:
    with suppress(Malformed):
        decode(frame)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.sampled_from(["1", "0.5"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("esbaBAuUkotTpqmi") | st.text(max_size=3), inner)
    ),
    max_leaves=8,
)


@given(stream=st.sampled_from(["btcusdt@trade", "btcusdt@depth", "btcusdt@kline_1m", "!bookTicker", "x"]), data=JSON)
def test_any_json_is_decoded_or_malformed(stream: str, data: Any) -> None:
    for frame in (combined(stream, data), json.dumps(data).encode()):
        with suppress(Malformed):
            decode(frame)


# ---- the vocabulary, on other exchanges ------------------------------------------------------------------------------


def test_records_that_do_not_count_are_left_out() -> None:
    spent = {**TRADE, "p": "0.00", "q": "0"}
    assert rows(combined("btcusdt@trade", spent), MARKETS["binance", "linear"]) == []


def test_one_frame_feeds_two_channels_and_what_it_lacks_is_left_out() -> None:
    market = MARKETS["bybit", "linear"]
    frame = {"topic": "tickers.BTCUSDT", "type": "delta", "ts": 1786310817883, "data": {"symbol": "BTCUSDT", "lastPrice": "5",
             "markPrice": "6"}}  # fmt: skip
    ticker, derivative = rows(frame, market)
    assert (ticker.channel, ticker.event["last"], ticker.event["open"]) == ("ticker", "5", None)
    assert list(derivative.event)[8:] == ["mark_price"]


def test_deltas_leave_merged_where_that_is_asked_for() -> None:
    market = MARKETS["bybit", "linear"]
    merging = Normalizer(market, market.symbol, merge=True)

    def last(data: dict[str, str]) -> list[dict[str, Any]]:
        frame = {"topic": "tickers.BTCUSDT", "ts": 1786310817883, "data": {"symbol": "BTCUSDT", **data}}
        decoded = merging.decode(json.dumps(frame).encode())
        assert isinstance(decoded, Data)
        return [row.event for row in decoded.rows if row.channel == "ticker"]

    assert last({"lastPrice": "5", "highPrice24h": "9"})[0]["high"] == "9"
    assert (last({"lastPrice": "6"})[0]["last"], last({"lastPrice": "6"})[0]["high"]) == ("6", "9")
    assert last({"bid1Price": "4"}) == []
    with pytest.raises(Malformed):
        last({"lastPrice": "7", "highPrice24h": "x"})
    assert last({"highPrice24h": "10"})[0]["last"] == "6"  # a malformed delta changes nothing


def test_a_rate_without_a_settlement_to_come_means_nothing() -> None:
    data = {"e": "markPriceUpdate", "E": 1, "s": "BTCUSDT", "p": "1", "i": "2", "r": "0.00000000", "T": 0}
    found = event(combined("btcusdt@markPrice@1s", data), MARKETS["binance", "linear"])
    assert list(found)[8:] == ["mark_price", "index_price"]
    data["T"] = 1672515782136
    assert event(combined("btcusdt@markPrice@1s", data), MARKETS["binance", "linear"])["funding_rate"] == "0.00000000"


def test_a_hook_gets_the_values_that_it_asks_for() -> None:
    frame = (b'{"channel":"book","type":"update","data":[{"symbol":"BTC/USD","bids":[{"price":0.10,"qty":1e-08}],"asks":[],'
             b'"checksum":2114181697,"timestamp":"2023-10-06T17:35:55.440295Z"}]}')  # fmt: skip
    (row,) = rows(frame, MARKETS["kraken", "spot"])
    assert row.extras == ("2114181697",)
    assert row.event["bids"] == [["0.10", "0.00000001"]]
    assert row.event["seq"] is None


def test_a_sign_of_life_is_no_event() -> None:
    data = {"asks": [], "bids": [], "ts": "1597026383085", "prevSeqId": 15, "seqId": 15}
    frame = {"arg": {"instType": "SPOT", "channel": "books", "instId": "BTC-USDT"}, "action": "update", "data": [data]}
    assert rows(frame, MARKETS["okx", "spot"]) == []


def test_topics_from_outside_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(normalizer, "MOST_TOPICS", 10)
    bounded = Normalizer(SPOT, NAMES)
    for number in range(100):
        assert bounded.routes(f"x{number}@trade") == ((0, {"symbol": f"x{number}"}),)
    assert len(bounded._routes) == 10


def test_optional_fields_stand_last_in_their_order() -> None:
    wire = Wire(("t",), (message("book", "b", at="d", symbol="s", snapshot=True, depth="n?", count="c?", backfill=True),),
                contracts=True)  # fmt: skip
    found = event({"t": "b", "d": {"s": "BTC-USDT-SWAP", "n": 10}}, replace(MARKETS["okx", "linear"], wire=wire))
    assert list(found)[8:] == ["snapshot", "bids", "asks", "seq", "prev_seq", "depth", "size_unit", "backfill"]


def test_a_stream_head_ends_before_its_time() -> None:
    head, interval, length_ns = Normalizer(SPOT, NAMES).stream_head("candles.1m", "BTC-USDT")
    assert head == (b'{"type":"candle","exchange":"binance","market":"spot","channel":"candles.1m","symbol":"BTC-USDT","ts":')
    assert (interval, length_ns) == (b'"1m"', 60 * 10**9)
    assert Normalizer(SPOT, NAMES).stream_head("candles.1M", "BTC-USDT")[2] == 0
    assert Normalizer(SPOT, NAMES).stream_head("trades", "BTC-USDT")[1:] == (b"", 0)


# ---- answers over REST ---------------------------------------------------------------------------------------------------

HISTORY = message("trades", at="", ts="T", id="a", price="p", size="q", side=OneOf("m", {"true": "sell", "false": "buy"}))


def test_an_answer_over_rest_becomes_the_events_of_the_symbol_that_was_asked_for() -> None:
    body = (
        b'[{"a":26129,"p":"0.01633102","q":"4.70443515","T":1498793709153,"m":true},'
        b'{"a":26130,"p":"1","q":"2","T":1498793709154,"m":false}]'
    )
    rows = Normalizer(SPOT, lambda native: None).body(HISTORY, "BTC-USDT", body)
    assert [(row.channel, row.symbol, row.event["id"], row.event["side"]) for row in rows] == [
        ("trades", "BTC-USDT", "26129", "sell"),
        ("trades", "BTC-USDT", "26130", "buy"),
    ]
    assert rows[0].event["ts"] == 1498793709153000000


def test_an_empty_answer_over_rest_is_no_event() -> None:
    assert Normalizer(SPOT, lambda native: None).body(HISTORY, "BTC-USDT", b"[]") == []


@pytest.mark.parametrize(("body", "problem"), [(b"<html>", "not JSON"), (b'{"code":-1}', "ts: no T"), (b"[1]", "neither")])
def test_an_answer_of_another_kind_is_malformed(body: bytes, problem: str) -> None:
    with pytest.raises(Malformed, match=problem):
        Normalizer(SPOT, lambda native: None).body(HISTORY, "BTC-USDT", body)


def test_an_answer_without_what_is_named_is_malformed() -> None:
    wanted = message("trades", at="result/list", id="execId")
    with pytest.raises(Malformed, match="no result"):
        Normalizer(SPOT, lambda native: None).body(wanted, "BTC-USDT", b'{"retCode":10001}')
