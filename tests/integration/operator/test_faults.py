"""Operator, shard, API server and Redis fail during a run: data stops only for what failed, and all heals by itself."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster import Cluster, pid
from operated import Feeds, Operator, acting, assert_exact, feed_of, names_of, wait_acting
from received import Consumer
from redis_server import RedisServer
from simulated import binance
from waiting import until, wait_until

OUTAGE_S = float(os.environ.get("MARKETFEED_OUTAGE_S", "15"))
"""Longer than the Lease lasts; longer still by hand."""


async def test_without_operator_or_api_server_no_message_is_lost(
    feeds: Feeds, operator: Operator, sink: RedisServer, consumer: Consumer
) -> None:
    """And what was asked for meanwhile is done afterwards."""
    async with binance(5, rate=400.0, host=feeds.cluster.host) as simulator:
        names = names_of(simulator)
        await asyncio.to_thread(feeds.apply, feed_of(simulator, sink, names[:4]))
        await asyncio.to_thread(feeds.wait_ready, 8)
        pods = {pod["metadata"]["uid"] for pod in feeds.pods()}
        simulator.resume()
        operator.kill()
        await asyncio.to_thread(feeds.apply, feed_of(simulator, sink, names))
        operator.start()
        await asyncio.to_thread(feeds.wait_ready, 10)
        await asyncio.to_thread(feeds.cluster.stop_apiserver)
        try:
            await asyncio.sleep(OUTAGE_S)  # only time shows that nothing needs the API server
        finally:
            feeds.cluster.start_apiserver()  # here: it does not outlive the thread that started it
        await asyncio.to_thread(feeds.wait, "the operator acts again", operator.acts, 60.0)
        await asyncio.to_thread(feeds.apply, feed_of(simulator, sink, names[1:]))
        await asyncio.to_thread(feeds.wait_ready, 8)
        simulator.pause()
        await assert_exact(consumer, simulator, last=names[1:])
        assert {pod["metadata"]["uid"] for pod in feeds.pods()} == pods
        assert operator.runs


async def test_a_killed_shard_and_a_restarted_redis_heal(feeds: Feeds, sink: RedisServer, consumer: Consumer) -> None:
    async with binance(4, rate=400.0, host=feeds.cluster.host, paused=False) as simulator:
        await asyncio.to_thread(feeds.apply, feed_of(simulator, sink, names_of(simulator), watchdog={"staleAfter": "5s"}))
        await asyncio.to_thread(feeds.wait_ready, 8)
        await until(lambda: len(consumer.events) > 100, "data flows")
        consumer.events.clear()
        os.kill(pid(feeds.pods()[0]), signal.SIGKILL)
        await until(lambda: any(e["type"] == "gap" for e in consumer.events), "the loss is announced", 30.0)
        await asyncio.to_thread(feeds.wait_ready, 8)
        gaps = [e for e in consumer.events if e["type"] == "gap"]
        assert {(e["channel"], e["symbol"]) for e in gaps} == {(e["channel"], e["symbol"]) for e in consumer.events}
        await asyncio.to_thread(sink.kill)
        await asyncio.to_thread(feeds.wait, "it is not ready", lambda: feeds.condition("Ready") == "False", 40.0)
        assert feeds.reason("Degraded") == "PublisherDown"
        await asyncio.to_thread(sink.start)
        await asyncio.to_thread(feeds.wait_ready, 8)
        received = len(consumer.events)
        await until(lambda: len(consumer.events) > received + 100, "data flows again")
        await asyncio.to_thread(feeds.wait, "nothing is wrong any more", lambda: feeds.condition("Degraded") == "False")


@pytest.fixture
def second(cluster: Cluster, namespace: str, crd: None, tmp_path: Path) -> Iterator[Operator]:
    running = Operator(tmp_path, cluster, namespace, "second")
    running.start()
    yield running
    running.kill()


def test_of_two_operators_one_acts_and_the_other_takes_over(
    feeds: Feeds, operator: Operator, second: Operator, sink: RedisServer
) -> None:
    wait_until(lambda: "standing by" in second.output(), "the second one stands by")
    assert acting([operator, second]) == [operator]
    assert second.get("/readyz") == "ready\n"
    operator.kill()
    wait_acting(second, 20.0)
    operator.start()
    wait_until(lambda: operator.output().count("standing by"), "the first one stands by")
    assert second.stop() == 0
    wait_acting(operator, 8.0)  # a Lease that was given back is not waited for
