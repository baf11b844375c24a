"""Each fault at each exchange, and afterwards what a consumer has is what the exchange sent and what its market did.

`marketfeed run` with real shards over Redis. What each test asserts is in `ExchangeRun.settle`: trades complete or announced
with bounds, best prices as sent, books level by level, nothing twice, no limit broken. `MARKETFEED_MARKETS=all`: every market.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from exchange_run import ExchangeRun, running
from measured import Times
from waiting import until, until_told

from marketfeed_simulator.server import Simulator

WATCHFUL = {"watchdog": {"staleAfter": "1s", "checkInterval": "250ms"}}
BOOKS = {"kraken": "book*", "okx": "books*"}
"""Streams with a checksum."""
SHORT = {("bybit", "spot"), ("kraken", "spot")}
"""Where REST may not do: a history of the last 60 trades, one call a second. What is lost then is announced."""


async def started(run: ExchangeRun) -> None:
    await run.live()
    await run.flow()
    await run.settle()
    assert set(run.judge.gaps) == {"started"}
    run.sim.resume()


async def mended(run: ExchangeRun) -> None:
    """Data comes again after a fault, and all is well."""
    await run.live()
    await run.flow()
    await run.settle()
    run.sim.resume()


def lost(run: ExchangeRun) -> int:
    """Trades that were announced as lost."""
    return sum(len(trades.announced) for trades in run.judge.trades.values())


async def test_cuts(tmp_path: Path, exchange: str, market: str, times: Times) -> None:
    """Without a word, with a close frame, at the end of the lifetime: trades are complete by backfill."""
    async with running(tmp_path, exchange, market) as run:
        await started(run)
        goodbye = partial(run.sim.cut, code=1001, reason="Going Away")
        ends: tuple[Callable[[], int], ...] = (run.sim.cut, goodbye, run.sim.expire)
        for end in ends:
            await run.flow()
            at, at_ns = len(run.events), time.time_ns()
            assert end() > 0
            await mended(run)
            measure(run, times, at, at_ns)
            assert lost(run) == 0 or (exchange, market) in SHORT
        assert sum(trades.backfilled for trades in run.judge.trades.values()) > 0
        assert len(run.judge.gaps["disconnected"]) >= len(run.judge.told), "each stream of best prices has its own"


def measure(run: ExchangeRun, times: Times, at: int, at_ns: int) -> None:
    """From a cut to what was first announced, and to the last trade that filled it."""
    later = list(zip(run.events[at:], run.consumer.arrived_ns[at:], strict=False))
    announced = [ns for event, ns in later if event["type"] == "gap"]
    filled = [ns for event, ns in later if event.get("backfill")]
    times.of["from a cut to announced"].append((announced[0] - at_ns) / 1e9)
    if filled:
        times.of["from a cut to filled"].append((filled[-1] - at_ns) / 1e9)


async def test_a_notice_of_the_end_loses_nothing(tmp_path: Path, exchange: str, market: str) -> None:
    """Where the exchange tells of it: the connection is replaced, and nothing is even announced."""
    async with running(tmp_path, exchange, market) as run:
        await started(run)
        before = set(run.sim.connections)
        if exchange == "kraken" or not run.sim.announce_shutdown():
            pytest.skip(f"{exchange} {market} announces no end of a connection")
        await until(partial(replaced, run, before), "other connections")
        await mended(run)
        assert set(run.judge.gaps) == {"started"}


async def test_nobody_gets_in_for_a_while(tmp_path: Path, exchange: str, market: str) -> None:
    """Refused with a status, by a reset, and the service started anew, which numbers its books from the beginning."""
    async with running(tmp_path, exchange, market) as run:
        await started(run)
        for status in (503, None):
            run.sim.faults.refuse(status, 0.3)
            run.sim.cut()
            await mended(run)
        run.sim.maintenance(0.3)
        await mended(run)
        assert run.judge.gaps["disconnected"]


async def test_a_ban_is_kept_and_told(tmp_path: Path, exchange: str, market: str) -> None:
    """How long it lasts is minutes: that it ends is seen under a clock of the test's own."""
    async with running(tmp_path, exchange, market) as run:
        await started(run)
        run.sim.faults.ban(3600.0)
        run.sim.cut()
        await until_told(lambda: told(run, "no connection is attempted"), "the ban in the shard's reasons")


async def told(run: ExchangeRun, words: str) -> bool:
    return any(words in reason for report in await reports(run) for reason in report["reasons"])


async def reports(run: ExchangeRun) -> list[dict[str, Any]]:
    return list((await asyncio.to_thread(run.feed.status)).values())


