"""The last accepted spec of a feed, kept in a ControllerRevision: what runs on while the current spec is refused.

A ControllerRevision never changes: a new spec is a new one, and the older ones go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from marketfeed.problem import NotAccepted
from marketfeed.resource import API_VERSION, KIND, MarketFeed
from marketfeed.validation import parse
from marketfeed_operator.kinds import CONTROLLER_REVISION
from marketfeed_operator.manifests import Owner, feed_labels


def newest(revisions: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The one that counts."""
    return max(revisions, key=lambda revision: revision["revision"], default=None)


def spec_of(revision: Mapping[str, Any] | None) -> Any:
    """The spec that a revision holds; null: none."""
    return None if revision is None else (revision.get("data") or {}).get("spec")


def feed_of(owner: Owner, spec: Any) -> MarketFeed | None:
    """The feed with an earlier spec; null: there is none that this version accepts."""
    if not isinstance(spec, Mapping):
        return None
    try:
        return parse(manifest_of(owner, spec))
    except NotAccepted:
        return None


def manifest_of(owner: Owner, spec: Any) -> dict[str, Any]:
    """What of a feed is judged: its name and its spec, whatever else the API server keeps with it."""
    metadata = {"name": owner.name, "namespace": owner.namespace}
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": spec}


def revision(owner: Owner, spec: Mapping[str, Any], number: int) -> dict[str, Any]:
    """The revision that keeps a spec; `number` is higher than that of any before."""
    reference = {"apiVersion": API_VERSION, "kind": KIND, "name": owner.name, "uid": owner.uid}
    return {
        "apiVersion": CONTROLLER_REVISION.api_version,
        "kind": CONTROLLER_REVISION.name,
        "metadata": {
            "name": f"{owner.name}-{owner.uid[:8]}-{number}",
            "namespace": owner.namespace,
            "labels": feed_labels(owner.name),
            "ownerReferences": [{**reference, "controller": True, "blockOwnerDeletion": True}],
        },
        "revision": number,
        "data": {"spec": spec},
    }
