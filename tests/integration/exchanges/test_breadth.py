"""Many symbols with three channels each are subscribed to within every budget: the exchange records no violation.

`MARKETFEED_SYMBOLS` says how many (the acceptance test has 1000); how long it took is told at the end.
"""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest
from exchange_run import ExchangeRun, running
from measured import Times
from waiting import until_told

SYMBOLS = int(os.environ.get("MARKETFEED_SYMBOLS", "100"))
DEADLINE_S = 1500.0


@pytest.mark.timeout(DEADLINE_S + 60)
async def test_all_is_subscribed_within_the_budgets(tmp_path: Path, exchange: str, market: str, times: Times) -> None:
    channels = ("trades", "bbo", "candles.1m") if exchange == "binance" else ("trades", "bbo", "book")  # REST paces its books
    begun_s = time.monotonic()
    async with running(
        tmp_path, exchange, market, SYMBOLS, channels, before=lambda sim: sim.faults.withhold_snapshots()
    ) as run:
        await until_told(lambda: live(run), f"{run.streams} live streams", DEADLINE_S)
        times.of[f"{exchange} {market}: {run.streams} streams on {len(run.sim.connections)} connections"].append(
            time.monotonic() - begun_s
        )
        subscribed = {topic for session in run.sim.connections.values() for topic in session.topics}
        assert len(subscribed) == run.streams
        assert not run.sim.violations, run.sim.violations[:5]


async def live(run: ExchangeRun) -> bool:
    reports = (await asyncio.to_thread(run.feed.status)).values()
    return sum(int(report["streams"]["live"]) for report in reports) == run.streams