async def test_messages_are_lost_doubled_swapped_spoilt_and_late(tmp_path: Path, exchange: str, market: str) -> None:
    if exchange != "binance" and os.environ.get("MARKETFEED_MARKETS") != "all":
        pytest.skip("what a spoilt message of this exchange still tells is not settled: MARKETFEED_MARKETS=all asks")
    async with running(tmp_path, exchange, market) as run:
        await started(run)
        faults = run.sim.faults
        for book in run.judge.books.values() if exchange == "kraken" else ():
            book.depth = 10  # what its checksum covers: it has no numbers, and what is lost beyond shows to nobody
        spoilt = [partial(faults.corrupt, form=form) for form in ("truncated", "type", "utf8")]
        # OKX's first text is the id of a trade, which any text may be
        spoilt.append(partial(faults.corrupt, stream="bbo*" if exchange == "okx" else "*", form="decimal"))
        told = "[tb][ro]*" if exchange == "kraken" else "*"  # trades and books: nothing tells that a ticker is an old one
        twice, swapped = partial(faults.duplicate, stream=told), partial(faults.reorder, stream=told)
        tamperings: tuple[Callable[[int], None], ...] = (twice, swapped, faults.gap, *spoilt)
        for expected, tamper in zip(count(8, 8), tamperings, strict=False):
            tamper(8)
            await until(partial(tampered, run, expected), "eight of them")
            await mended(run)
        if exchange in BOOKS:
            faults.corrupt(3, BOOKS[exchange], form="checksum")
            await run.gap("checksum")
            await mended(run)
        run.judge.gaps.clear()
        faults.slow(0.3)
        await run.flow()
        faults.clear()
        await mended(run)
        assert not run.judge.gaps, "what is late is no loss"


def tampered(run: ExchangeRun, messages: int) -> bool:
    return len(run.sim.faults.tampered()) >= messages


def replaced(run: ExchangeRun, before: set[int]) -> bool:
    return bool(run.sim.connections) and not before & set(run.sim.connections)


async def test_a_connection_falls_silent(tmp_path: Path, exchange: str, market: str) -> None:
    """It is replaced, and what it did not bring is fetched or announced."""
    async with running(tmp_path, exchange, market, spec=WATCHFUL) as run:
        await started(run)
        for fault in (run.sim.faults.stall, run.sim.faults.freeze):
            before = set(run.sim.connections)
            for connection in before:
                fault(connection)
            await until(partial(replaced, run, before), "other connections")
            await mended(run)


async def test_rest_fails(tmp_path: Path, exchange: str, market: str) -> None:
    """Refused, cut in half, too slow: what can not be filled is announced with its bounds."""
    async with running(tmp_path, exchange, market) as run:
        await started(run)
        faults = run.sim.faults
        failures: tuple[Callable[[], None], ...] = (
            partial(faults.rest_refuse, 503, 3),
            partial(faults.rest_error, 3),
            partial(faults.rest_slow, 3.0),
        )
        for fail in failures:
            fail()
            run.sim.cut()
            await run.flow()
            await run.live()
            faults.clear()
            await mended(run)


@pytest.mark.parametrize("refused", ["once", "for pace"])
async def test_subscriptions_are_refused(tmp_path: Path, exchange: str, market: str, refused: str) -> None:
    """They are asked for again, and all come."""

    def refuse(sim: Simulator) -> None:
        if refused == "once":
            sim.faults.reject_subscribes(1)
        else:
            sim.faults.reject_pace(0.5, 4)

    async with running(tmp_path, exchange, market, before=refuse) as run:
        await started(run)


async def test_a_name_that_is_not_listed_is_left_out_and_named(tmp_path: Path, exchange: str, market: str) -> None:
    stranger = {"spot": "NOPE-USDT", "linear": "NOPE-USDT-PERP", "inverse": "NOPE-USD-PERP"}[market]
    async with running(tmp_path, exchange, market, strangers=[stranger]) as run:
        await started(run)
        assert f"not listed by the exchange, left out: {exchange} {market} {stranger}" in run.feed.err


async def test_a_refused_name_is_told_and_hurts_no_neighbour(tmp_path: Path, exchange: str, market: str) -> None:
    """It was listed when the feed began."""
    if exchange == "binance":
        pytest.skip("it acknowledges every name")
    async with running(tmp_path, exchange, market, channels=("trades", "bbo")) as run:
        await started(run)
        symbol = run.sim.source.listings[1].symbol
        assert run.sim.board is not None
        run.sim.board.delist(symbol)
        run.sim.cut()
        await until_told(lambda: rejected(run, symbol), f"streams of {symbol} are rejected")
        run.judge.forget(symbol)
        await run.flow()
        await run.settle()


async def rejected(run: ExchangeRun, symbol: str) -> bool:
    names = [each["stream"] for report in await reports(run) for each in report["streams"]["rejected"]]
    return sorted(names) == [f"bbo:{symbol}", f"trades:{symbol}"]
