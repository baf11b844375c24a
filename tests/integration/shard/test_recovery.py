"""What a shard recovers at a simulated exchange: missed trades, broken books, open interest, its instrument list."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from shard_run import ShardRun
from simulated import simulated
from waiting import until

from marketfeed.assignment import Share
from marketfeed_simulator.catalogue import EXCHANGES

SYMBOLS = {"spot": "BTC-USDT", "linear": "BTC-USDT-PERP", "inverse": "BTC-USD-PERP"}
MARKETS = [pytest.param(exchange, market, id=f"{exchange} {market}") for exchange, market in sorted(EXCHANGES)]


async def more(run: ShardRun, kind: str, count: int) -> None:
    """Wait for so many more events of a type."""
    before = len(run.events(kind))
    await until(lambda: len(run.events(kind)) >= before + count, f"{count} more of {kind}")


def fills(trades: Iterable[dict[str, Any]]) -> list[int]:
    """Ids of the fills that trades stand for: a joined trade has the id of its last one."""
    return [int(t["id"]) - before for t in trades for before in reversed(range(int(t.get("count", 1))))]


def gaps(events: Iterable[dict[str, Any]]) -> list[str]:
    return [event["reason"] for event in events]


def top(levels: Iterable[tuple[Any, Any]], best: int) -> list[tuple[Decimal, Decimal]]:
    """The best levels of a side, as numbers."""
    return [(Decimal(price), Decimal(size)) for price, size in levels][:best]


def book(events: Iterable[dict[str, Any]]) -> tuple[dict[Decimal, Decimal], dict[Decimal, Decimal], int]:
    """What a consumer has after these events: bids, asks, the last `seq`."""
    bids: dict[Decimal, Decimal] = {}
    asks: dict[Decimal, Decimal] = {}
    seq = 0
    for event in events:
        if event["snapshot"]:
            bids, asks = {}, {}
        for side, changes in ((bids, event["bids"]), (asks, event["asks"])):
            for price, size in changes:
                side.pop(Decimal(price), None)
                if Decimal(size):
                    side[Decimal(price)] = Decimal(size)
        seq = event["seq"]
    return bids, asks, seq


@pytest.mark.parametrize(("exchange", "market"), MARKETS)
async def test_after_a_cut_the_trades_are_complete_and_in_order(tmp_path: Path, exchange: str, market: str) -> None:
    symbol = SYMBOLS[market]
    async with simulated(exchange, market, [symbol], rate=100.0) as sim, ShardRun(tmp_path, sim, [symbol], ["trades"]) as run:
        await run.ready()
        sim.resume()
        await more(run, "trade", 20)
        for _ in range(2):
            sim.cut()
            await more(run, "trade", 60)
        sim.pause()
        trades, lost = run.events("trade"), run.events("gap")[1:]
        assert sim.truth is not None
        truth = [str(trade["id"]) for trade in sim.truth.trades(symbol)]
        truth = truth[truth.index(trades[0]["id"]) : truth.index(trades[-1]["id"]) + 1]
        if (exchange, market) == ("bybit", "spot"):  # it tells its last 60 trades: those before are announced
            truth = [i for i in truth if not any(gap["from_seq"] <= int(i) <= gap["to_seq"] for gap in lost)]
        else:
            assert lost == []
        if exchange == "okx":  # live it joins fills, its history tells each
            assert fills(trades) == list(range(fills(trades)[0], int(trades[-1]["id"]) + 1))
        else:
            assert [trade["id"] for trade in trades] == truth
        assert any(trade.get("backfill") for trade in trades)
        assert [event["n"] for event in run.sink.events if event["channel"] == "trades"] == list(
            range(1, len(trades) + len(lost) + 2)
        )
        assert sim.violations == []


async def test_where_the_history_refuses_the_loss_is_announced(tmp_path: Path) -> None:
    symbol = SYMBOLS["spot"]
    async with (
        simulated("binance", "spot", [symbol], rate=100.0) as sim,
        ShardRun(tmp_path, sim, [symbol], ["trades"], rest=Share(count=24, seconds=60.0)) as run,
    ):
        await run.ready()
        sim.resume()
        await more(run, "trade", 20)
        sim.cut()
        await until(lambda: len(run.events("gap")) > 1, "the gap is announced")
        lost = run.events("gap")[1]
        await more(run, "trade", 1)
        ids = [int(trade["id"]) for trade in run.events("trade")]
        assert lost["reason"] == "disconnected"
        assert set(range(ids[0], ids[-1] + 1)) - set(ids) == set(range(lost["from_seq"], lost["to_seq"] + 1))


@pytest.mark.parametrize(("exchange", "market"), MARKETS)
async def test_a_book_of_which_a_message_is_missing_is_mended(tmp_path: Path, exchange: str, market: str) -> None:
    """Kraken numbers nothing, and its checksum finds a loss only among the best levels: there it is a wrong one."""
    symbol = SYMBOLS[market]
    reason = "checksum" if exchange == "kraken" else "sequence"
    async with simulated(exchange, market, [symbol], rate=100.0) as sim, ShardRun(tmp_path, sim, [symbol], ["book"]) as run:
        sim.resume()
        await run.ready()
        await more(run, "book", 5)
        if reason == "checksum":
            sim.faults.corrupt(form="checksum")
        else:
            sim.faults.gap(1)
        await until(lambda: reason in gaps(run.events("gap")), "the break is noticed")
        await until(lambda: run.report.books.resyncs == 1 and run.report.ready, "the book is mended")
        await more(run, "book", 5)
        sim.pause()
        bids, asks, seq = book(run.events("book"))
        assert sim.truth is not None
        if exchange in {"binance", "okx"}:
            truth = sim.truth.book(symbol, update=seq)
            assert top(sorted(bids.items(), reverse=True), 20) == top(truth["bids"], 20)
            assert top(sorted(asks.items()), 20) == top(truth["asks"], 20)
        assert gaps(run.events("gap")) == ["started", reason]
        assert sim.violations == []


@pytest.mark.parametrize(("exchange", "market"), [m for m in MARKETS if m.values[0] == "binance" and m.values[1] != "spot"])
async def test_open_interest_is_polled_into_the_derivative_stream(tmp_path: Path, exchange: str, market: str) -> None:
    symbol = SYMBOLS[market]
    async with (
        simulated(exchange, market, [symbol], rate=100.0) as sim,
        ShardRun(tmp_path, sim, [symbol], ["derivative"]) as run,
    ):
        sim.resume()
        await run.ready()
        events = await until(lambda: [e for e in run.events("derivative") if "open_interest" in e], "open interest")
        assert set(events[0]) >= {"open_interest", "ts", "n"}
        assert "mark_price" not in events[0]
        await until(lambda: any("mark_price" in event for event in run.events("derivative")), "mark prices")
