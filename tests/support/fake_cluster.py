"""An API server in a dict: as much of one as the operator's decisions need, with a record of what was written."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Mapping
from typing import Any

from marketfeed_operator import kinds
from marketfeed_operator.errors import ClusterError, ConflictError, NoReportError, NotFoundError
from marketfeed_operator.kinds import DEPLOYMENT, EVENT, FEED, POD, Kind

Object = dict[str, Any]


class FakeCluster:
    """Objects by kind, namespace and name. Deployments have a pod at once, which reports what its ConfigMap has."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str, str], Object] = {}
        self.writes: list[tuple[str, str, str]] = []
        """(verb, kind, name), in order; events left out."""
        self.events: list[Object] = []
        self.reports: dict[str, Object | Exception] = {}
        """By shard: what its pod answers in place of the usual."""
        self.fails: Callable[[str, str], ClusterError | None] = lambda verb, kind: None
        self._numbers = itertools.count(1)

    # ---- what the operator calls -------------------------------------------------------------------------------------

    async def get(self, kind: Kind, namespace: str, name: str) -> Object:
        return copy.deepcopy(self._find(kind, namespace, name))

    async def list(self, kind: Kind, namespace: str | None, labels: str | None = None) -> list[Object]:
        key, _, value = (labels or "").partition("=")

        def picked(obj: Object) -> bool:
            found = obj["metadata"].get("labels", {}).get(key)
            return not key or (found is not None and value in ("", found))

        return [
            copy.deepcopy(obj)
            for (name, ns, _), obj in sorted(self.objects.items())
            if name == kind.name and namespace in (None, ns) and picked(obj)
        ]

    async def apply(self, manifest: Mapping[str, Any]) -> Object:
        return self._write("apply", kinds.of(manifest), manifest)

    async def apply_status(self, manifest: Mapping[str, Any]) -> Object:
        kind, metadata = kinds.of(manifest), manifest["metadata"]
        self._fail("status", kind.name)
        live = self._find(kind, metadata["namespace"], metadata["name"])
        live["status"] = copy.deepcopy(dict(manifest["status"]))
        self.writes.append(("status", kind.name, metadata["name"]))
        return copy.deepcopy(live)

    async def create(self, manifest: Mapping[str, Any]) -> Object:
        if manifest["kind"] == EVENT.name:
            self.events.append(dict(manifest))
            return dict(manifest)
        metadata = manifest["metadata"]
        if (manifest["kind"], metadata["namespace"], metadata["name"]) in self.objects:
            raise ConflictError("POST", "it is there")
        return self._write("create", kinds.of(manifest), manifest)

    async def replace(self, manifest: Mapping[str, Any]) -> Object:
        metadata = manifest["metadata"]
        live = self._find(kinds.of(manifest), metadata["namespace"], metadata["name"])
        if metadata["resourceVersion"] != live["metadata"]["resourceVersion"]:
            raise ConflictError("PUT", "somebody was faster")
        return self._write("replace", kinds.of(manifest), manifest)

    async def delete(self, kind: Kind, namespace: str, name: str, uid: str) -> None:
        self._fail("delete", kind.name)
        if self.objects.get((kind.name, namespace, name), {}).get("metadata", {}).get("uid") == uid:
            self.remove(kind, namespace, name)
            self.writes.append(("delete", kind.name, name))

    async def annotate(self, kind: Kind, namespace: str, name: str, annotations: Mapping[str, str]) -> None:
        self._find(kind, namespace, name)["metadata"].setdefault("annotations", {}).update(annotations)
        self.writes.append(("annotate", kind.name, name))

    async def report(self, pod: Mapping[str, Any]) -> Object:
        shard = pod["metadata"]["labels"]["marketfeed.dev/shard"]
        told = self.reports.get(shard, NoReportError("nothing"))
        if isinstance(told, Exception):
            raise told
        return copy.deepcopy(told)

    # ---- what a test does --------------------------------------------------------------------------------------------

    def put(self, manifest: Mapping[str, Any]) -> Object:
        """Somebody else writes an object; its generation moves."""
        before = len(self.writes)
        found = self._write("apply", kinds.of(manifest), manifest)
        del self.writes[before:]
        return found

    def pod(self, namespace: str, shard: str, feed: str = "feed", **metadata: Any) -> Object:
        """A shard's pod that runs."""
        labels = {"marketfeed.dev/feed": feed, "marketfeed.dev/shard": shard}
        container = {"name": "shard", "state": {"running": {}}}
        status = {"phase": "Running", "podIP": "10.0.0.1", "containerStatuses": [container]}
        found = self.put(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": f"{shard}-x", "namespace": namespace, "labels": labels, **metadata},
            }
        )
        self.objects["Pod", namespace, f"{shard}-x"]["status"] = status
        return {**found, "status": status}

    def remove(self, kind: Kind, namespace: str, name: str) -> None:
        """Somebody deletes an object; a Deployment's pod goes with it."""
        self.objects.pop((kind.name, namespace, name))
        if kind is DEPLOYMENT:
            self.objects.pop((POD.name, namespace, f"{name}-x"), None)

    def names(self, kind: Kind) -> list[str]:
        return [name for k, _, name in sorted(self.objects) if k == kind.name]

    def status(self, namespace: str = "ns", name: str = "feed") -> Object:
        return dict(self._find(FEED, namespace, name).get("status", {}))

    # ---- inside ------------------------------------------------------------------------------------------------------

    def _find(self, kind: Kind, namespace: str, name: str) -> Object:
        try:
            return self.objects[kind.name, namespace, name]
        except KeyError:
            raise NotFoundError("GET", f"no {kind.name} {name}") from None

    def _fail(self, verb: str, kind: str) -> None:
        error = self.fails(verb, kind)
        if error is not None:
            raise error

    def _write(self, verb: str, kind: Kind, manifest: Mapping[str, Any]) -> Object:
        self._fail(verb, kind.name)
        written = copy.deepcopy(dict(manifest))
        metadata = written["metadata"]
        key = kind.name, metadata["namespace"], metadata["name"]
        before = self.objects.get(key)
        number = next(self._numbers)
        metadata["resourceVersion"] = str(number)
        metadata["uid"] = before["metadata"]["uid"] if before else metadata.get("uid", f"uid-{number}")
        metadata.setdefault("creationTimestamp", f"2026-01-01T00:00:{number % 60:02}Z")
        if kind in (FEED, DEPLOYMENT):
            metadata["generation"] = before["metadata"]["generation"] + 1 if before else 1
        if before and "status" in before:
            written["status"] = before["status"]
        self.objects[key] = written
        self.writes.append((verb, kind.name, metadata["name"]))
        return copy.deepcopy(written)
