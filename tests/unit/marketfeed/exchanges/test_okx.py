"""OKX: topics, frames and answers. Texts of the exchange are those of its pages (docs-v5, 2026-07) and of recordings."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketfeed.exchanges.exchange import Closing, Control, ControlKind, Topic
from marketfeed.exchanges.okx import INVERSE, LINEAR, MARKETS, SPOT
from marketfeed.normalizer import Data, Normalizer, NotData

MISSING = ("Wrong URL or channel:trades,instId:BTC-USDX doesn't exist. Please use the correct URL, channel and parameters "
           "referring to API document.")  # fmt: skip


def topics(market: str, channel: str, native: str) -> dict[str, str]:
    """Names of the topics → their path."""
    found = {"spot": SPOT, "linear": LINEAR, "inverse": INVERSE}[market].topics(channel, native, None)
    return {topic.name: topic.path.rpartition("/")[2] for topic in found}


@pytest.mark.parametrize(
    ("market", "channel", "native", "wanted"),
    [
        ("spot", "trades", "BTC-USDT", {"trades:BTC-USDT": "public"}),
        ("spot", "bbo", "BTC-USDT", {"bbo-tbt:BTC-USDT": "public"}),
        ("spot", "ticker", "BTC-USDT", {"tickers:BTC-USDT": "public"}),
        ("linear", "book", "BTC-USDT-SWAP", {"books:BTC-USDT-SWAP": "public"}),
        ("spot", "candles.1m", "BTC-USDT", {"candle1m:BTC-USDT": "business"}),
        ("spot", "candles.4h", "BTC-USDT", {"candle4H:BTC-USDT": "business"}),
        ("spot", "candles.6h", "BTC-USDT", {"candle6Hutc:BTC-USDT": "business"}),
        ("spot", "candles.1d", "BTC-USDT", {"candle1Dutc:BTC-USDT": "business"}),
        ("spot", "candles.1M", "BTC-USDT", {"candle1Mutc:BTC-USDT": "business"}),
        ("linear", "liquidations", "BTC-USDT-SWAP", {"liquidation-orders:SWAP": "public"}),
        ("inverse", "liquidations", "BTC-USD-250328", {"liquidation-orders:FUTURES": "public"}),
    ],
)
def test_a_stream_has_its_topics(market: str, channel: str, native: str, wanted: dict[str, str]) -> None:
    assert topics(market, channel, native) == wanted


def test_a_derivative_stream_is_put_together_from_several_topics() -> None:
    parts = ("mark-price:BTC-USDT-SWAP", "open-interest:BTC-USDT-SWAP", "funding-rate:BTC-USDT-SWAP", "index-tickers:BTC-USDT")
    assert tuple(topics("linear", "derivative", "BTC-USDT-SWAP")) == parts


def test_a_dated_future_has_no_funding() -> None:
    parts = ("mark-price:BTC-USD-250328", "open-interest:BTC-USD-250328", "index-tickers:BTC-USD")
    assert tuple(topics("inverse", "derivative", "BTC-USD-250328")) == parts


def test_topics_that_serve_many_symbols_name_none() -> None:
    shared = [t for c in ("derivative", "liquidations") for t in LINEAR.topics(c, "BTC-USDT-SWAP", None) if not t.native]
    assert [topic.name for topic in shared] == ["index-tickers:BTC-USDT", "liquidation-orders:SWAP"]


def test_candles_have_an_address_of_their_own_and_books_count_as_deep() -> None:
    (candle,), (book,) = SPOT.topics("candles.1m", "BTC-USDT", None), SPOT.topics("book", "BTC-USDT", None)
    assert (candle.endpoint, candle.path, candle.deep) == ("wsBusiness", "/ws/v5/business", False)
    assert (book.endpoint, book.path, book.deep) == ("wsPublic", "/ws/v5/public", True)


@pytest.mark.parametrize("market", MARKETS, ids=lambda m: m.name)
def test_what_a_channel_subscribes_to_feeds_that_channel(market: Any) -> None:
    native = "BTC-USDT" if market is SPOT else "BTC-USDT-SWAP" if market is LINEAR else "BTC-USD-SWAP"
    engine = Normalizer(market, lambda native: native)
    for channel in market.channels:
        for topic in market.topics(channel, native, None):
            fed = [market.wire.messages[number] for number, _ in engine.routes(topic.name)]
            assert [message.channel for message in fed] == [channel.partition(".")[0]]
            found = engine.routes(topic.name)[0][1]
            if channel.startswith("candles."):
                assert engine.interval(fed[0], found, None) == channel.partition(".")[2]


def test_one_request_subscribes_to_many_topics() -> None:
    asked = [*LINEAR.topics("trades", "BTC-USDT-SWAP", None), *LINEAR.topics("liquidations", "BTC-USDT-SWAP", None)]
    wanted = {"id": "1512", "op": "subscribe",
              "args": [{"channel": "trades", "instId": "BTC-USDT-SWAP"},
                       {"channel": "liquidation-orders", "instType": "SWAP"}]}  # fmt: skip
    assert json.loads(LINEAR.subscribe(asked, 1512)) == wanted
    assert json.loads(LINEAR.unsubscribe(asked, 1512)) == {**wanted, "op": "unsubscribe"}


def test_a_full_connection_fits_one_request() -> None:
    limits = SPOT.limits
    all_of_it = [Topic("liquidation-orders:LONGEST-NAMED-USDT-SWAP") for _ in range(int(limits.request_topics.default))]
    assert len(SPOT.subscribe(all_of_it, 10**9)) < limits.request_bytes.default
    assert limits.request_topics.default >= limits.streams_per_connection.default


ACK = {"id": "7", "event": "subscribe", "arg": {"channel": "tickers", "instId": "BTC-USDT"}, "connId": "accb8e21"}
UPGRADE = "The connection will soon be closed for a service upgrade. Please reconnect."


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (ACK, Control(ControlKind.ACKNOWLEDGED, 7, topics=("tickers:BTC-USDT",))),
        ({**ACK, "event": "unsubscribe"}, Control(ControlKind.ACKNOWLEDGED, 7, topics=("tickers:BTC-USDT",))),
        ({**ACK, "id": "md"}, Control(ControlKind.ACKNOWLEDGED, None, topics=("tickers:BTC-USDT",))),
        ({"id": "8", "event": "subscribe", "arg": {"channel": "liquidation-orders", "instType": "SWAP"}},
         Control(ControlKind.ACKNOWLEDGED, 8, topics=("liquidation-orders:SWAP",))),
        ({"id": "9", "event": "error", "code": "60012", "msg": "Invalid request: {}", "connId": "a4d3ae55"},
         Control(ControlKind.REJECTED, 9, "60012: Invalid request: {}")),
        ({"id": "9", "event": "error", "code": "60018", "msg": MISSING},
         Control(ControlKind.REJECTED, 9, f"60018: {MISSING}", topics=("trades:BTC-USDX",))),
        ({"event": "error", "code": "60018", "msg": "Wrong URL or channel:index-tickers, instId:NEAR-USDT-SWAP doesn't exist."},
         Control(ControlKind.REJECTED, None, "60018: Wrong URL or channel:index-tickers, instId:NEAR-USDT-SWAP doesn't exist.",
                 topics=("index-tickers:NEAR-USDT-SWAP",))),
        ({"id": "9", "event": "error", "code": "60014", "msg": "Requests too frequent"},
         Control(ControlKind.PACED, 9, "60014: Requests too frequent")),
        ({"event": "notice", "code": "64008", "msg": UPGRADE}, Control(ControlKind.CLOSING, reason=f"64008: {UPGRADE}")),
        ({"event": "channel-conn-count", "channel": "orders", "connCount": "2"}, Control(ControlKind.HEARTBEAT)),
        ("pong", Control(ControlKind.ALIVE)),
        ({"event": "new"}, None),
        ({"arg": {"channel": "status"}, "data": []}, Control(ControlKind.HEARTBEAT)),
        ([], None),
    ],
)  # fmt: skip
def test_answers_are_understood(body: Any, wanted: Control | None) -> None:
    assert SPOT.control(body) == wanted


KEYS = st.sampled_from(["event", "arg", "code", "msg", "id", "channel", "instId"])
VALUES = st.none() | st.integers() | st.sampled_from(["error", "subscribe", "notice", "60018", "64008"])
BODIES = st.recursive(VALUES, lambda inner: st.dictionaries(KEYS, inner) | st.lists(inner, max_size=2))


@given(BODIES)
def test_any_message_is_answered_or_unknown(body: Any) -> None:
    told = SPOT.control(body)
    assert told is None or isinstance(told.kind, ControlKind)


@pytest.mark.parametrize("frame", [b"pong", b"pong\n"])
def test_the_pong_is_a_text_and_no_json(frame: bytes) -> None:
    told = Normalizer(SPOT, SPOT.symbol).decode(frame)
    assert isinstance(told, NotData)
    assert SPOT.control(told.body) == Control(ControlKind.ALIVE)


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        (4004, Closing(reason="no ping for 30 s")),
        (4005, Closing(reason="we read too slowly")),
        (4008, Closing(paced=True, reason="too many subscribed channels")),
        (1006, Closing()),
    ],
)
def test_close_codes_tell_how_to_come_back(code: int, wanted: Closing) -> None:
    assert SPOT.closing(code, "") == wanted


def test_the_index_counts_for_each_symbol_that_follows_it() -> None:
    followers = {"BTC-USDT": ("BTC-USDT-PERP", "BTC-USDT-261225")}
    frame = {"arg": {"channel": "index-tickers", "instId": "BTC-USDT"},
             "data": [{"instId": "BTC-USDT", "idxPx": "83043.9", "ts": "1790757203066"}]}  # fmt: skip
    told = Normalizer(LINEAR, LINEAR.symbol, followers=lambda index: followers.get(index, ())).decode(
        json.dumps(frame).encode()
    )
    assert isinstance(told, Data)
    assert [row.symbol for row in told.rows] == ["BTC-USDT-PERP", "BTC-USDT-261225"]
    assert {row.event["index_price"] for row in told.rows} == {"83043.9"}
    assert [row.event["symbol"] for row in told.rows] == [row.symbol for row in told.rows]


def test_a_side_of_the_book_without_orders_is_told_as_such() -> None:
    quote = {"asks": [["8476.98", "415", "0", "13"]], "bids": [], "ts": "1597026383085", "seqId": 123456}
    frame = {"arg": {"channel": "bbo-tbt", "instId": "BTC-USDT"}, "data": [quote]}
    told = Normalizer(SPOT, SPOT.symbol).decode(json.dumps(frame).encode())
    assert isinstance(told, Data)
    assert (told.rows[0].event["bid_price"], told.rows[0].event["ask_price"]) == (None, "8476.98")
