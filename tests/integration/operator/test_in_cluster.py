"""The operator as pods of the cluster, with the rights of examples/cluster/operator.yaml and no others."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster import Cluster
from operated import Feeds, Operator, assert_exact, feed_of, names_of
from received import Consumer
from redis_server import RedisServer
from simulated import binance

MANIFEST = Path(__file__).parents[3] / "examples/cluster/operator.yaml"


@pytest.fixture
def installed(cluster: Cluster, crd: None) -> Iterator[str]:
    """The namespace of the operator's pods, both ready."""
    cluster.kubectl("apply", "--server-side", "-f", str(MANIFEST))
    try:
        cluster.kubectl("rollout", "status", "deployment/marketfeed-operator", "-n", "marketfeed", "--timeout=60s")
        yield "marketfeed"
    finally:
        cluster.kubectl("delete", "clusterrole,clusterrolebinding", "marketfeed-operator")
        cluster.delete_namespace("marketfeed")


async def test_its_rights_are_enough_and_its_children_well_kept(
    installed: str, cluster: Cluster, namespace: str, sink: RedisServer, consumer: Consumer, tmp_path: Path
) -> None:
    """From apply to delivery to a symbol more to deletion; nothing is forbidden to it on the way."""
    feeds = Feeds(cluster, namespace, Operator(tmp_path, cluster, namespace))  # that one is not started
    async with binance(5, host=cluster.host) as simulator:
        names = names_of(simulator)
        await asyncio.to_thread(feeds.apply, feed_of(simulator, sink, names[:4]))
        await asyncio.to_thread(feeds.wait_ready, 8)
        await simulator.emit(500)
        await asyncio.to_thread(feeds.apply, feed_of(simulator, sink, names))
        await asyncio.to_thread(feeds.wait_ready, 10)
        await simulator.emit(500)
        await assert_exact(consumer, simulator)
        await asyncio.to_thread(cluster.kubectl, "delete", "deployment", "feed-binance-spot-0", "-n", namespace)
        await asyncio.to_thread(feeds.wait, "it is back", lambda: feeds.names("deployments.apps"), 60.0)
        await asyncio.to_thread(feeds.wait_ready, 10)
        await asyncio.to_thread(cluster.kubectl, "delete", "marketfeed", "feed", "-n", namespace)
        await asyncio.to_thread(feeds.wait, "nothing is left", lambda: not feeds.left(), 60.0)
    logs = [cluster.log(installed, pod["metadata"]["name"]) for pod in cluster.pods(installed, "app=marketfeed-operator")]
    assert not any("is forbidden: User" in log or "Traceback" in log for log in logs), logs
    assert sum(" acts: " in log for log in logs) == 1
