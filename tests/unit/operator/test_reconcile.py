from __future__ import annotations

import copy
from typing import Any

import pytest
from fake_cluster import FakeCluster

from marketfeed.assignment import Assignment
from marketfeed.clock import ManualClock
from marketfeed.listing import InstrumentsError
from marketfeed.selection import ListAddress, Listing
from marketfeed.symbols import Instrument
from marketfeed_operator import instruments
from marketfeed_operator.errors import InvalidError, UnavailableError
from marketfeed_operator.instruments import Lists
from marketfeed_operator.kinds import CONFIG_MAP, CONTROLLER_REVISION, DEPLOYMENT, FEED, SECRET, SERVICE
from marketfeed_operator.manifests import Options
from marketfeed_operator.metrics import Metrics
from marketfeed_operator.reconcile import Parts, Reconciler
from marketfeed_operator.statuses import Statuses
from marketfeed_operator.workqueue import Key

KEY = Key("ns", "feed")
SHARD = "feed-binance-spot-0"


def feed(*symbols: str, **spec: Any) -> dict[str, Any]:
    source = {"exchange": "binance", "market": "spot", "symbols": list(symbols), "channels": ["trades"]}
    return {
        "apiVersion": "marketfeed.dev/v1alpha1",
        "kind": "MarketFeed",
        "metadata": {"name": "feed", "namespace": "ns"},
        "spec": {"sources": [source], "publishers": {"grpc": {}}, **spec},
    }


def two_shards(*symbols: str, attempts: int = 100) -> dict[str, Any]:
    """One stream a shard."""
    found = feed(*symbols, sharding={"connectionsPerShard": 1})
    found["spec"]["sources"][0]["limits"] = {"streamsPerConnection": 1, "connectsPer5Minutes": attempts}
    return found


class Bed:
    """One reconciler on an API server in a dict."""

    def __init__(self) -> None:
        self.api = FakeCluster()
        self.clock = ManualClock()
        self.metrics = Metrics()
        self.statuses = Statuses(self.api, self.clock, self.metrics, "operator-1")
        self.lists = Lists(self.clock, lambda key: None, lambda: 0.0)
        options = Options(shard_image="shard:1")
        self.reconciler = Reconciler(Parts(self.api, self.lists, self.statuses, options, self.metrics, self.clock))

    async def run(self, manifest: dict[str, Any] | None = None) -> float | None:
        if manifest is not None:
            self.api.put(manifest)
        return await self.reconciler.reconcile(KEY)

    async def quiet(self) -> None:
        """Another pass writes nothing."""
        self.api.writes.clear()
        assert await self.run() is None
        assert self.api.writes == []

    def assignment(self, shard: str = SHARD) -> Assignment:
        return Assignment.loads(self.api.objects[CONFIG_MAP.name, "ns", shard]["data"]["assignment.json"].encode())

    def condition(self, kind: str) -> tuple[str, str]:
        return next((c["status"], c["reason"]) for c in self.api.status()["conditions"] if c["type"] == kind)

    def settle(self) -> None:
        """Every shard has a pod that runs and has read its assignment."""
        for shard in self.api.names(DEPLOYMENT):
            if ("Pod", "ns", f"{shard}-x") not in self.api.objects:
                self.api.pod("ns", shard)
            self.api.reports[shard] = {"shard": shard, "generation": self.assignment(shard).generation}


@pytest.fixture
def bed(monkeypatch: pytest.MonkeyPatch) -> Bed:
    async def unreachable(address: ListAddress, volumes: bool, secrets: object) -> Listing:
        raise InstrumentsError("no network in a unit test")

    monkeypatch.setattr(instruments, "ask", unreachable)
    return Bed()


async def test_a_feed_gets_its_children_and_a_second_look_writes_nothing(bed: Bed) -> None:
    await bed.run(feed("BTC-USDT"))
    assert bed.api.names(DEPLOYMENT) == bed.api.names(CONFIG_MAP) == [SHARD]
    assert bed.api.names(SERVICE) == ["feed-shards"]
    assert bed.api.names(SECRET) == ["feed-handover"]
    owner = bed.api.objects[DEPLOYMENT.name, "ns", SHARD]["metadata"]["ownerReferences"][0]
    assert owner["uid"] == bed.api.objects[FEED.name, "ns", "feed"]["metadata"]["uid"]
    order = [kind for verb, kind, _ in bed.api.writes if verb == "apply"]
    assert order.index("ConfigMap") < order.index("Deployment")
    assert bed.condition("Accepted") == ("True", "Accepted")
    await bed.quiet()


