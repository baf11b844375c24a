"""A feed's children on the API server: read with one list a kind, written only where they are not as they are to be."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final, Protocol

from pydantic import ValidationError

from marketfeed.assignment import Assignment
from marketfeed_operator import drift, kinds
from marketfeed_operator.errors import ConflictError, ForbiddenError, InvalidError
from marketfeed_operator.kinds import CHILDREN, CONFIG_MAP, CONTROLLER_REVISION, DEPLOYMENT, POD, Kind
from marketfeed_operator.manifests import (
    ASSIGNMENT_KEY,
    FEED_LABEL,
    GENERATION_ANNOTATION,
    SHARD_LABEL,
    Owner,
    handover_secret,
)
from marketfeed_operator.metrics import Metrics
from marketfeed_operator.store import is_leaving

Object = Mapping[str, Any]
_KEY_BYTES: Final = 32


class Api(Protocol):
    """What is asked of the cluster."""

    async def list(self, kind: Kind, namespace: str | None, labels: str | None = None) -> list[dict[str, Any]]: ...

    async def apply(self, manifest: Mapping[str, Any]) -> dict[str, Any]: ...

    async def create(self, manifest: Mapping[str, Any]) -> dict[str, Any]: ...

    async def delete(self, kind: Kind, namespace: str, name: str, uid: str) -> None: ...

    async def annotate(self, kind: Kind, namespace: str, name: str, annotations: Mapping[str, str]) -> None: ...

    async def report(self, pod: Mapping[str, Any]) -> dict[str, Any]: ...


class Children:
    """Those of one feed, as they were when they were read; writes are not read again."""

    def __init__(self, api: Api, owner: Owner, metrics: Metrics) -> None:
        self._api = api
        self._owner = owner
        self._metrics = metrics
        self._live: dict[Kind, dict[str, Object]] = {}
        self.pods: Sequence[Object] = ()
        self.refused: list[str] = []
        """Children that the API server did not take, each with its reason."""

    async def read(self) -> None:
        """Read all of them. What an earlier feed of this name left behind goes."""
        labels = f"{FEED_LABEL}={self._owner.name}"
        for kind in (*CHILDREN, CONTROLLER_REVISION):
            found: dict[str, Object] = {}
            for obj in await self._api.list(kind, self._owner.namespace, labels):
                if _is_of(obj, self._owner.uid):
                    found[obj["metadata"]["name"]] = obj
                elif _is_of_a_feed(obj):
                    await self.delete(kind, obj)
            self._live[kind] = found
        self.pods = await self._api.list(POD, self._owner.namespace, labels)

    def of(self, kind: Kind) -> Mapping[str, Object]:
        """Those of a kind, by name."""
        return self._live[kind]

    def assignments(self) -> dict[str, Assignment]:
        """What the ConfigMaps assign, by shard; what cannot be read is as if it were not there."""
        found: dict[str, Assignment] = {}
        for name, obj in self._live[CONFIG_MAP].items():
            try:
                assignment = Assignment.loads(obj.get("data", {}).get(ASSIGNMENT_KEY, "").encode())
            except ValidationError:
                continue
            if assignment.shard == name:
                found[name] = assignment
        return found

    def pods_of(self, shard: str) -> list[Object]:
        """The pods of a shard, those on their way out included."""
        return [pod for pod in self.pods if pod["metadata"]["labels"].get(SHARD_LABEL) == shard]

    def pods_without(self, shards: Collection[str]) -> list[Object]:
        """Pods of other shards than these."""
        return [pod for pod in self.pods if pod["metadata"]["labels"].get(SHARD_LABEL) not in shards]

    async def ensure(self, manifest: Mapping[str, Any]) -> bool:
        """Make a child as it is to be; whether that took a write. One that the API server refuses is among `refused`."""
        wanted, kind = drift.marked(manifest), kinds.of(manifest)
        name = manifest["metadata"]["name"]
        live = self._live[kind].get(name)
        if live is not None and not drift.drifted(wanted, live):
            return False
        try:
            await self._api.apply(wanted)
        except (InvalidError, ForbiddenError) as error:
            self.refused.append(f"{kind.name} {name}: {error.told}")
            self._metrics.failed("reconcile", error.reason)
            return False
        self._metrics.wrote(kind.name, "apply")
        return True

    async def ensure_secret(self) -> None:
        """The feed's handover key: created where there is none, never read."""
        try:
            await self._api.create(handover_secret(self._owner, secrets.token_hex(_KEY_BYTES)))
        except ConflictError:
            return
        self._metrics.wrote("Secret", "create")

    async def create(self, manifest: Mapping[str, Any]) -> None:
        """Create what never changes; one that is there is left."""
        try:
            await self._api.create(manifest)
        except ConflictError:
            return
        self._metrics.wrote(manifest["kind"], "create")

    async def delete(self, kind: Kind, obj: Object) -> None:
        """Delete one, and what it owns."""
        metadata = obj["metadata"]
        if "deletionTimestamp" not in metadata:
            await self._api.delete(kind, metadata["namespace"], metadata["name"], metadata["uid"])
            self._metrics.wrote(kind.name, "delete")

    async def drop_shard(self, shard: str) -> None:
        """Delete a shard: its Deployment first, so that nothing starts again without its assignment."""
        for kind in (DEPLOYMENT, CONFIG_MAP):
            obj = self._live[kind].get(shard)
            if obj is not None:
                await self.delete(kind, obj)

    async def prune(self, kept: Iterable[Mapping[str, Any]]) -> None:
        """Delete what is not among these; shards have a way of their own to go."""
        names = {(kinds.of(manifest), manifest["metadata"]["name"]) for manifest in kept}
        for kind in CHILDREN:
            if kind not in (DEPLOYMENT, CONFIG_MAP):
                for name, obj in self._live[kind].items():
                    if (kind, name) not in names:
                        await self.delete(kind, obj)

    async def tell_pods(self, assignment: Assignment) -> None:
        """Have the kubelet bring a changed assignment to the shard's pods at once, by a change of theirs."""
        told = str(assignment.generation)
        for pod in self.pods_of(assignment.shard):
            metadata = pod["metadata"]
            if not is_leaving(pod) and metadata.get("annotations", {}).get(GENERATION_ANNOTATION) != told:
                await self._api.annotate(POD, metadata["namespace"], metadata["name"], {GENERATION_ANNOTATION: told})
                self._metrics.wrote("Pod", "annotate")


def _is_of(obj: Object, uid: str) -> bool:
    return any(reference["uid"] == uid for reference in obj["metadata"].get("ownerReferences", ()))


def _is_of_a_feed(obj: Object) -> bool:
    references = obj["metadata"].get("ownerReferences", ())
    return any(reference["kind"] == kinds.FEED.name and reference.get("controller") for reference in references)
