"""Every stream on two connections: single ones are cut without a word, and nothing is lost, doubled or announced.

`MARKETFEED_CUTS` says how often (the acceptance test has 100), `MARKETFEED_MARKETS=all` tests every market.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from random import Random

from exchange_run import ExchangeRun, running
from waiting import until

CUTS = int(os.environ.get("MARKETFEED_CUTS", "20"))
STREAMS_PER_CONNECTION = 1
SPEC = {"sharding": {"legs": 2, "connectionsPerShard": 60}}


async def test_no_single_cut_is_felt(tmp_path: Path, exchange: str, market: str) -> None:
    source = {"limits": {"streamsPerConnection": STREAMS_PER_CONNECTION}}
    random = Random(7)
    async with running(tmp_path, exchange, market, 6, source=source, spec=SPEC, rate=400.0) as run:
        await run.live()
        connections = len(run.sim.connections)
        assert connections >= 12
        await run.flow(200)
        for _ in range(CUTS):
            number = await until(lambda: spare(run, random), "a connection whose streams are all on another one, too")
            assert run.sim.cut(number) == 1
            await run.flow(30)
        await until(lambda: len(run.sim.connections) == connections, "all connections", 60.0)
        await run.live()
        await run.settle()
        excepted = {"bbo"} if exchange == "kraken" else set()  # its numbers do not tell which leg is ahead
        announced = {gap["channel"] for reason, gaps in run.judge.gaps.items() if reason != "started" for gap in gaps}
        assert announced <= {"book"} | excepted
        assert all(not trades.announced for trades in run.judge.trades.values())


def spare(run: ExchangeRun, random: Random) -> int | None:
    """One of the connections, all of whose topics are subscribed to on another one."""
    sessions = run.sim.connections
    carried = Counter(topic for session in sessions.values() for topic in session.topics)
    spare = [number for number, session in sessions.items() if session.topics and all(carried[t] > 1 for t in session.topics)]
    return random.choice(spare) if spare else None
