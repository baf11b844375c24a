"""What comes about an index goes to the streams whose price follows it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pipeline_bed import Bed

from marketfeed.exchanges.okx import LINEAR
from marketfeed_shard.streams.table import Stream


@pytest.fixture
def okx(engine: str, tmp_path: Path) -> Iterator[Bed]:
    """A pipeline of OKX's linear market."""
    made = Bed(tmp_path, LINEAR)
    yield made
    made.progress.close()


def derivative(native: str) -> Stream:
    symbol = LINEAR.symbol(native)
    assert symbol is not None
    return Stream("derivative", symbol, native)


def index(name: str, price: str) -> dict[str, Any]:
    return {
        "arg": {"channel": "index-tickers", "instId": name},
        "data": [{"instId": name, "idxPx": price, "ts": "1790757203066"}],
    }


def prices(bed: Bed) -> list[tuple[str, str]]:
    return [(e["symbol"], e["index_price"]) for e in bed.take() if e["type"] == "derivative"]


def test_each_stream_that_follows_an_index_gets_it(okx: Bed) -> None:
    okx.pipeline.add([derivative("BTC-USDT-SWAP")])
    okx.feed(index("BTC-USDT", "83043.9"))
    assert prices(okx) == [("BTC-USDT-PERP", "83043.9")]
    okx.pipeline.add([derivative("BTC-USDT-261225"), derivative("ETH-USDT-SWAP")])
    okx.feed(index("BTC-USDT", "83044"), index("ETH-USDT", "4000.1"))
    assert prices(okx) == [("BTC-USDT-PERP", "83044"), ("BTC-USDT-261225", "83044"), ("ETH-USDT-PERP", "4000.1")]


def test_a_stream_that_comes_back_gets_it_once(okx: Bed) -> None:
    slots = okx.pipeline.add([derivative("BTC-USDT-SWAP")])
    okx.pipeline.remove(slots)
    okx.pipeline.add([derivative("BTC-USDT-SWAP")])
    okx.feed(index("BTC-USDT", "83043.9"))
    assert prices(okx) == [("BTC-USDT-PERP", "83043.9")]


def test_what_no_stream_follows_is_left_out(okx: Bed) -> None:
    okx.pipeline.add([Stream("trades", "BTC-USDT-PERP", "BTC-USDT-SWAP"), derivative("ETH-USDT-SWAP")])
    okx.feed(index("BTC-USDT", "83043.9"))
    assert prices(okx) == []
    assert okx.pipeline.counts.ignored == 1


def test_an_index_with_a_symbols_name_is_still_one_of_many(engine: str, tmp_path: Path) -> None:
    made = Bed(tmp_path, replace(LINEAR, index=lambda native: native[:8]))
    made.pipeline.add([Stream("derivative", "BTC-USDT-PERP", "BTC-USDT")])
    made.feed(index("BTC-USDT", "83043.9"))
    made.pipeline.add([derivative("BTC-USDT-261225")])
    made.feed(index("BTC-USDT", "83044"))
    symbols = [symbol for symbol, _ in prices(made)]
    assert symbols == ["BTC-USDT-PERP", "BTC-USDT-PERP", "BTC-USDT-261225"]
    made.progress.close()
