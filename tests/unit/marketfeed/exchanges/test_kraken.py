"""Kraken: topics, frames and answers. Texts of the exchange are those of its pages (spot-websocket-v2) and of recordings."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketfeed.exchanges.exchange import Control, ControlKind
from marketfeed.exchanges.kraken import SPOT
from marketfeed.normalizer import Data, Normalizer

TIMES = {"time_in": "2023-09-25T09:04:31.742599Z", "time_out": "2023-09-25T09:04:31.742648Z"}
UNKNOWN = "Currency pair not supported XBT/USD"


@pytest.mark.parametrize(
    ("channel", "depth", "name", "group"),
    [
        ("trades", None, "trade:BTC/USD", "trade"),
        ("bbo", None, "ticker:BTC/USD", "ticker"),
        ("ticker", None, "ticker:BTC/USD", "ticker"),
        ("candles.1h", None, "ohlc/60:BTC/USD", "ohlc/60"),
        ("book", None, "book/100:BTC/USD", "book/100"),
        ("book", 10, "book/10:BTC/USD", "book/10"),
        ("book", 26, "book/100:BTC/USD", "book/100"),
        ("book", 5000, "book/1000:BTC/USD", "book/1000"),
    ],
)
def test_a_stream_has_its_topic_and_topics_of_one_kind_their_group(
    channel: str, depth: int | None, name: str, group: str
) -> None:
    (topic,) = SPOT.topics(channel, "BTC/USD", depth)
    assert (topic.name, topic.group, topic.native, topic.path) == (name, group, "BTC/USD", "/v2")


@pytest.mark.parametrize(
    ("channel", "more", "news"),
    [
        ("trades", {"channel": "trade"}, {"snapshot": False}),
        ("bbo", {"channel": "ticker", "event_trigger": "bbo"}, {}),
        ("candles.1d", {"channel": "ohlc", "interval": 1440}, {"snapshot": False}),
        ("book", {"channel": "book", "depth": 100}, {"snapshot": True}),
    ],
)
def test_a_request_is_about_one_channel_with_its_parameters(channel: str, more: dict[str, Any], news: dict[str, bool]) -> None:
    symbols = ["BTC/USD", "MATIC/GBP"]
    asked = [topic for symbol in symbols for topic in SPOT.topics(channel, symbol, None)]
    wanted = {"symbol": symbols, **more}
    assert json.loads(SPOT.subscribe(asked, 7)) == {"method": "subscribe", "params": {**wanted, **news}, "req_id": 7}
    assert json.loads(SPOT.unsubscribe(asked, 8)) == {"method": "unsubscribe", "params": wanted, "req_id": 8}


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ({"method": "subscribe", "result": {"channel": "ticker", "symbol": "BTC/USD", "snapshot": True}, "success": True,
          **TIMES, "req_id": 1}, Control(ControlKind.ACKNOWLEDGED, 1, topics=("ticker:BTC/USD",))),
        ({"method": "subscribe", "result": {"channel": "book", "depth": 25, "snapshot": True, "symbol": "XRP/USD"},
          "success": True, **TIMES}, Control(ControlKind.ACKNOWLEDGED, None, topics=("book/25:XRP/USD",))),
        ({"method": "subscribe", "result": {"channel": "ohlc", "interval": 5, "snapshot": True, "symbol": "XRP/USD"},
          "success": True, "req_id": 2}, Control(ControlKind.ACKNOWLEDGED, 2, topics=("ohlc/5:XRP/USD",))),
        ({"method": "unsubscribe", "result": {"channel": "book", "symbol": "BTC/USD"}, "success": True, "req_id": 3},
         Control(ControlKind.ACKNOWLEDGED, 3, topics=("book/10:BTC/USD",))),
        ({"error": UNKNOWN, "method": "subscribe", "req_id": 1, "success": False, "symbol": "XBT/USD", **TIMES},
         Control(ControlKind.REJECTED, 1, UNKNOWN, native="XBT/USD")),
        ({"error": "Exceeded msg rate", "method": "subscribe", "req_id": 4, "success": False, "symbol": "BTC/USD"},
         Control(ControlKind.PACED, 4, "Exceeded msg rate", native="BTC/USD")),
        ({"error": "Malformed request", "success": False}, Control(ControlKind.REJECTED, None, "Malformed request")),
        ({"method": "pong", "req_id": 101, **TIMES}, Control(ControlKind.ALIVE)),
        ({"channel": "heartbeat"}, Control(ControlKind.HEARTBEAT)),
        ({"channel": "status", "type": "update", "data": [{"system": "online"}]}, Control(ControlKind.HEARTBEAT)),
        ({"channel": "instrument", "type": "snapshot", "data": {}}, None),
        ({"method": "subscribe"}, None),
        ([], None),
    ],
)  # fmt: skip
def test_answers_are_understood(body: Any, wanted: Control | None) -> None:
    assert SPOT.control(body) == wanted


@pytest.mark.parametrize("channel", SPOT.channels)
def test_an_acknowledgement_names_the_topic_that_was_asked_for(channel: str) -> None:
    (topic,) = SPOT.topics(channel, "BTC/USD", None)
    parameters = json.loads(SPOT.subscribe([topic], 1))["params"]
    told = SPOT.control({"method": "subscribe", "result": {**parameters, "symbol": "BTC/USD"}, "success": True, "req_id": 1})
    assert told == Control(ControlKind.ACKNOWLEDGED, 1, topics=(topic.name,))


KEYS = st.sampled_from(["method", "channel", "result", "success", "error", "req_id", "symbol", "depth"])
VALUES = st.none() | st.booleans() | st.integers() | st.sampled_from(["subscribe", "pong", "book", "heartbeat"])
BODIES = st.recursive(VALUES, lambda inner: st.dictionaries(KEYS, inner) | st.lists(inner, max_size=2))


@given(BODIES)
def test_any_message_is_answered_or_unknown(body: Any) -> None:
    told = SPOT.control(body)
    assert told is None or isinstance(told.kind, ControlKind)


@pytest.mark.parametrize("status", [403, 429])
def test_too_many_attempts_ban_the_address_for_ten_minutes(status: int) -> None:
    assert SPOT.refusal(status, None).banned_s == 600.0
    assert SPOT.refusal(status, 900.0).banned_s == 900.0
    assert SPOT.refusal(503, None).banned_s == 0.0


def test_the_ping_is_a_request() -> None:
    assert SPOT.heartbeat.payload is not None
    assert json.loads(SPOT.heartbeat.payload) == {"method": "ping"}


def events(channel: str, record: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """(channel of ours, event) of each row that a record becomes."""
    frame = json.dumps({"channel": channel, "type": "update", "data": [{"symbol": "BTC/USD", **record}]}).encode()
    told = Normalizer(SPOT, SPOT.symbol).decode(frame)
    assert isinstance(told, Data)
    return [(row.channel, row.event) for row in told.rows]


def test_one_ticker_feeds_two_channels() -> None:
    ticker = {"bid": 105944.2, "bid_qty": 2.5, "ask": 105944.3, "ask_qty": 3.2, "last": 105899.4, "volume": 163.28908096,
              "low": 104711.0, "high": 106613.1, "timestamp": "2022-12-25T09:30:59.123456Z"}  # fmt: skip
    (first, bbo), (second, day) = events("ticker", ticker)
    assert (first, second) == ("bbo", "ticker")
    assert (bbo["bid_price"], day["high"]) == ("105944.2", "106613.1")


def test_a_candle_of_fifteen_days_is_one_of_ours() -> None:
    begin = "2023-10-04T00:00:00.000000000Z"
    candle = {"interval": 21600, "interval_begin": begin, "open": 1.0, "high": 1.0, "low": 1.0, "close": 1.0, "volume": 0.1}
    ((channel, event),) = events("ohlc", candle)
    assert channel == "candles.15d"
    assert event["close_time"] - event["open_time"] == (15 * 86_400 * 1000 - 1) * 1_000_000
