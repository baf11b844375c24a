from __future__ import annotations

from typing import Any

import kopf
import pytest
from fake_cluster import FakeCluster
from kubernetes.aio.client import Configuration

from marketfeed.clock import ManualClock
from marketfeed_operator.handlers import Dispatcher, registry, settings
from marketfeed_operator.kinds import DEPLOYMENT, FEED, POD
from marketfeed_operator.store import WATCHED, Store
from marketfeed_operator.workqueue import Key, Lane, WorkQueue

KEY = Key("ns", "feed")


class Bed:
    def __init__(self) -> None:
        self.api = FakeCluster()
        self.store = Store()
        self.queue = WorkQueue(ManualClock())
        self.soon: list[Key] = []
        self.dispatcher = Dispatcher(self.store, self.queue, self.soon.append)
        manifest = {"apiVersion": FEED.api_version, "kind": FEED.name, "metadata": {"name": "feed", "namespace": "ns"}}
        self.feed = self.api.put(manifest)
        self.pod = self.api.pod("ns", "shard")

    def reconciled(self) -> bool:
        key = self.queue.take(Lane.RECONCILE)
        if key is not None:
            self.queue.done(Lane.RECONCILE, key)
        return key == KEY


def test_a_feed_and_its_children_wake_the_reconciler_and_a_pod_the_look_at_it() -> None:
    bed = Bed()
    bed.dispatcher.told(FEED, {"type": None, "object": bed.feed})
    assert bed.reconciled()
    bed.dispatcher.told(POD, {"type": "ADDED", "object": bed.pod})
    assert not bed.reconciled()
    assert bed.soon == [KEY]
    labels = {"marketfeed.dev/feed": "feed"}
    child = {
        "metadata": {"namespace": "ns", "name": "a", "uid": "a", "resourceVersion": "1", "generation": 1, "labels": labels}
    }
    for event in ("ADDED", "DELETED"):
        bed.dispatcher.told(DEPLOYMENT, {"type": event, "object": child})
        assert bed.reconciled()


async def test_what_was_deleted_while_nobody_watched_is_found() -> None:
    bed = Bed()
    for kind in WATCHED:
        await bed.dispatcher.relist(bed.api, kind, (None,))
    assert bed.reconciled()
    assert bed.soon == [KEY]
    bed.api.remove(FEED, "ns", "feed")
    await bed.dispatcher.relist(bed.api, FEED, ("ns",))
    assert bed.reconciled()
    assert bed.store.feeds() == []
    await bed.dispatcher.relist(bed.api, FEED, ("ns",))
    assert not bed.reconciled()


def test_kopf_is_given_nothing_that_writes() -> None:
    """Event handlers and a login; no finalizer, no progress, nothing that it keeps in objects."""
    made = registry(Bed().dispatcher, Configuration())
    assert len(made._watching.get_all_handlers()) == len(WATCHED)
    for others in (made._changing, made._spawning, made._indexing, made._webhooks):
        assert not others.get_all_handlers()
    found = settings()
    assert isinstance(found, kopf.OperatorSettings)
    assert (found.posting.enabled, found.scanning.disabled, found.peering.standalone) == (False, True, True)


@pytest.mark.parametrize(("header", "told"), [("Bearer abc", ("Bearer", "abc")), ("abc", (None, "abc")), (None, (None, None))])
async def test_kopf_logs_in_as_the_operator_does(header: str | None, told: Any) -> None:
    config = Configuration()
    config.host = "https://api:6443"
    if header is not None:
        config.api_key["BearerToken"] = header
    made = registry(Bed().dispatcher, config)
    (handler,) = made._activities.get_all_handlers()
    info: Any = await handler.fn()  # type: ignore[misc]
    assert (info.server, info.scheme, info.token) == ("https://api:6443", *told)
