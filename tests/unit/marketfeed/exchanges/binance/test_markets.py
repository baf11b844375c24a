from __future__ import annotations

import json
from urllib.parse import parse_qsl, urlsplit

import pytest
from bodies import fields, recorded
from recordings import needs_recordings

from marketfeed.exchanges.binance import INVERSE, LINEAR, MARKETS, SPOT
from marketfeed.exchanges.exchange import Call, Hole, Market
from marketfeed.normalizer import Normalizer

MS = 1_000_000


def query(call: Call) -> tuple[str, dict[str, str]]:
    url = urlsplit(call.path)
    return url.path, dict(parse_qsl(url.query))


# ---- symbols --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("market", "symbol", "native"),
    [
        (SPOT, "BTC-USDT", "BTCUSDT"),
        (SPOT, "ETH-BTC", "ETHBTC"),
        (LINEAR, "BTC-USDT-PERP", "BTCUSDT"),
        (LINEAR, "1000SHIB-USDC-PERP", "1000SHIBUSDC"),
        (LINEAR, "ETH-BTC-PERP", "ETHBTC"),
        (LINEAR, "BTC-USDT-261225", "BTCUSDT_261225"),
        (LINEAR, "币安人生-USDT-PERP", "币安人生USDT"),
        (INVERSE, "BTC-USD-PERP", "BTCUSD_PERP"),
        (INVERSE, "BTC-USD-261225", "BTCUSD_261225"),
    ],
)
def test_symbols_go_both_ways(market: Market, symbol: str, native: str) -> None:
    assert market.native(symbol) == native
    assert market.symbol(native) == symbol


@pytest.mark.parametrize(
    ("market", "native"),
    [(LINEAR, "BTCUSD_PERP"), (LINEAR, "BTCXYZ"), (LINEAR, "USDT"), (INVERSE, "BTCUSDT"), (INVERSE, "BTCUSD_1"),
     (INVERSE, "USD_PERP"), (INVERSE, "BTCUSD"), (SPOT, "USDT")],
)  # fmt: skip
def test_a_symbol_of_another_form_is_not_known(market: Market, native: str) -> None:
    assert market.symbol(native) is None


# ---- topics ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("channel", "name"),
    [("trades", "trade"), ("bbo", "bookTicker"), ("book", "depth@100ms"), ("candles.1s", "kline_1s"), ("ticker", "ticker")],
)
def test_spot_has_one_path(channel: str, name: str) -> None:
    (topic,) = SPOT.topics(channel, "BTCUSDT", None)
    assert (topic.name, topic.native, topic.endpoint, topic.path) == (f"btcusdt@{name}", "BTCUSDT", "ws", "/stream")


@pytest.mark.parametrize(
    ("channel", "name", "side"),
    [("trades", "aggTrade", "Market"), ("bbo", "bookTicker", "Public"), ("book", "depth@100ms", "Public"),
     ("candles.1m", "kline_1m", "Market"), ("ticker", "ticker", "Market"), ("derivative", "markPrice@1s", "Market"),
     ("liquidations", "forceOrder", "Market")],
)  # fmt: skip
def test_usd_futures_are_split_over_two_paths_and_coin_futures_are_not(channel: str, name: str, side: str) -> None:
    (topic,) = LINEAR.topics(channel, "BTCUSDT_261225", None)
    assert (topic.name, topic.endpoint, topic.path) == (f"btcusdt_261225@{name}", f"ws{side}", f"/{side.lower()}/stream")
    (topic,) = INVERSE.topics(channel, "BTCUSD_PERP", None)
    assert (topic.name, topic.endpoint, topic.path) == (f"btcusd_perp@{name}", "ws", "/stream")


@pytest.mark.parametrize("market", MARKETS, ids=lambda market: market.name)
def test_every_channel_has_a_topic_that_is_recognised(market: Market) -> None:
    decoder = Normalizer(market, market.symbol)
    for channel in market.channels:
        (topic,) = market.topics(channel, "BTCUSDT", None)
        numbers = [number for number, _ in decoder.routes(topic.name)]
        assert [market.wire.messages[number].channel for number in numbers] == [channel.partition(".")[0]]
        assert channel.partition(".")[0] in market.rates


def test_futures_have_no_candles_of_a_second() -> None:
    assert "candles.1s" in SPOT.channels
    assert "candles.1s" not in {*LINEAR.channels, *INVERSE.channels}
    assert not {"derivative", "liquidations"} & {*SPOT.channels}


