from __future__ import annotations

from marketfeed.resource import TEMPLATE
from marketfeed.templates import fill, literals


def test_placeholders_are_replaced_wherever_they_stand() -> None:
    values = {"exchange": "binance", "market": "spot", "channel": "candles.1m", "symbol": "BTC-USDT"}
    assert fill(TEMPLATE, **values) == "md.binance.spot.candles.1m.BTC-USDT"
    assert fill("{symbol}{symbol}:{other}", **values) == "BTC-USDTBTC-USDT:{other}"


def test_a_value_that_looks_like_a_placeholder_stays() -> None:
    assert fill("{channel}.{symbol}", exchange="e", market="m", channel="{symbol}", symbol="S") == "{symbol}.S"


def test_texts_and_placeholders_alternate() -> None:
    assert literals("a.{symbol}") == ("a.", "symbol", "")
    assert literals("plain") == ("plain",)
