"""The children of a feed, as the API server is to have them. Pure: the same plan gives the same manifests.

They hold only the fields that are ours, so that server-side apply leaves to others what others set. No label or annotation
of the feed is copied to them: tools that track what they applied would take the copies for their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from marketfeed.assignment import HTTP_PORT, Assignment
from marketfeed.planner import Plan
from marketfeed.resource import API_VERSION, KIND, MarketFeed
from marketfeed_operator.pods import GRPC, HTTP, pod_template

FEED_LABEL: Final = "marketfeed.dev/feed"
SHARD_LABEL: Final = "marketfeed.dev/shard"
MANAGED_BY: Final = {"app.kubernetes.io/managed-by": "marketfeed-operator"}
GENERATION_ANNOTATION: Final = "marketfeed.dev/generation"
"""On a pod, after its ConfigMap changed: the kubelet then syncs the mounted file at once."""
ASSIGNMENT_KEY: Final = "assignment.json"
"""Of the ConfigMap: what the shard reads."""


@dataclass(frozen=True, slots=True)
class Owner:
    """The MarketFeed that owns the children: they go with it."""

    name: str
    namespace: str
    uid: str


@dataclass(frozen=True, slots=True)
class Options:
    """What the operator was started with."""

    shard_image: str
    shard_image_pull_policy: str | None = None
    """None: as the API server has it by the image's tag."""
    operator_namespace: str | None = None
    """Where the operator runs; None: outside the cluster, so that it reads `/status` through the API server."""


def children(feed: MarketFeed, owner: Owner, plan: Plan, options: Options) -> list[dict[str, Any]]:
    """All children but the Secret, in the order in which they are to be applied. A paused feed has no shards."""
    shards: list[dict[str, Any]] = []
    if not feed.spec.paused:
        for assignment in plan.assignments:
            shards += [_config_map(owner, assignment), _deployment(feed, owner, assignment, options)]
    disruption = [_disruption_budget(owner)] if feed.spec.sharding.replicas > 1 and not feed.spec.paused else []
    return [_service(feed, owner), _network_policy(feed, owner, options), *disruption, *shards]


def handover_secret(owner: Owner, key: str) -> dict[str, Any]:
    """The Secret by which a feed's shards know each other. Only ever created: one that is there stays, unread."""
    return {**_head("v1", "Secret", owner, handover_secret_name(owner.name)), "type": "Opaque", "stringData": {"key": key}}


def handover_secret_name(feed: str) -> str:
    """Name of the feed's Secret."""
    return f"{feed}-handover"


def service_name(feed: str) -> str:
    """Name of the headless Service over all shards of a feed."""
    return f"{feed}-shards"


def feed_labels(feed: str) -> dict[str, str]:
    """Labels that every child of a feed has."""
    return {FEED_LABEL: feed, **MANAGED_BY}


def shard_labels(feed: str, shard: str) -> dict[str, str]:
    """Labels that the children and the pods of one shard have."""
    return {FEED_LABEL: feed, SHARD_LABEL: shard, **MANAGED_BY}


def _head(api_version: str, kind: str, owner: Owner, name: str, shard: str | None = None) -> dict[str, Any]:
    reference = {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "name": owner.name,
        "uid": owner.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }
    metadata = {
        "name": name,
        "namespace": owner.namespace,
        "labels": feed_labels(owner.name) if shard is None else shard_labels(owner.name, shard),
        "ownerReferences": [reference],
    }
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata}


def _config_map(owner: Owner, assignment: Assignment) -> dict[str, Any]:
    head = _head("v1", "ConfigMap", owner, assignment.shard, assignment.shard)
    return {**head, "data": {ASSIGNMENT_KEY: assignment.dumps().decode()}}


def _deployment(feed: MarketFeed, owner: Owner, assignment: Assignment, options: Options) -> dict[str, Any]:
    template = pod_template(
        feed.spec,
        assignment,
        labels=shard_labels(owner.name, assignment.shard),
        image=options.shard_image,
        image_pull_policy=options.shard_image_pull_policy,
        handover_secret=handover_secret_name(owner.name),
    )
    spec = {
        "replicas": feed.spec.sharding.replicas,
        "revisionHistoryLimit": 1,
        # Two pods of one shard would publish its streams twice.
        "strategy": {"type": "Recreate"},
        "selector": {"matchLabels": {FEED_LABEL: owner.name, SHARD_LABEL: assignment.shard}},
        "template": template,
    }
    return {**_head("apps/v1", "Deployment", owner, assignment.shard, assignment.shard), "spec": spec}


def _service(feed: MarketFeed, owner: Owner) -> dict[str, Any]:
    """Headless, and with the pods that are not ready: readiness gates rollouts, never who can be asked."""
    ports = [{"name": name, "port": port, "targetPort": name, "protocol": "TCP"} for name, port in _ports(feed).items()]
    spec = {
        "clusterIP": "None",
        "publishNotReadyAddresses": True,
        "selector": {FEED_LABEL: owner.name},
        "ports": ports,
    }
    return {**_head("v1", "Service", owner, service_name(owner.name)), "spec": spec}


def _network_policy(feed: MarketFeed, owner: Owner, options: Options) -> dict[str, Any]:
    """In: status and metrics for this namespace and the operator's, gRPC for all consumers. Out: exchanges and sinks, anywhere.

    An operator outside the cluster asks through the API server, whose address no selector names: then status is for all.
    """
    status: dict[str, Any] = {"ports": [{"port": HTTP_PORT, "protocol": "TCP"}]}
    if options.operator_namespace is not None:
        namespace = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": options.operator_namespace}}}
        status["from"] = [{"podSelector": {}}] + ([namespace] if options.operator_namespace != owner.namespace else [])
    ingress = [status]
    if GRPC in _ports(feed):
        ingress.append({"ports": [{"port": _ports(feed)[GRPC], "protocol": "TCP"}]})
    spec = {
        "podSelector": {"matchLabels": {FEED_LABEL: owner.name}},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": ingress,
        "egress": [{}],
    }
    return {**_head("networking.k8s.io/v1", "NetworkPolicy", owner, service_name(owner.name)), "spec": spec}


def _disruption_budget(owner: Owner) -> dict[str, Any]:
    """One pod of the feed at a time: the other one of its shard publishes meanwhile."""
    spec = {"maxUnavailable": 1, "selector": {"matchLabels": {FEED_LABEL: owner.name}}}
    return {**_head("policy/v1", "PodDisruptionBudget", owner, service_name(owner.name)), "spec": spec}


def _ports(feed: MarketFeed) -> dict[str, int]:
    grpc = feed.spec.publishers.grpc
    return {HTTP: HTTP_PORT} | ({} if grpc is None else {GRPC: grpc.port})
