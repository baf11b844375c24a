from __future__ import annotations

import pytest

from marketfeed.stream_filter import MOST_GLOBS, StreamFilter


@pytest.mark.parametrize(
    ("wanted", "taken"),
    [
        (StreamFilter(), True),
        (StreamFilter(exchange="binance", market="spot", channels=("trades",), symbols=("BTC-USDT",)), True),
        (StreamFilter(exchange="okx"), False),
        (StreamFilter(market="linear"), False),
        (StreamFilter(channels=("bbo", "book")), False),
        (StreamFilter(channels=("bbo", "tra*")), True),
        (StreamFilter(symbols=("ETH-USDT", "*-USDT")), True),
        (StreamFilter(symbols=("BTC-US",)), False),
        (StreamFilter(symbols=("btc-*",)), False),
        (StreamFilter(symbols=("?TC-USDT",)), True),
        (StreamFilter(symbols=("[!B]*",)), False),
    ],
)
def test_a_stream_is_taken_when_every_field_takes_it(wanted: StreamFilter, taken: bool) -> None:
    assert wanted.matcher()("binance", "spot", "trades", "BTC-USDT") is taken


def test_many_names_are_fine_and_many_globs_are_not() -> None:
    names = tuple(f"S{i}-USDT" for i in range(2000))
    assert StreamFilter(symbols=names).matcher()("binance", "spot", "trades", "S1999-USDT")
    with pytest.raises(ValueError, match="symbols has 257 globs"):
        StreamFilter(symbols=tuple(f"S{i}*" for i in range(MOST_GLOBS + 1)))
