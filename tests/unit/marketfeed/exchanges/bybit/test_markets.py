from __future__ import annotations

import json
from typing import Any

import pytest

from marketfeed.exchanges.bybit import INVERSE, LINEAR, MARKETS, SPOT
from marketfeed.exchanges.exchange import Market
from marketfeed.exchanges.message import Numbering
from marketfeed.normalizer import Data, Normalizer


def event(market: Market, topic: str, data: Any, kind: str = "snapshot", **around: Any) -> dict[str, Any]:
    frame = {"topic": topic, "type": kind, "ts": 1672304486868, "data": data, **around}
    decoded = Normalizer(market, market.symbol).decode(json.dumps(frame).encode())
    assert isinstance(decoded, Data)
    return decoded.rows[0].event


# ---- topics ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("channel", "name"),
    [("trades", "publicTrade"), ("bbo", "orderbook.1"), ("book", "orderbook.200"), ("candles.1m", "kline.1"),
     ("candles.12h", "kline.720"), ("candles.1M", "kline.M"), ("ticker", "tickers"), ("derivative", "tickers"),
     ("liquidations", "allLiquidation")],
)  # fmt: skip
def test_the_market_is_in_the_path(channel: str, name: str) -> None:
    for market in MARKETS:
        (topic,) = market.topics(channel, "BTCUSDT", None)
        assert (topic.name, topic.native, topic.endpoint) == (f"{name}.BTCUSDT", "BTCUSDT", "ws")
        assert topic.path == f"/v5/public/{market.name}"


@pytest.mark.parametrize(("wanted", "depth"), [(None, 200), (1, 50), (50, 50), (51, 200), (201, 1000), (5000, 1000)])
def test_a_book_is_no_deeper_than_it_has_to_be(wanted: int | None, depth: int) -> None:
    (topic,) = LINEAR.topics("book", "BTCUSDT", wanted)
    assert topic.name == f"orderbook.{depth}.BTCUSDT"


@pytest.mark.parametrize("market", MARKETS, ids=lambda market: market.name)
@pytest.mark.parametrize("depth", [50, 200, 1000])
def test_every_channel_has_a_topic_that_is_recognised(market: Market, depth: int) -> None:
    decoder = Normalizer(market, market.symbol)
    for channel in market.channels:
        (topic,) = market.topics(channel, "BTCUSDT-25DEC26", depth)
        fed = {market.wire.messages[number].channel for number, _ in decoder.routes(topic.name)}
        assert channel.partition(".")[0] in fed
        assert channel.partition(".")[0] in market.rates


def test_spot_has_no_derivative_and_no_liquidations() -> None:
    assert not {"derivative", "liquidations"} & {*SPOT.channels}
    assert {"derivative", "liquidations"} <= {*LINEAR.channels} & {*INVERSE.channels}


def test_a_spot_request_has_ten_topics_at_most() -> None:
    assert [market.limits.request_topics.default for market in MARKETS] == [10, 200, 200]


# ---- messages -------------------------------------------------------------------------------------------------------------

LEVELS = {"s": "BTCUSDT", "b": [["30247.20", "30.028"]], "a": [["30248.70", "0"]], "u": 177400507, "seq": 66544703342}


def test_a_book_follows_on_the_number_before_it() -> None:
    found = event(LINEAR, "orderbook.200.BTCUSDT", LEVELS, "delta", cts=1687940967464)
    assert (found["snapshot"], found["seq"], found["prev_seq"]) == (False, 177400507, 177400506)
    assert found["ts"] == 1687940967464 * 10**6
    assert event(LINEAR, "orderbook.200.BTCUSDT", LEVELS)["prev_seq"] is None


def test_the_first_number_is_a_snapshot_whatever_its_type() -> None:
    found = event(SPOT, "orderbook.50.BTCUSDT", {**LEVELS, "u": 1}, "delta")
    assert (found["snapshot"], found["seq"], found["prev_seq"]) == (True, 1, None)


def test_a_book_with_one_side_has_no_other_best_price() -> None:
    found = event(LINEAR, "orderbook.1.BTCUSDT", {**LEVELS, "a": []})
    assert (found["bid_price"], found["bid_size"], found["ask_price"], found["ask_size"]) == ("30247.20", "30.028", None, None)


def test_a_change_of_the_best_prices_names_what_is_gone_beside_what_is_best_now() -> None:
    change = {**LEVELS, "b": [["27994.60", "0"], ["27991.70", "0.777"]], "a": []}
    found = event(LINEAR, "orderbook.1.BTCUSDT", change, "delta")
    assert (found["bid_price"], found["bid_size"], found["ask_price"], found["ask_size"]) == ("27991.70", "0.777", None, None)


def test_sizes_of_inverse_contracts_are_contracts() -> None:
    assert event(INVERSE, "orderbook.1.BTCUSD", LEVELS)["size_unit"] == "contracts"
    assert "size_unit" not in event(LINEAR, "orderbook.1.BTCUSDT", LEVELS)


def test_a_liquidated_position_is_ended_by_the_other_side() -> None:
    row = {"T": 1739502302929, "s": "ROSEUSDT", "S": "Buy", "v": "20000", "p": "0.04499"}
    assert event(LINEAR, "allLiquidation.ROSEUSDT", [row])["side"] == "sell"


def test_a_candle_ends_where_the_exchange_says() -> None:
    row = {"start": 1672531200000, "end": 1675209599999, "interval": "M", "open": "1", "close": "2", "high": "3", "low": "0.5",
           "volume": "4", "turnover": "5", "confirm": False, "timestamp": 1672324988882}  # fmt: skip
    found = event(SPOT, "kline.M.BTCUSDT", [row])
    assert (found["channel"], found["close_time"], found["closed"]) == ("candles.1M", 1675209599999 * 10**6, False)


def test_only_trades_of_spot_are_numbered() -> None:
    numbering = [next(m.numbering for m in market.wire.messages if m.channel == "trades") for market in MARKETS]
    assert numbering == [Numbering.RISING, Numbering.UNIQUE, Numbering.UNIQUE]
