from __future__ import annotations

from typing import Any

import pytest

from marketfeed_cli.tally import Tally, quantile

MS = 1_000_000


def event(kind: str, n: int, **own: Any) -> dict[str, Any]:
    channel = {"trade": "trades", "bbo": "bbo"}.get(kind, "trades")
    head = {"type": kind, "exchange": "binance", "market": "spot", "channel": channel, "symbol": "BTC-USDT"}
    return {**head, "ts": 1000 * MS, "recv": 1003 * MS, "n": n, **own}


def trade(n: int, price: str = "100.10") -> dict[str, Any]:
    return event("trade", n, id="1", price=price, size="1", side="buy")


def test_rates_latencies_and_newest_prices_of_an_interval() -> None:
    tally = Tally()
    tally.add(trade(1), 1004 * MS)
    tally.add(trade(2, "100.20"), 1005 * MS)
    tally.add(event("bbo", 1, bid_price="100.1", bid_size="1", ask_price="100.3", ask_size="2", seq=7), 1008 * MS)
    interval = tally.close(2.0)
    assert interval.rate == 1.5
    assert interval.exchange.p50_ms == 3.0  # of the trades alone
    assert interval.consumer.p99_ms == 5.0
    symbol = tally.symbols["BTC-USDT"]
    assert (symbol.price, symbol.bid, symbol.ask, symbol.rate) == ("100.20", "100.1", "100.3", 1.5)


def test_an_interval_counts_only_its_own_events() -> None:
    tally = Tally()
    tally.add(trade(1), 1004 * MS)
    tally.close(1.0)
    interval = tally.close(1.0)
    assert interval.rate == 0.0
    assert interval.consumer.p50_ms is None
    assert tally.events == 1


def test_what_n_skips_is_missing_unless_a_start_begins_anew() -> None:
    tally = Tally()
    for n in (5, 6, 9):
        tally.add(trade(n), 1004 * MS)
    assert tally.missing == 2
    tally.add(event("gap", 1, reason="started", from_seq=None, to_seq=None, from_ts=None, to_ts=None), 1004 * MS)
    tally.add(trade(2), 1004 * MS)
    assert tally.missing == 2


def test_gaps_are_counted_but_a_start_is_none() -> None:
    tally = Tally()
    for reason in ("started", "disconnected"):
        tally.add(event("gap", 1, reason=reason, from_seq=None, to_seq=None, from_ts=None, to_ts=None), 1004 * MS)
    assert (tally.gaps, tally.events) == (1, 0)


@pytest.mark.parametrize(("share", "expected"), [(0.0, 1.0), (0.5, 3.0), (0.99, 4.0), (1.0, 4.0)])
def test_quantile(share: float, expected: float) -> None:
    assert quantile([1.0, 2.0, 3.0, 4.0], share) == expected
    assert quantile([], share) is None
