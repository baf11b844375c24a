from __future__ import annotations

import json
from typing import Any

import pytest

from marketfeed.exchanges.binance import MARKETS, frames
from marketfeed.exchanges.exchange import Closing, Control, ControlKind, Topic
from marketfeed.normalizer import Data, Ignored, Normalizer

ACKNOWLEDGED, REJECTED, PACED = ControlKind.ACKNOWLEDGED, ControlKind.REJECTED, ControlKind.PACED
UNKNOWN = "Invalid request: unknown variant x, expected one of `SUBSCRIBE`, `UNSUBSCRIBE`, `LIST_SUBSCRIPTIONS`"


def test_requests_name_their_topics() -> None:
    topics = [Topic("btcusdt@aggTrade"), Topic("btcusdt@depth")]
    wanted = {"method": "SUBSCRIBE", "params": ["btcusdt@aggTrade", "btcusdt@depth"], "id": 1}
    assert json.loads(frames.subscribe(topics, 1)) == wanted
    assert json.loads(frames.unsubscribe(topics[:1], 312)) == {
        "method": "UNSUBSCRIBE",
        "params": ["btcusdt@aggTrade"],
        "id": 312,
    }


@pytest.mark.parametrize(
    ("body", "control"),
    [
        ({"result": None, "id": 1}, Control(ACKNOWLEDGED, 1)),
        ({"result": ["btcusdt@aggTrade"], "id": 3}, Control(ACKNOWLEDGED, 3)),
        ({"result": True, "id": 2}, Control(ACKNOWLEDGED, 2)),
        ({"result": None, "id": "abc"}, Control(ACKNOWLEDGED)),
        ({"code": 0, "msg": "Unknown property", "id": 7}, Control(REJECTED, 7, "Unknown property")),
        ({"code": 2, "msg": UNKNOWN}, Control(REJECTED, None, UNKNOWN)),
        ({"error": {"code": 4, "msg": "Too many subscriptions"}, "id": 9}, Control(REJECTED, 9, "Too many subscriptions")),
        ({"error": {"code": 3, "msg": "Too many requests"}, "id": 9}, Control(PACED, 9, "Too many requests")),
        ({"e": "serverShutdown", "E": 1}, Control(ControlKind.CLOSING, reason="serverShutdown")),
        (
            {"stream": "!serverShutdown", "data": {"e": "serverShutdown", "E": 1}},
            Control(ControlKind.CLOSING, reason="serverShutdown"),
        ),
        ({"stream": "btcusdt@trade", "data": {}}, None),
        ([], None),
        ({}, None),
    ],
)
def test_what_is_not_data_is_understood(body: Any, control: Control | None) -> None:
    assert frames.control(body) == control


def test_a_broken_pace_is_told_from_other_closes() -> None:
    assert frames.closing(1008, "Too many requests") == Closing(paced=True, reason="Too many requests")
    assert frames.closing(1008, "Invalid request") == Closing(reason="Invalid request")
    assert frames.closing(1006, "") == Closing()


def test_only_ascii_letters_are_lower_cased() -> None:
    assert frames.lower("BTCUSDT") == "btcusdt"
    assert frames.lower("ÄUSDT") == "Äusdt"


# ---- raw streams -----------------------------------------------------------------------------------------------------------

MARK_PRICE = {"e": "markPriceUpdate", "E": 1562305380000, "s": "BTCUSDT", "p": "11794.15", "i": "11784.63", "P": "11784.26",
              "r": "0.00038167", "T": 1562306400000, "st": 1}  # fmt: skip
FORCE_ORDER = {"e": "forceOrder", "E": 1568014460893, "o": {"s": "BTCUSDT", "S": "SELL", "o": "LIMIT", "f": "IOC", "q": "0.014",
               "p": "9910", "ap": "9910.12", "X": "FILLED", "l": "0.014", "z": "0.014", "T": 1568014460890}}  # fmt: skip


@pytest.mark.parametrize(
    ("body", "stream"),
    [
        ({"e": "trade", "s": "BNBBTC"}, "bnbbtc@trade"),
        ({"e": "aggTrade", "s": "BNBBTC"}, "bnbbtc@aggTrade"),
        ({"e": "depthUpdate", "s": "BNBBTC"}, "bnbbtc@depth"),
        ({"u": 1, "s": "BNBUSDT", "b": "1", "B": "1", "a": "1", "A": "1"}, "bnbusdt@bookTicker"),
        ({"e": "kline", "s": "BNBBTC", "k": {"i": "1m"}}, "bnbbtc@kline_1m"),
        ({"lastUpdateId": 160, "bids": [], "asks": []}, "!partialDepth"),
        (MARK_PRICE, "btcusdt@markPrice"),
        (FORCE_ORDER, "btcusdt@forceOrder"),
        ([MARK_PRICE], "!markPrice@arr"),
        ([{"e": "24hrTicker", "s": "BTCUSDT"}], "!ticker@arr"),
        ([{"e": "24hrMiniTicker"}], "!24hrMiniTicker[]"),
        ({"e": "forceOrder", "o": []}, "?@forceOrder"),
    ],
)
def test_a_raw_message_is_put_under_the_name_of_its_stream(body: Any, stream: str) -> None:
    assert frames.envelope(body) == {"stream": stream, "data": body}


@pytest.mark.parametrize("body", [{"stream": "x"}, {"result": None, "id": 1}, {"e": "kline", "s": "X"}, [], [1], "x"])
def test_what_is_no_raw_message_stays_as_it_is(body: Any) -> None:
    assert frames.envelope(body) is body


def test_raw_messages_of_futures_are_events() -> None:
    linear = Normalizer(MARKETS[1], MARKETS[1].symbol)
    for body, channel in ((MARK_PRICE, "derivative"), ([MARK_PRICE], "derivative"), (FORCE_ORDER, "liquidations")):
        decoded = linear.decode(json.dumps(body).encode())
        assert isinstance(decoded, Data)
        assert [row.channel for row in decoded.rows] == [channel]


def test_rows_of_the_other_futures_in_an_array_are_left_out() -> None:
    inverse_row = {**MARK_PRICE, "s": "BTCUSD_PERP", "st": 2}
    frame = json.dumps({"stream": "!markPrice@arr", "data": [inverse_row, MARK_PRICE]}).encode()
    for market, symbol in ((MARKETS[1], "BTC-USDT-PERP"), (MARKETS[2], "BTC-USD-PERP")):
        decoded = Normalizer(market, market.symbol).decode(frame)
        assert isinstance(decoded, Data)
        assert [row.symbol for row in decoded.rows] == [symbol]


def test_partial_depth_is_no_book() -> None:
    data = {"e": "depthUpdate", "E": 1, "T": 1, "s": "BTCUSDT", "U": 1, "u": 2, "pu": 0, "b": [], "a": []}
    frame = json.dumps({"stream": "btcusdt@depth20@100ms", "data": data}).encode()
    assert isinstance(Normalizer(MARKETS[1], MARKETS[1].symbol).decode(frame), Ignored)
