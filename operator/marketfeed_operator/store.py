"""What the informer has told: which feeds there are, their children as far as changes of them matter, and their pods.

Events of one's own doing and of status alone wake nobody. What was deleted while a watch was down comes out in `relisted`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any, TypeAlias

from marketfeed_operator.kinds import CHILDREN, FEED, POD, Kind
from marketfeed_operator.manifests import FEED_LABEL, SHARD_LABEL
from marketfeed_operator.workqueue import Key

Object: TypeAlias = Mapping[str, Any]
WATCHED = (FEED, POD, *CHILDREN)


class Store:
    """Objects by kind, as last told."""

    def __init__(self) -> None:
        self._marks: dict[Kind, dict[Key, tuple[Key, Any]]] = {kind: {} for kind in WATCHED}
        """By object: its feed, and what of it matters."""
        self._pods: dict[Key, dict[str, Object]] = defaultdict(dict)
        """By feed and pod."""

    def feeds(self) -> list[Key]:
        """All there are."""
        return [feed for feed, _ in self._marks[FEED].values()]

    def pods(self, feed: Key) -> list[Object]:
        """A feed's pods, whatever they do."""
        return list(self._pods.get(feed, {}).values())

    def pod_of(self, feed: Key, shard: str) -> Object | None:
        """The pod that runs a shard, or is to: the newest one, and only for want of another one that is on its way out."""
        pods = [pod for pod in self.pods(feed) if pod["metadata"]["labels"].get(SHARD_LABEL) == shard]
        return max(pods, key=lambda pod: (not is_leaving(pod), pod["metadata"]["creationTimestamp"]), default=None)

    def told(self, kind: Kind, obj: Object, *, gone: bool) -> Key | None:
        """An object is there, has changed or is gone. The feed that this matters to; null: it does not matter."""
        name = Key(obj["metadata"]["namespace"], obj["metadata"]["name"])
        marks = self._marks[kind]
        before = marks.get(name)
        feed = _feed_of(kind, obj) or (before[0] if before else None)
        if feed is None:
            return None
        if kind is POD:
            self._keep(feed, obj, gone=gone)
        if gone:
            marks.pop(name, None)
            return feed
        marks[name] = feed, _mark(kind, obj)
        return None if marks[name] == before else feed

    def names(self, kind: Kind) -> set[Key]:
        """All objects of a kind that are known."""
        return set(self._marks[kind])

    def relisted(self, kind: Kind, before: Collection[Key], objects: Iterable[Object]) -> set[Key]:
        """All objects of a kind: feeds to which something has happened that nobody told.

        `before`: those that were known when the list was asked for. What came or went since then, the watch knows better.
        """
        there = {Key(o["metadata"]["namespace"], o["metadata"]["name"]): o for o in objects}
        known = self.names(kind)
        fresh = (obj for name, obj in there.items() if name in known or name not in before)
        touched = {feed for obj in fresh if (feed := self.told(kind, obj, gone=False)) is not None}
        for name in known.intersection(before) - there.keys():
            feed, _ = self._marks[kind].pop(name)
            touched.add(feed)
            if kind is POD:
                self._pods[feed].pop(name.name, None)
        return touched

    def _keep(self, feed: Key, pod: Object, *, gone: bool) -> None:
        name = pod["metadata"]["name"]
        if gone:
            self._pods[feed].pop(name, None)
            if not self._pods[feed]:
                del self._pods[feed]
        else:
            self._pods[feed][name] = pod


def is_leaving(pod: Object) -> bool:
    """Whether it is being deleted, or has ended for good."""
    return "deletionTimestamp" in pod["metadata"] or pod.get("status", {}).get("phase") in {"Failed", "Succeeded"}


def _feed_of(kind: Kind, obj: Object) -> Key | None:
    metadata = obj["metadata"]
    if kind is FEED:
        return Key(metadata["namespace"], metadata["name"])
    feed = metadata.get("labels", {}).get(FEED_LABEL)
    return None if feed is None else Key(metadata["namespace"], feed)


def _mark(kind: Kind, obj: Object) -> Any:
    """What has to be different for a change to matter."""
    metadata = obj["metadata"]
    leaving = "deletionTimestamp" in metadata
    if kind is POD:
        status = obj.get("status", {})
        ready = [c["status"] for c in status.get("conditions", ()) if c["type"] == "Ready"]
        return metadata["uid"], leaving, status.get("phase"), status.get("podIP"), ready
    if "generation" in metadata:  # it moves with the spec alone
        return metadata["uid"], leaving, metadata["generation"], metadata.get("labels"), metadata.get("ownerReferences")
    return metadata["uid"], leaving, metadata["resourceVersion"]
