"""Each fault at each exchange, and afterwards what a consumer has is what the exchange sent and what its market did.

`marketfeed run` with real shards over Redis. What each test asserts is in `ExchangeRun.settle`: trades
complete or announced with bounds, best prices as sent, books level by level, nothing twice, no limit broken.
`MARKETFEED_MARKETS=all` tests each market, not only those that differ.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from exchange_run import ExchangeRun, running
from measured import Times
from waiting import until

QUICK = {"watchdog": {"staleAfter": "1s", "checkInterval": "250ms"}}


async def disturbed(run: ExchangeRun) -> None:
    """Data comes again after a fault, and all is well."""
    await run.live()
    await run.flow()
    await run.settle()


def lost(run: ExchangeRun) -> int:
    """Trades that were announced as lost."""
    return sum(len(trades.announced) for trades in run.judge.trades.values())


async def started(run: ExchangeRun) -> None:
    await run.live()
    await run.flow()
    await run.settle()
    assert set(run.judge.gaps) == {"started"}


async def test_cuts(tmp_path: Path, exchange: str, market: str, times: Times) -> None:
    """Without a word, with a close frame, at the end of the lifetime: trades are complete by backfill."""
    async with running(tmp_path, exchange, market) as run:
        await started(run)
        for end in (run.sim.cut, lambda: run.sim.cut(code=1001, reason="Going Away"), run.sim.expire):
            await run.flow()
            at, at_ns = len(run.events), time.time_ns()
            assert end() > 0
            await disturbed(run)
            measure(run, times, at, at_ns)
            assert lost(run) == 0
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
        run.sim.resume()
        before = set(run.sim.connections)
        if not run.sim.announce_shutdown():
            pytest.skip(f"{exchange} {market} announces no end")
        await until(lambda: not before & set(run.sim.connections), "other connections")
        await disturbed(run)
        assert set(run.judge.gaps) == {"started"}


async def test_nobody_gets_in(tmp_path: Path, exchange: str, market: str) -> None:
    """Refused with a status, by a reset, banned, and the service restarted with new numbers."""
    async with running(tmp_path, exchange, market) as run:
        await started(run)
        for status in (503, None):
            run.sim.resume()
            run.sim.faults.refuse(status, 0.5)
            run.sim.cut()
            await disturbed(run)
        run.sim.resume()
        run.sim.faults.ban(1.0)
        run.sim.cut()
        await disturbed(run)
        assert run.judge.gaps["disconnected"]


async def test_the_service_is_restarted(tmp_path: Path, exchange: str, market: str) -> None:
    """Who comes is refused for a while, and numbers of books begin anew."""
    async with running(tmp_path, exchange, market) as run:
        await started(run)
        run.sim.resume()
        assert run.sim.maintenance(0.5) > 0
        await disturbed(run)
        assert run.judge.gaps["disconnected"]


async def test_messages_are_lost_doubled_and_swapped(tmp_path: Path, exchange: str, market: str) -> None:
    async with running(tmp_path, exchange, market) as run:
        await started(run)
        for fault in (run.sim.faults.duplicate, run.sim.faults.reorder, run.sim.faults.gap):
            run.sim.resume()
            before = len(run.sim.faults.tampered())
            fault(12)
            await until(lambda before=before: len(run.sim.faults.tampered()) == before + 12, "twelve of them")
            await disturbed(run)


@pytest.mark.parametrize("form", ["truncated", "type", "decimal", "utf8", "checksum"])
async def test_messages_are_spoilt(tmp_path: Path, exchange: str, market: str, form: Any) -> None:
    """What is no message is counted and missing, a wrong book is found by its checksum where there is one."""
    async with running(tmp_path, exchange, market) as run:
        await started(run)
        run.sim.resume()
        book = {"kraken": "book*", "okx": "books*"}.get(exchange)
        if form == "checksum" and book is None:
            pytest.skip(f"{exchange} sends no checksums")
        run.sim.faults.corrupt(3, book if form == "checksum" and book else "*", form=form)
        await until(lambda: len(run.sim.faults.tampered()) == 3, "three of them")
        await disturbed(run)
        if form == "checksum":
            assert run.judge.gaps["checksum"]


async def test_data_is_late(tmp_path: Path, exchange: str, market: str) -> None:
    async with running(tmp_path, exchange, market) as run:
        await started(run)
        run.sim.resume()
        run.sim.faults.slow(0.3)
        await run.flow()
        run.sim.faults.clear()
        await disturbed(run)
        assert set(run.judge.gaps) == {"started"}


@pytest.mark.parametrize("fault", ["stall", "freeze"])
async def test_a_connection_falls_silent(tmp_path: Path, exchange: str, market: str, fault: str) -> None:
    """It is replaced, and what it did not bring is fetched or announced."""
    async with running(tmp_path, exchange, market, spec=QUICK) as run:
        await started(run)
        await run.flow()
        for connection in (before := set(run.sim.connections)):
            getattr(run.sim.faults, fault)(connection)
        await until(lambda: not before & set(run.sim.connections), "other connections")
        await disturbed(run)


async def test_rest_fails(tmp_path: Path, exchange: str, market: str) -> None:
    """Refused, cut in half, too slow: what can not be filled is announced with its bounds."""
    async with running(tmp_path, exchange, market) as run:
        await started(run)
        faults = run.sim.faults
        for fail in (lambda: faults.rest_refuse(503, 3), lambda: faults.rest_error(3), lambda: faults.rest_slow(3.0)):
            await run.flow()
            fail()
            run.sim.cut()
            await run.flow()
            await run.live()
            faults.clear()
            await disturbed(run)


@pytest.mark.parametrize("fault", ["reject_subscribes", "reject_pace"])
async def test_subscriptions_are_refused(tmp_path: Path, exchange: str, market: str, fault: str) -> None:
    """Once, or for their pace: they are asked for again, and all come."""

    async def refuse(sim: Any) -> None:
        if fault == "reject_pace":
            sim.faults.reject_pace(0.5, 4)
        else:
            sim.faults.reject_subscribes(1)

    async with running(tmp_path, exchange, market, before=refuse) as run:
        await started(run)


async def test_a_name_that_there_is_not_is_named_and_hurts_no_neighbour(tmp_path: Path, exchange: str, market: str) -> None:
    async with running(tmp_path, exchange, market) as run:
        await started(run)
