from __future__ import annotations

from typing import Any

import pytest
from fake_cluster import FakeCluster

from marketfeed.assignment import Assignment, EffectiveLimits, Share, SymbolStreams
from marketfeed.clock import ManualClock
from marketfeed.planner import Plan
from marketfeed.resource import Grpc, Publishers
from marketfeed_operator.absences import absence
from marketfeed_operator.errors import NoReportError, UnreachableError
from marketfeed_operator.feedstate import FeedState
from marketfeed_operator.health import Health
from marketfeed_operator.kinds import POD
from marketfeed_operator.metrics import Metrics
from marketfeed_operator.observed import Absence
from marketfeed_operator.statuses import Statuses
from marketfeed_operator.store import Store
from marketfeed_operator.workqueue import Key, Lane, WorkQueue

KEY = Key("ns", "feed")
SHARD = "feed-binance-spot-0"


def assignment(generation: int = 1) -> Assignment:
    return Assignment(
        generation=generation,
        feed="feed",
        shard=SHARD,
        exchange="binance",
        market="spot",
        symbols=(SymbolStreams(symbol="BTC-USDT", native="BTCUSDT", channels=("trades",)),),
        limits=EffectiveLimits(streams_per_connection=900, messages_per_second=2),
        connects=Share(count=300, seconds=300),
        publishers=Publishers(grpc=Grpc()),
    )


class Bed:
    def __init__(self) -> None:
        self.api = FakeCluster()
        self.clock = ManualClock()
        self.store = Store()
        self.queue = WorkQueue(self.clock)
        self.statuses = Statuses(self.api, self.clock, Metrics(), "operator-1")
        self.health = Health(self.api, self.store, self.statuses, self.queue, self.clock)
        manifest = {"metadata": {"name": "feed", "namespace": "ns", "uid": "u", "generation": 1}}
        self.state = self.statuses.states[KEY] = FeedState(manifest, plan=Plan((assignment(),), {}))
        self.store.told(POD, self.api.pod("ns", SHARD), gone=False)
        self.api.reports[SHARD] = {"shard": SHARD, "generation": 1}

    def ready(self) -> None:
        self.state.status = {"conditions": [{"type": "Ready", "status": "True"}]}

    def due(self, lane: Lane = Lane.STATUS) -> bool:
        """Whether the feed waits in a lane, from which it is taken."""
        key = self.queue.take(lane)
        if key is not None:
            self.queue.done(lane, key)
        return key is not None


async def test_what_a_shard_says_comes_to_the_lane_of_the_status() -> None:
    bed = Bed()
    await bed.health.round()
    assert bed.state.told == {SHARD: {"shard": SHARD, "generation": 1}}
    assert bed.due()
    await bed.health.round()
    assert not bed.due(), "not at every round"


@pytest.mark.parametrize(("ready", "period_s"), [(False, 1.5), (True, 5.0)])
async def test_a_feed_that_is_not_ready_is_looked_at_more_often(ready: bool, period_s: float) -> None:
    bed = Bed()
    if ready:
        bed.ready()
    await bed.health.round()
    assert bed.due()
    bed.clock.advance(period_s - 0.1)
    await bed.health.round()
    assert not bed.due()
    bed.clock.advance(0.1)
    await bed.health.round()
    assert bed.due()


async def test_a_feed_whose_pods_changed_is_looked_at_at_once() -> None:
    bed = Bed()
    bed.ready()
    await bed.health.round()
    assert bed.due()
    bed.health.soon(KEY)
    await bed.health.round()
    assert bed.due()


async def test_without_an_answer_there_is_a_reason_and_without_an_api_server_nothing_is_known() -> None:
    bed = Bed()
    bed.api.reports[SHARD] = NoReportError("its /status cannot be reached")
    await bed.health.round()
    assert bed.state.told == {SHARD: Absence("its /status cannot be reached")}
    assert bed.due()
    bed.api.reports[SHARD] = UnreachableError("GET", "connection refused")
    bed.clock.advance(10)
    await bed.health.round()
    assert bed.state.told == {SHARD: Absence("its /status cannot be reached")}
    assert not bed.due()


async def test_a_shard_that_lags_and_was_not_told_is_reconciled() -> None:
    bed = Bed()
    bed.state.plan = Plan((assignment(generation=2),), {})
    await bed.health.round()
    assert bed.due(Lane.RECONCILE)
    pod = bed.api.pod("ns", SHARD, annotations={"marketfeed.dev/generation": "2"})
    bed.store.told(POD, pod, gone=False)
    bed.clock.advance(10)
    await bed.health.round()
    assert not bed.due(Lane.RECONCILE), "it was told: the kubelet takes its time"


async def test_a_status_without_a_generation_ends_nothing() -> None:
    bed = Bed()
    bed.api.reports[SHARD] = {"shard": SHARD, "generation": None}
    await bed.health.round()
    assert bed.due(Lane.RECONCILE)


def pod(**status: Any) -> dict[str, Any]:
    return {"metadata": {}, "status": status}


def container(**state: Any) -> dict[str, Any]:
    return {"name": "shard", "state": state}


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (None, Absence("there is no pod")),
        ({"metadata": {"deletionTimestamp": "now"}}, Absence("the pod is on its way out")),
        (pod(phase="Pending"), Absence("the pod is Pending")),
        (
            pod(phase="Pending", conditions=[{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]),
            Absence("no node fits the pod", fault=True),
        ),
        (
            pod(phase="Pending", containerStatuses=[container(waiting={"reason": "ContainerCreating"})]),
            Absence("the container waits: ContainerCreating"),
        ),
        (
            pod(phase="Running", podIP="10.0.0.1", containerStatuses=[container(waiting={"reason": "CrashLoopBackOff"})]),
            Absence("the container waits: CrashLoopBackOff", fault=True),
        ),
        (
            pod(phase="Running", podIP="10.0.0.1", containerStatuses=[container(terminated={})]),
            Absence("the container has ended"),
        ),
        (pod(phase="Running", podIP="10.0.0.1", containerStatuses=[container(running={})]), None),
    ],
)
def test_a_pod_says_why_it_cannot_be_asked(found: dict[str, Any] | None, why: Absence | None) -> None:
    assert absence(found) == why