# ---- REST -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("market", "depth", "limit", "weight"),
    [(SPOT, None, "5000", 250), (SPOT, 10, "100", 5), (SPOT, 101, "500", 25), (SPOT, 1000, "1000", 50),
     (SPOT, 9999, "5000", 250), (LINEAR, None, "1000", 20), (LINEAR, 20, "50", 2), (LINEAR, 51, "100", 5),
     (INVERSE, 500, "500", 10)],
)  # fmt: skip
def test_a_snapshot_is_no_dearer_than_its_depth(market: Market, depth: int | None, limit: str, weight: int) -> None:
    assert market.snapshot is not None
    call = market.snapshot.call("BTCUSDT", depth)
    path, asked = query(call)
    assert path == {"spot": "/api/v3", "linear": "/fapi/v1", "inverse": "/dapi/v1"}[market.name] + "/depth"
    assert (asked, call.weight) == ({"symbol": "BTCUSDT", "limit": limit}, weight)


def test_a_snapshot_is_declared() -> None:
    assert SPOT.snapshot is not None
    bids, asks = [["4.00000000", "431.00000000"]], [["4.00000200", "12.00000000"]]
    body = json.dumps({"lastUpdateId": 1027024, "bids": bids, "asks": asks})
    (book,) = fields(SPOT, SPOT.snapshot.message, body)
    assert book == {"ts": None, "snapshot": True, "bids": bids, "asks": asks, "seq": 1027024}


@needs_recordings
@pytest.mark.parametrize("market", MARKETS, ids=lambda market: market.name)
def test_recorded_snapshots_have_levels_and_a_number(market: Market) -> None:
    assert market.snapshot is not None
    bodies = list(recorded("binance", market.name, "/depth?"))
    assert bodies
    for body in bodies:
        (book,) = fields(market, market.snapshot.message, json.dumps(body))
        assert book["seq"] == body["lastUpdateId"]
        assert [len(book["bids"]), len(book["asks"])] == [len(body["bids"]), len(body["asks"])]


@pytest.mark.parametrize(
    ("market", "path", "weight"),
    [(SPOT, "/api/v3/historicalTrades", 25), (LINEAR, "/fapi/v1/aggTrades", 20), (INVERSE, "/dapi/v1/aggTrades", 20)],
    ids=["spot", "linear", "inverse"],
)
def test_missing_trades_are_asked_for_from_the_first_on(market: Market, path: str, weight: int) -> None:
    assert market.history is not None
    call = market.history.call("币USDT", Hole(28457, 28460, 0))
    assert (query(call), call.weight) == ((path, {"symbol": "币USDT", "fromId": "28457", "limit": "1000"}), weight)
    assert call.path.isascii()
    _, latest = query(market.history.call("BTCUSDT", Hole(None, None, 0)))
    assert latest == {"symbol": "BTCUSDT", "limit": "1000"}


def test_trades_over_rest_have_the_ids_of_the_stream() -> None:
    assert SPOT.history is not None
    assert LINEAR.history is not None
    spot = ('[{"id":28457,"price":"4.00000100","qty":"12.00000000","quoteQty":"48.000012","time":1499865549590,'
            '"isBuyerMaker":true,"isBestMatch":true}]')  # fmt: skip
    assert fields(SPOT, SPOT.history.message, spot) == [
        {"ts": 1499865549590 * MS, "id": "28457", "price": "4.00000100", "size": "12.00000000", "side": "sell"}
    ]
    futures = '[{"a":26129,"p":"0.01633102","q":"4.70443515","f":27781,"l":27781,"T":1498793709153,"m":false}]'
    assert fields(LINEAR, LINEAR.history.message, futures) == [
        {"ts": 1498793709153 * MS, "id": "26129", "price": "0.01633102", "size": "4.70443515", "side": "buy"}
    ]
    assert fields(SPOT, SPOT.history.message, "[]") == []


@pytest.mark.parametrize(("market", "api"), [(LINEAR, "fapi"), (INVERSE, "dapi")], ids=["linear", "inverse"])
def test_open_interest_is_polled(market: Market, api: str) -> None:
    (poll,) = market.polls
    call = poll.call("BTCUSDT")
    assert (poll.channel, query(call), call.weight) == ("derivative", (f"/{api}/v1/openInterest", {"symbol": "BTCUSDT"}), 1)
    body = '{"openInterest":"10659.509","symbol":"BTCUSDT","time":1589437530011}'
    assert fields(market, poll.message, body) == [{"ts": 1589437530011 * MS, "open_interest": "10659.509"}]


def test_spot_has_nothing_to_poll() -> None:
    assert SPOT.polls == ()
