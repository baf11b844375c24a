from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pipeline_bed import Bed, gaps

from marketfeed.exchanges.catalogue import MARKETS


@pytest.fixture
def kraken(engine: str, tmp_path: Path) -> Iterator[Bed]:
    made = Bed(tmp_path, MARKETS["kraken", "spot"])
    made.dash = "/"
    yield made
    made.progress.close()


def candle(minute: int, close: str, ts: str | None = "2026-01-01T00:00:00.5Z") -> dict[str, Any]:
    own = {"symbol": "BTC/USD", "interval": 1, "interval_begin": f"2026-01-01T00:{minute:02}:00.000000000Z"}
    prices = {"open": "1.0", "high": "2.0", "low": "0.5", "close": close, "volume": "3.00"}
    return {"channel": "ohlc", "type": "update", "data": [{**own, **prices, **({} if ts is None else {"timestamp": ts})}]}


def told(events: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(e["n"], e["open_time"] // 10**9 // 60 % 60, e["close"], e["closed"]) for e in events if e["type"] == "candle"]


def test_a_candle_is_repeated_closed_when_the_next_one_begins(kraken: Bed) -> None:
    kraken.add(("candles.1m", "BTC-USD"))
    kraken.feed(candle(0, "1.1"), candle(0, "1.2"))
    last = kraken.take()[-1]
    kraken.feed(candle(1, "1.3"))
    events = kraken.take()
    assert told(events) == [(4, 0, "1.2", True), (5, 1, "1.3", None)]
    assert events[0] == {**last, "recv": kraken.now_ns, "n": 4, "closed": True}
    assert list(events[0]) == list(last)


def test_a_late_state_of_an_earlier_candle_ends_nothing(kraken: Bed) -> None:
    kraken.add(("candles.1m", "BTC-USD"))
    kraken.feed(candle(1, "1.1"), candle(0, "1.0"), candle(2, "1.2", None))
    assert told(kraken.take()) == [(2, 1, "1.1", None), (3, 0, "1.0", None), (4, 1, "1.1", True), (5, 2, "1.2", None)]
    kraken.feed(candle(3, "1.3"))
    assert kraken.take()[0]["ts"] is None


def test_a_candle_whose_last_state_may_be_missing_is_not_said_to_be_closed(kraken: Bed) -> None:
    slots = kraken.add(("candles.1m", "BTC-USD"))
    kraken.feed(candle(0, "1.1"))
    kraken.take()
    kraken.pipeline.interrupted(slots)
    kraken.feed(candle(1, "1.2"), candle(2, "1.3"))
    events = kraken.take()
    assert gaps(events) == [("disconnected", None, None, 3)]
    assert told(events) == [(4, 1, "1.2", None), (5, 1, "1.2", True), (6, 2, "1.3", None)]


def test_a_stream_that_comes_back_ends_no_candle_of_before(kraken: Bed) -> None:
    slots = kraken.add(("candles.1m", "BTC-USD"))
    kraken.feed(candle(0, "1.1"))
    kraken.pipeline.remove(slots)
    kraken.add(("candles.1m", "BTC-USD"))
    kraken.take()
    kraken.feed(candle(1, "1.2"))
    assert told(kraken.take()) == [(2, 1, "1.2", None)]
