"""Every stream on two connections: single ones are cut without a word, and nothing is lost, doubled or announced.

`MARKETFEED_CUTS` says how often (the acceptance test has 100), `MARKETFEED_MARKETS=all` tests every market.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from random import Random

import pytest
from exchange_run import ExchangeRun, running
from waiting import until, until_told

from marketfeed_simulator.ledger import MemoryLedger

CUTS = int(os.environ.get("MARKETFEED_CUTS", "10"))
STREAMS_PER_CONNECTION = 1
PROVEN = 2
"""Messages after which a connection is known to deliver a topic."""
PATIENCE_S = 600.0
"""Budgets of attempts to connect are kept: 150 in ten minutes at Kraken."""
SPEC = {"sharding": {"legs": 2, "connectionsPerShard": 60}}


@pytest.mark.timeout(3 * PATIENCE_S)
async def test_no_single_cut_is_felt(tmp_path: Path, exchange: str, market: str) -> None:
    source = {"limits": {"streamsPerConnection": STREAMS_PER_CONNECTION}}
    async with running(tmp_path, exchange, market, 6, source=source, spec=SPEC, rate=400.0) as run:
        await run.live()
        await until_told(lambda: whole(run), "all connections", 120.0)
        assert len(run.sim.connections) == 2 * run.streams // STREAMS_PER_CONNECTION
        carried = Carried(run, Random(7))
        await run.flow(200)
        for _ in range(CUTS):
            number = await until(carried.spare, "a connection whose streams another one delivers, too", PATIENCE_S)
            assert run.sim.cut(number) == 1
            await run.flow(30)
        await until_told(lambda: whole(run), "all connections", 120.0)
        await run.live()
        await run.settle()
        excepted = {"bbo"} if exchange == "kraken" else set()  # its numbers do not tell which leg is ahead
        announced = {gap["channel"] for reason, gaps in run.judge.gaps.items() if reason != "started" for gap in gaps}
        assert announced <= {"book"} | excepted
        assert all(not trades.announced for trades in run.judge.trades.values())


async def whole(run: ExchangeRun) -> bool:
    reports = (await asyncio.to_thread(run.feed.status)).values()
    return all(connection["state"] == "open" for report in reports for connection in report["connections"])


class Carried:
    """Which connections have delivered which topics."""

    def __init__(self, run: ExchangeRun, random: Random) -> None:
        self._sim, self._random = run.sim, random
        self._delivered: Counter[tuple[int, str]] = Counter()
        self._read = 0

    def spare(self) -> int | None:
        """A connection, each of whose topics another one is known to deliver: it has brought some of it."""
        assert isinstance(self._sim.ledger, MemoryLedger)
        for sent in self._sim.ledger[self._read :]:
            self._delivered[sent.connection, sent.stream] += 1
        self._read = len(self._sim.ledger)
        sessions = self._sim.connections
        spare = [
            number
            for number, session in sessions.items()
            if session.topics and all(self._elsewhere(topic, number, sessions) for topic in session.topics)
        ]
        return self._random.choice(spare) if spare else None

    def _elsewhere(self, topic: str, number: int, sessions: Iterable[int]) -> bool:
        return any(self._delivered[other, topic] >= PROVEN for other in sessions if other != number)
