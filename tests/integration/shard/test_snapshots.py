"""Where the socket brings no snapshot of a book, one over REST stands in."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from shard_run import ShardRun
from simulated import simulated
from waiting import until

SYMBOLS = {"spot": "BTC-USDT", "linear": "BTC-USDT-PERP", "inverse": "BTC-USD-PERP"}


@pytest.mark.parametrize("market", ["spot", "linear", "inverse"])
async def test_a_book_of_okx_begins_over_rest_where_its_snapshot_is_withheld(tmp_path: Path, market: str) -> None:
    symbol = SYMBOLS[market]
    async with simulated("okx", market, [symbol], rate=100.0) as sim, ShardRun(tmp_path, sim, [symbol], ["book"]) as run:
        sim.faults.withhold_snapshots()
        sim.resume()
        await until(lambda: run.report.streams.live, "the book is subscribed")
        assert not run.report.ready
        await until(lambda: run.report.ready, "the book is there")
        await until(lambda: len(run.events("book")) > 20, "its changes follow")
        sim.pause()
        first, *changes = run.events("book")
        assert first["snapshot"]
        assert not any(change["snapshot"] for change in changes)
        assert [change["prev_seq"] for change in changes[1:]] == [change["seq"] for change in changes[:-1]]
        assert [gap["reason"] for gap in run.events("gap")] == ["started"]
        bids: dict[Decimal, Decimal] = {}
        for price, size in (level for event in run.events("book") for level in event["bids"]):
            bids[Decimal(price)] = Decimal(size)
        assert sim.truth is not None
        truth = sim.truth.book(symbol, update=changes[-1]["seq"])
        best = sorted(((price, size) for price, size in bids.items() if size), reverse=True)[:20]
        assert best == [(Decimal(price), Decimal(size)) for price, size in truth["bids"][:20]]
        assert sim.violations == []


async def test_a_book_of_okx_that_breaks_meanwhile_is_mended_over_rest(tmp_path: Path) -> None:
    symbol = SYMBOLS["spot"]
    async with simulated("okx", "spot", [symbol], rate=100.0) as sim, ShardRun(tmp_path, sim, [symbol], ["book"]) as run:
        sim.resume()
        await run.ready()
        sim.faults.withhold_snapshots()
        sim.faults.gap(1)
        await until(lambda: run.report.books.gaps == 1, "the break is noticed")
        await until(lambda: run.report.books.resyncs == 1 and run.report.ready, "the book is mended")
        assert [gap["reason"] for gap in run.events("gap")] == ["started", "sequence"]
        assert sum(event["snapshot"] for event in run.events("book")) == 2
        assert sim.violations == []
