from __future__ import annotations

from typing import Any

from marketfeed_operator.kinds import CONFIG_MAP, DEPLOYMENT, FEED, POD
from marketfeed_operator.store import Store
from marketfeed_operator.workqueue import Key

FEED_KEY = Key("ns", "feed")


def obj(name: str, generation: int | None = 1, version: str = "1", labels: dict[str, str] | None = None, **more: Any) -> Any:
    metadata: dict[str, Any] = {"namespace": "ns", "name": name, "uid": f"uid-{name}", "resourceVersion": version}
    metadata |= {"labels": labels if labels is not None else {"marketfeed.dev/feed": "feed", "marketfeed.dev/shard": "s"}}
    if generation is not None:
        metadata["generation"] = generation
    return {"metadata": {**metadata, "creationTimestamp": "2026-01-01T00:00:00Z", **more.pop("metadata", {})}, **more}


def test_a_feed_matters_when_its_spec_changes_and_not_for_its_status() -> None:
    store = Store()
    assert store.told(FEED, obj("feed"), gone=False) == FEED_KEY
    assert store.told(FEED, obj("feed", version="2", status={"shards": []}), gone=False) is None
    assert store.told(FEED, obj("feed", generation=2), gone=False) == FEED_KEY
    assert store.told(FEED, obj("feed", metadata={"deletionTimestamp": "now"}), gone=False) == FEED_KEY
    assert store.told(FEED, obj("feed"), gone=True) == FEED_KEY
    assert store.feeds() == []


def test_a_child_matters_to_its_feed_when_it_is_changed_or_gone() -> None:
    store = Store()
    assert store.told(DEPLOYMENT, obj("s"), gone=False) == FEED_KEY
    assert store.told(DEPLOYMENT, obj("s", version="2", status={"replicas": 1}), gone=False) is None
    assert store.told(DEPLOYMENT, obj("s", generation=2), gone=False) == FEED_KEY
    assert store.told(CONFIG_MAP, obj("s", generation=None), gone=False) == FEED_KEY
    assert store.told(CONFIG_MAP, obj("s", generation=None), gone=False) is None
    assert store.told(CONFIG_MAP, obj("s", generation=None, version="2"), gone=False) == FEED_KEY
    assert store.told(CONFIG_MAP, obj("s", generation=None, labels={}), gone=True) == FEED_KEY, "its label was taken away"
    assert store.told(CONFIG_MAP, obj("other", generation=None, labels={}), gone=False) is None


def test_the_pod_of_a_shard_is_the_newest_that_is_not_leaving() -> None:
    store = Store()
    for name, time, more in (("a", "1", {}), ("b", "3", {"deletionTimestamp": "now"}), ("c", "2", {})):
        store.told(POD, obj(name, metadata={"creationTimestamp": time, **more}), gone=False)
    assert (store.pod_of(FEED_KEY, "s") or {})["metadata"]["name"] == "c"
    assert store.pod_of(FEED_KEY, "t") is None
    for name in "ac":
        store.told(POD, obj(name), gone=True)
    assert (store.pod_of(FEED_KEY, "s") or {})["metadata"]["name"] == "b"


def test_a_list_finds_what_nobody_told() -> None:
    store = Store()
    for name in ("feed", "gone"):
        store.told(FEED, obj(name), gone=False)
    before = store.names(FEED)
    listed = [obj("feed", version="7"), obj("new")]
    assert store.relisted(FEED, before, listed) == {Key("ns", "gone"), Key("ns", "new")}
    assert store.feeds() == [FEED_KEY, Key("ns", "new")]
    assert store.relisted(FEED, store.names(FEED), listed) == set()


def test_a_list_takes_nothing_back_that_the_watch_told_meanwhile() -> None:
    store = Store()
    store.told(POD, obj("old"), gone=False)
    before = store.names(POD)
    store.told(POD, obj("young"), gone=False)
    store.told(POD, obj("old"), gone=True)
    assert store.relisted(POD, before, [obj("old")]) == set()
    assert [pod["metadata"]["name"] for pod in store.pods(FEED_KEY)] == ["young"]
