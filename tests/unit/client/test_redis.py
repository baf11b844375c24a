from __future__ import annotations

import pytest

from marketfeed.resource import TEMPLATE
from marketfeed.stream_filter import StreamFilter
from marketfeed_client.redis import MOST_PATTERNS, channel_names


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (StreamFilter(), ([], ["md.*.*.*.*"])),
        (StreamFilter("binance", "spot", ("trades",), ("BTC-USDT",)), (["md.binance.spot.trades.BTC-USDT"], [])),
        (
            StreamFilter("binance", "spot", ("trades", "bbo"), ("A-B", "C-D", "A-B")),
            ([f"md.binance.spot.{channel}.{symbol}" for symbol in ("A-B", "C-D") for channel in ("bbo", "trades")], []),
        ),
        (
            StreamFilter("binance", "", ("trades",), ("*-USDT", "A-B")),
            ([], ["md.binance.*.trades.*-USDT", "md.binance.*.trades.A-B"]),
        ),
        (StreamFilter("binance", "spot", ("trades",), ("[!A]*",)), ([], ["md.binance.spot.trades.[^A]*"])),
    ],
)
def test_names_take_what_is_wanted(wanted: StreamFilter, names: tuple[list[str], list[str]]) -> None:
    channels, patterns = channel_names(TEMPLATE, wanted)
    assert (sorted(channels), sorted(patterns)) == (sorted(names[0]), sorted(names[1]))


def test_instead_of_many_patterns_one_takes_all() -> None:
    symbols = tuple(f"S{i}-USDT" for i in range(MOST_PATTERNS + 1))
    assert channel_names(TEMPLATE, StreamFilter(symbols=symbols, channels=("bbo", "trades"))) == (
        [],
        ["md.*.*.bbo.*", "md.*.*.trades.*"],
    )
    exact = channel_names(TEMPLATE, StreamFilter("binance", "spot", ("bbo",), symbols))
    assert (len(exact[0]), exact[1]) == (len(symbols), [])


def test_the_template_itself_is_no_pattern() -> None:
    assert channel_names("a*[b]\\.{symbol}", StreamFilter()) == ([], ["a\\*\\[b\\]\\\\.*"])
    assert channel_names("all", StreamFilter(symbols=("A*",))) == (["all"], [])