async def test_a_delisted_symbol_is_left_out_and_named_and_a_new_listing_is_picked_up(
    bed: Bed, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = "AB"

    async def ask(address: ListAddress, volumes: bool, secrets: object) -> Listing:
        return Listing.of([Instrument(f"{b}-USDT", f"{b}USDT", b, "USDT", "TRADING", True) for b in listed])

    monkeypatch.setattr(instruments, "ask", ask)
    manifest = feed("A-USDT", "B-USDT")
    chosen = {"exchange": "binance", "market": "spot", "symbolSelector": {"include": ["*-USDT"]}, "channels": ["bbo"]}
    manifest["spec"]["sources"].append(chosen)
    await bed.run(manifest)
    assert [s.symbol for s in bed.assignment().symbols] == ["A-USDT", "B-USDT"]
    (degraded,) = (c for c in bed.api.status()["conditions"] if c["type"] == "Degraded")
    assert "A-USDT" not in degraded["message"]
    listed = "BC"
    bed.clock.advance(301)
    assert await bed.lists._ask_all(bed.lists._due()) == [ListAddress("binance", "spot", "https://api.binance.com")]
    bed.settle()
    await bed.run()
    assert [(s.symbol, s.channels) for s in bed.assignment().symbols] == [("B-USDT", ("trades", "bbo")), ("C-USDT", ("bbo",))]
    assert bed.condition("Accepted") == ("True", "Accepted")
    (degraded,) = (c for c in bed.api.status()["conditions"] if c["type"] == "Degraded")
    assert "binance spot A-USDT" in degraded["message"]


async def test_a_feed_that_is_gone_or_going_is_left_alone(bed: Bed) -> None:
    assert await bed.run() is None
    await bed.run(feed("BTC-USDT"))
    bed.api.objects[FEED.name, "ns", "feed"]["metadata"]["deletionTimestamp"] = "now"
    bed.api.remove(DEPLOYMENT, "ns", SHARD)
    await bed.quiet()
    assert bed.statuses.states == {}


async def test_what_somebody_deletes_or_changes_is_as_before(bed: Bed) -> None:
    await bed.run(feed("BTC-USDT"))
    bed.settle()
    await bed.run(feed("BTC-USDT", "ETH-USDT"))
    before = bed.assignment()
    assert before.generation == 2
    for kind, name in ((CONFIG_MAP, SHARD), (DEPLOYMENT, SHARD), (SERVICE, "feed-shards"), (SECRET, "feed-handover")):
        bed.api.remove(kind, "ns", name)
        await bed.run()
        assert bed.api.names(kind) == [name]
        bed.settle()
    assert bed.assignment() == before
    bed.api.objects[CONFIG_MAP.name, "ns", SHARD]["data"]["assignment.json"] = "{}"
    bed.api.objects[DEPLOYMENT.name, "ns", SHARD]["spec"]["replicas"] = 0
    await bed.run()
    assert bed.assignment() == before
    assert bed.api.objects[DEPLOYMENT.name, "ns", SHARD]["spec"]["replicas"] == 1
    await bed.quiet()


async def test_a_symbol_more_changes_the_assignment_and_the_pod_is_told(bed: Bed) -> None:
    await bed.run(feed("BTC-USDT"))
    bed.settle()
    bed.api.writes.clear()
    await bed.run(feed("BTC-USDT", "ETH-USDT"))
    assert bed.assignment().generation == 2
    changed = [write for write in bed.api.writes if write[0] not in {"status", "create", "delete"}]
    assert changed == [("apply", "ConfigMap", SHARD), ("annotate", "Pod", f"{SHARD}-x")]
    assert bed.api.objects["Pod", "ns", f"{SHARD}-x"]["metadata"]["annotations"] == {"marketfeed.dev/generation": "2"}


async def test_a_pod_that_was_not_told_is_told_later(bed: Bed) -> None:
    """The operator ended between the two writes."""
    await bed.run(feed("BTC-USDT", "ETH-USDT"))
    bed.api.pod("ns", SHARD)
    bed.statuses.states[KEY].told[SHARD] = {"shard": SHARD, "generation": 0}
    await bed.run()
    assert bed.api.objects["Pod", "ns", f"{SHARD}-x"]["metadata"]["annotations"] == {"marketfeed.dev/generation": "1"}


async def test_shares_are_lowered_first_and_raised_when_that_is_confirmed(bed: Bed) -> None:
    await bed.run(two_shards("BTC-USDT"))
    bed.settle()
    assert bed.assignment().connects.count == 100
    assert await bed.run(two_shards("BTC-USDT", "ETH-USDT")) is not None
    assert bed.assignment().connects.count == 50
    assert bed.api.names(DEPLOYMENT) == [SHARD], "the second one waits"
    assert await bed.run() is not None
    assert bed.api.names(DEPLOYMENT) == [SHARD], "the first one has not read it"
    bed.settle()
    assert await bed.run() is None
    assert len(bed.api.names(DEPLOYMENT)) == 2
    bed.settle()
    await bed.quiet()


@pytest.mark.parametrize("gone", [True, False])
async def test_the_others_get_a_shards_part_when_its_pods_are_gone(bed: Bed, gone: bool) -> None:
    await bed.run(two_shards("BTC-USDT", "ETH-USDT"))
    bed.settle()
    pod = copy.deepcopy(bed.api.objects["Pod", "ns", "feed-binance-spot-1-x"])
    assert await bed.run(two_shards("BTC-USDT")) is not None
    assert bed.api.names(DEPLOYMENT) == bed.api.names(CONFIG_MAP) == [SHARD]
    pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:25Z"
    bed.api.objects["Pod", "ns", "feed-binance-spot-1-x"] = pod
    assert await bed.run() is not None
    assert bed.assignment().connects.count == 50
    if gone:
        del bed.api.objects["Pod", "ns", "feed-binance-spot-1-x"]
    else:  # its node is lost: it ended long ago, and nobody can say so
        bed.clock.advance(60)
    await bed.run()
    assert bed.assignment().connects.count == 100


async def test_a_pod_on_its_way_out_has_given_up_nothing_yet(bed: Bed) -> None:
    await bed.run(two_shards("BTC-USDT"))
    bed.settle()
    bed.api.objects["Pod", "ns", f"{SHARD}-x"]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:25Z"
    assert await bed.run(two_shards("BTC-USDT", "ETH-USDT")) is not None
    assert await bed.run() is not None
    assert bed.api.names(DEPLOYMENT) == [SHARD]
    del bed.api.objects["Pod", "ns", f"{SHARD}-x"]
    await bed.run()
    assert len(bed.api.names(DEPLOYMENT)) == 2


async def test_pods_that_nobody_deletes_hold_nothing_up_for_ever(bed: Bed) -> None:
    """`kubectl delete --cascade=orphan`."""
    await bed.run(feed("BTC-USDT"))
    bed.settle()
    pod = bed.api.objects["Pod", "ns", f"{SHARD}-x"]
    bed.api.remove(DEPLOYMENT, "ns", SHARD)
    bed.api.objects["Pod", "ns", f"{SHARD}-x"] = pod
    assert await bed.run() is not None
    assert bed.api.names(DEPLOYMENT) == []
    bed.clock.advance(11)
    await bed.run()
    assert bed.api.names(DEPLOYMENT) == [SHARD]


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_refused_change_leaves_the_last_good_plan(bed: Bed, restarted: bool) -> None:
    await bed.run(feed("BTC-USDT"))
    before = bed.assignment()
    bad = feed("BTC-USDT")
    bad["spec"]["sources"][0]["channels"] = ["nothing"]
    if restarted:
        bed.statuses.states.clear()
    await bed.run(bad)
    assert bed.condition("Accepted") == ("False", "Invalid")
    assert bed.condition("Ready") == ("False", "NotAccepted")
    bed.api.remove(CONFIG_MAP, "ns", SHARD)
    bed.api.remove(DEPLOYMENT, "ns", SHARD)
    await bed.run()
    assert (bed.assignment().symbols, bed.api.names(DEPLOYMENT)) == (before.symbols, [SHARD])
    await bed.quiet()
    await bed.run(feed("ETH-USDT"))
    assert bed.condition("Accepted") == ("True", "Accepted")
    assert [s.symbol for s in bed.assignment().symbols] == ["ETH-USDT"]


async def test_where_nobody_knows_what_was_accepted_nothing_is_touched(bed: Bed) -> None:
    await bed.run(feed("BTC-USDT"))
    bed.api.remove(CONTROLLER_REVISION, "ns", bed.api.names(CONTROLLER_REVISION)[0])
    bed.statuses.states.clear()
    await bed.run(feed())
    bed.api.writes.clear()
    await bed.run()
    assert bed.api.writes == []
    assert bed.api.names(DEPLOYMENT) == [SHARD]
    assert bed.api.status()["totals"]["shards"] == 1


async def test_a_feed_that_was_never_accepted_has_nothing(bed: Bed) -> None:
    bed.api.put(feed())
    await bed.run()
    assert [kind for kind, _, _ in bed.api.objects] == ["MarketFeed"]
    assert bed.condition("Ready") == ("False", "NotAccepted")


async def test_what_this_version_cannot_run_is_refused_by_its_own_reason(bed: Bed) -> None:
    await bed.run(feed("BTC-USDT", sharding={"replicas": 2}))
    assert bed.condition("Accepted") == ("False", "NotSupported")


async def test_only_the_last_accepted_spec_is_kept(bed: Bed) -> None:
    for symbol in ("BTC-USDT", "ETH-USDT", "BTC-USDT"):
        await bed.run(feed(symbol))
        (name,) = bed.api.names(CONTROLLER_REVISION)
        kept = bed.api.objects[CONTROLLER_REVISION.name, "ns", name]
        assert kept["data"]["spec"]["sources"][0]["symbols"] == [symbol]


async def test_a_paused_feed_has_no_shards_and_goes_on_as_before(bed: Bed) -> None:
    await bed.run(feed("BTC-USDT"))
    before = bed.assignment()
    await bed.run(feed("BTC-USDT", paused=True))
    assert bed.api.names(DEPLOYMENT) == bed.api.names(CONFIG_MAP) == []
    assert bed.condition("Ready") == ("False", "Paused")
    await bed.quiet()
    await bed.run(feed("BTC-USDT"))
    assert bed.assignment().symbols == before.symbols


async def test_a_refused_child_is_told_and_tried_again(bed: Bed) -> None:
    bed.api.fails = lambda verb, kind: InvalidError("PATCH", "exceeded quota: pods") if kind == "Deployment" else None
    assert await bed.run(feed("BTC-USDT")) == 30.0
    assert bed.condition("Degraded") == ("True", "ChildrenRefused")
    assert bed.api.names(CONFIG_MAP) == [SHARD], "the others are there"
    bed.api.fails = lambda verb, kind: None
    assert await bed.run() is None
    assert bed.condition("Degraded")[0] == "False"


async def test_an_api_server_that_is_busy_is_the_queues_business(bed: Bed) -> None:
    bed.api.fails = lambda verb, kind: UnavailableError("PATCH", "busy") if kind == "ConfigMap" else None
    with pytest.raises(UnavailableError):
        await bed.run(feed("BTC-USDT"))


async def test_children_of_an_earlier_feed_of_this_name_go(bed: Bed) -> None:
    await bed.run(feed("BTC-USDT"))
    bed.api.remove(FEED, "ns", "feed")
    bed.api.writes.clear()
    await bed.run(feed("ETH-USDT"))
    deleted = {(kind, name) for verb, kind, name in bed.api.writes if verb == "delete"}
    assert deleted >= {("Deployment", SHARD), ("ConfigMap", SHARD), ("Service", "feed-shards")}
    owners = {o["metadata"]["ownerReferences"][0]["uid"] for (k, _, _), o in bed.api.objects.items() if k == "Deployment"}
    assert owners == {bed.api.objects[FEED.name, "ns", "feed"]["metadata"]["uid"]}
    assert [s.symbol for s in bed.assignment().symbols] == ["ETH-USDT"]


async def test_an_event_tells_what_has_changed_and_not_again(bed: Bed) -> None:
    await bed.run(feed("BTC-USDT"))
    await bed.run()
    assert [(e["type"], e["reason"]) for e in bed.api.events] == [("Normal", "Accepted")]
    await bed.run(feed())
    assert [(e["type"], e["reason"]) for e in bed.api.events[1:]] == [("Warning", "Invalid")]
    await bed.run()
    assert len(bed.api.events) == 2
    event = bed.api.events[0]
    assert event["involvedObject"]["uid"] == bed.api.objects[FEED.name, "ns", "feed"]["metadata"]["uid"]
    assert event["reportingInstance"] == "operator-1"


async def test_what_comes_and_goes_is_no_storm_of_events(bed: Bed) -> None:
    for symbols in [("BTC-USDT",), ()] * 5:
        await bed.run(feed(*symbols))
        bed.clock.advance(10)
    assert [e["reason"] for e in bed.api.events] == ["Accepted", "Invalid"]
    bed.clock.advance(300)
    await bed.run(feed("BTC-USDT"))
    assert [e["reason"] for e in bed.api.events] == ["Accepted", "Invalid", "Accepted"]
