"""The operator end to end: a MarketFeed on a real API server, shards as pods, the simulator and a real Redis."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from operated import Feeds, assert_exact, feed_of, names_of
from received import Consumer
from redis_server import RedisServer
from simulated import binance
from waiting import until

QUIET_S = float(os.environ.get("MARKETFEED_QUIET_S", "30"))
"""How long nothing may be written; longer by hand."""
WRITTEN = ("deployments", "configmaps", "services", "networkpolicies", "secrets", "controllerrevisions", "pods")


async def test_a_feed_becomes_shards_that_deliver_exactly_what_is_sent(
    feeds: Feeds, sink: RedisServer, consumer: Consumer
) -> None:
    """And a symbol more restarts nothing, loses nothing, and leaves the feed's metadata alone."""
    async with binance(41, rate=1000.0, host=feeds.cluster.host) as simulator:
        names = names_of(simulator)
        wanted = feed_of(simulator, sink, names[:40])
        await asyncio.to_thread(feeds.apply, wanted)
        await asyncio.to_thread(feeds.wait_ready, 80)
        kubectl = feeds.cluster.kubectl
        await asyncio.to_thread(
            kubectl, "wait", "--for=condition=Ready", "marketfeed/feed", "-n", feeds.namespace, "--timeout=10s"
        )
        table = (await asyncio.to_thread(kubectl, "get", "marketfeeds", "-n", feeds.namespace)).split("\n")
        assert table[0].split()[1:] == ["READY", "SHARDS", "CONNECTIONS", "STREAMS", "AGE"]
        assert table[1].split()[:5] == ["feed", "True", "1", "1/1", "80/80"]
        await simulator.emit(2000)
        pods = {pod["metadata"]["uid"] for pod in feeds.pods()}
        connections = set(simulator.connections)
        simulator.resume()
        await asyncio.to_thread(feeds.apply, feed_of(simulator, sink, names))
        await asyncio.to_thread(feeds.wait_ready, 82)
        simulator.pause()
        await simulator.emit(1000)
        await assert_exact(consumer, simulator)
        assert {pod["metadata"]["uid"] for pod in feeds.pods()} == pods
        assert all(s["restartCount"] == 0 for pod in feeds.pods() for s in pod["status"]["containerStatuses"])
        assert set(simulator.connections) == connections
        assert simulator.violations == []
        metadata = feeds.get()["metadata"]
        assert not metadata.keys() & {"annotations", "labels", "finalizers", "ownerReferences"}, metadata
        managers = {(f["manager"], f.get("subresource", "")) for f in metadata["managedFields"]}
        assert managers == {("kubectl", ""), ("marketfeed-operator-status", "status")}


async def test_what_is_deleted_by_hand_comes_back_and_what_is_quiet_is_not_written(
    feeds: Feeds, sink: RedisServer, consumer: Consumer
) -> None:
    """Then the feed is deleted, and nothing is left."""
    async with binance(4, rate=200.0, host=feeds.cluster.host, paused=False) as simulator:
        feed = feed_of(simulator, sink, names_of(simulator))
        await asyncio.to_thread(feeds.apply, feed)
        await asyncio.to_thread(feeds.wait_ready, 8)
        for kind in ("configmap", "deployment", "service", "networkpolicy"):
            name = "feed-binance-spot-0" if kind in {"configmap", "deployment"} else "feed-shards"
            before = set(await asyncio.to_thread(feeds.uids, kind))
            await asyncio.to_thread(feeds.cluster.kubectl, "delete", kind, name, "-n", feeds.namespace)
            await asyncio.to_thread(
                feeds.wait, f"the {kind} is back", lambda kind=kind, before=before: set(feeds.uids(kind)) - before, 60.0
            )
        await asyncio.to_thread(feeds.wait_ready, 8)
        versions = await asyncio.to_thread(feeds.versions, *WRITTEN)
        received = len(consumer.events)
        assert len(versions) == 8, versions
        await asyncio.sleep(QUIET_S)  # nothing may happen: only time shows it
        assert await asyncio.to_thread(feeds.versions, *WRITTEN) == versions
        assert len(consumer.events) > received
        await asyncio.to_thread(feeds.cluster.kubectl, "delete", "marketfeed", "feed", "-n", feeds.namespace)
        await asyncio.to_thread(feeds.wait, "nothing is left", lambda: not feeds.left(), 60.0)


async def test_a_refused_change_leaves_the_data_flowing(feeds: Feeds, sink: RedisServer, consumer: Consumer) -> None:
    """A lost child is rebuilt meanwhile, and the mended spec is taken."""
    async with binance(4, rate=200.0, host=feeds.cluster.host, paused=False) as simulator:
        names = names_of(simulator)
        await asyncio.to_thread(feeds.apply, feed_of(simulator, sink, names[:3]))
        await asyncio.to_thread(feeds.wait_ready, 6)
        pods = {pod["metadata"]["uid"] for pod in feeds.pods()}
        bad = feed_of(simulator, sink, names)
        bad["spec"]["sources"] *= 2  # every stream twice: too dear for a rule of the API server
        await asyncio.to_thread(feeds.apply, bad)
        await asyncio.to_thread(feeds.wait, "it is refused", lambda: feeds.condition("Accepted") == "False")
        assert (feeds.condition("Ready"), feeds.reason("Ready")) == ("False", "NotAccepted")
        received = len(consumer.events)
        await until(lambda: len(consumer.events) > received + 100, "data flows")
        assert {pod["metadata"]["uid"] for pod in feeds.pods()} == pods
        before = set(feeds.uids("configmap"))
        await asyncio.to_thread(feeds.cluster.kubectl, "delete", "configmap", "feed-binance-spot-0", "-n", feeds.namespace)
        await asyncio.to_thread(feeds.wait, "the ConfigMap is back", lambda: set(feeds.uids("configmap")) - before)
        assert [event["type"] for event in feeds.events() if event["reason"] == "Invalid"] == ["Warning"]
        await asyncio.to_thread(feeds.apply, feed_of(simulator, sink, names))
        await asyncio.to_thread(feeds.wait_ready, 8)
        assert {pod["metadata"]["uid"] for pod in feeds.pods()} == pods
        await asyncio.to_thread(feeds.apply, feed_of(simulator, sink, names, paused=True))
        await asyncio.to_thread(feeds.wait, "its pods are gone", lambda: not feeds.pods())
        await asyncio.to_thread(feeds.wait, "it is paused", lambda: feeds.reason("Ready") == "Paused")
        await asyncio.to_thread(feeds.apply, feed_of(simulator, sink, names))
        await asyncio.to_thread(feeds.wait_ready, 8)


async def test_a_further_shard_starts_when_the_others_have_given_up_their_part(
    feeds: Feeds, sink: RedisServer, consumer: Consumer
) -> None:
    """Of the connection attempts; and nobody is restarted for it. A shard that is no longer needed goes."""
    async with binance(10, rate=400.0, host=feeds.cluster.host) as simulator:
        names = names_of(simulator)

        def wanted(symbols: list[str]) -> dict[str, Any]:
            feed = feed_of(simulator, sink, symbols, sharding={"connectionsPerShard": 1})
            feed["spec"]["sources"][0]["limits"] = {"streamsPerConnection": 8}
            return feed

        await asyncio.to_thread(feeds.apply, wanted(names[:8]))
        await asyncio.to_thread(feeds.wait_ready, 16)
        pods = {pod["metadata"]["uid"] for pod in feeds.pods()}
        assert len(pods) == 2
        simulator.resume()
        await asyncio.to_thread(feeds.apply, wanted(names))
        await asyncio.to_thread(feeds.wait_ready, 20)
        assert feeds.shares() == [100, 100, 100]
        simulator.pause()
        await assert_exact(consumer, simulator)
        assert pods < {pod["metadata"]["uid"] for pod in feeds.pods()}
        await asyncio.to_thread(feeds.apply, wanted(names[:8]))
        await asyncio.to_thread(feeds.wait, "the third one goes", lambda: feeds.shares() == [150, 150])
        await asyncio.to_thread(feeds.wait_ready, 16)
        assert {pod["metadata"]["uid"] for pod in feeds.pods()} == pods
        assert simulator.violations == []
