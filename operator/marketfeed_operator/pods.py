"""The pod of a shard: one process without rights, that has its assignment, its Secrets and a directory of its own.

Its resources are those of a full shard, not of what it holds today: a symbol more must restart no pod.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson

from marketfeed.assignment import HTTP_PORT, Assignment
from marketfeed.exchanges import catalogue
from marketfeed.resource import MarketFeedSpec, Publisher, Sharding
from marketfeed.rollout import lasting

HTTP: Final = "http"

GRPC: Final = "grpc"
SETTINGS_ANNOTATION: Final = "marketfeed.dev/settings"
"""On the pod's template: a digest of what a running shard does not take from a changed assignment."""

_ASSIGNMENT: Final = "/etc/marketfeed/assignment"
_SECRETS: Final = "/etc/marketfeed/secrets"
_STATE: Final = "/var/lib/marketfeed/state"
_USER: Final = 65532
_GRACE_S: Final = 25
"""More than the 15 s that a shard takes at most to deliver what waits."""

CPU_US_PER_MESSAGE: Final = 5.0
"""Of one core, for an expected message: what the compiled kernel takes several times over, for bursts."""
CPU_BASE_MILLIS: Final = 100
CPU_MOST_MILLIS: Final = 1000
"""A shard is one process on one core."""
MEMORY_BASE_BYTES: Final = 128 << 20
MEMORY_BYTES_PER_STREAM: Final = 16 << 10


def pod_template(
    spec: MarketFeedSpec,
    assignment: Assignment,
    *,
    labels: Mapping[str, str],
    image: str,
    image_pull_policy: str | None,
    handover_secret: str,
) -> dict[str, Any]:
    """The template of a shard's Deployment; what `spec.template` says is in it, except where it is ours."""
    own = spec.template
    volumes, mounts = _volumes(assignment, sorted({*secrets(assignment), handover_secret}))
    pod: dict[str, Any] = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": _GRACE_S,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "fsGroup": _USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(spec, assignment, image, image_pull_policy, mounts)],
        "volumes": volumes,
    }
    taken_over = {
        "nodeSelector": own.node_selector,
        "tolerations": own.tolerations,
        "affinity": own.affinity,
        "priorityClassName": own.priority_class_name,
        "imagePullSecrets": own.image_pull_secrets,
    }
    pod |= {name: list(value) if isinstance(value, tuple) else value for name, value in taken_over.items() if value}
    annotations = {**(own.annotations or {}), SETTINGS_ANNOTATION: settings_digest(assignment)}
    return {"metadata": {"labels": {**(own.labels or {}), **labels}, "annotations": annotations}, "spec": pod}


def settings_digest(assignment: Assignment) -> str:
    """Changes when a running shard has to be started again for its assignment. Defaults do not count, so that a newer
    operator with a further field restarts nothing."""
    return hashlib.sha256(orjson.dumps(lasting(assignment), option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]


def secrets(assignment: Assignment) -> set[str]:
    """Names of the Secrets that an assignment takes values from."""
    return set(_secret_names(assignment.model_dump(mode="json", exclude={"symbols"})))


def _secret_names(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        reference = value.get("secret_key_ref")
        if isinstance(reference, Mapping):
            yield reference["name"]
        for inner in value.values():
            yield from _secret_names(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _secret_names(inner)


def _container(
    spec: MarketFeedSpec, assignment: Assignment, image: str, image_pull_policy: str | None, mounts: list[dict[str, Any]]
) -> dict[str, Any]:
    grpc = assignment.publishers.grpc
    ports = {HTTP: HTTP_PORT} | ({} if grpc is None else {GRPC: grpc.port})
    container: dict[str, Any] = {
        "name": "shard",
        "image": image,
        "command": ["marketfeed-shard"],
        "args": [
            *("--http", f"0.0.0.0:{HTTP_PORT}"),
            *("--assignment", f"{_ASSIGNMENT}/assignment.json"),
            *("--state", _STATE),
            *("--secrets", _SECRETS),
        ],
        "ports": [{"name": name, "containerPort": port, "protocol": "TCP"} for name, port in ports.items()],
        "startupProbe": _probe("/healthz", period_s=1, failures=60),  # on a busy node Python takes its time to load
        "livenessProbe": _probe("/healthz", period_s=10, failures=3),
        "readinessProbe": _probe("/readyz", period_s=2, failures=2),
        "resources": spec.template.resources or resources(assignment, spec.sharding),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": mounts,
    }
    if image_pull_policy is not None:
        container["imagePullPolicy"] = image_pull_policy
    if spec.template.env:
        container["env"] = list(spec.template.env)
    return container


def _probe(path: str, *, period_s: int, failures: int) -> dict[str, Any]:
    return {
        "httpGet": {"path": path, "port": HTTP},
        "periodSeconds": period_s,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
    }


def _volumes(assignment: Assignment, secret_names: list[str]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Volumes and where they are. A Secret that is not there yet holds no pod back: the shard says which one it misses,
    publishes to the sinks that it can, and the kubelet mounts the Secret when it comes."""
    # Never by subPath: such a file does not follow its ConfigMap.
    volumes: list[dict[str, Any]] = [
        {"name": "assignment", "configMap": {"name": assignment.shard}},
        {"name": "state", "emptyDir": {}},
    ]
    mounts: list[dict[str, Any]] = [
        {"name": "assignment", "mountPath": _ASSIGNMENT, "readOnly": True},
        {"name": "state", "mountPath": _STATE},
    ]
    for i, name in enumerate(secret_names):
        volumes.append({"name": f"secret-{i}", "secret": {"secretName": name, "optional": True}})
        mounts.append({"name": f"secret-{i}", "mountPath": f"{_SECRETS}/{name}", "readOnly": True})
    return volumes, mounts


def resources(assignment: Assignment, sharding: Sharding) -> dict[str, Any]:
    """What a full shard needs: CPU by the messages that its streams are expected to bring, memory by streams and buffers.

    CPU has no limit: throttling would be latency. The limit of memory is twice the request.
    """
    market = catalogue.market(assignment.exchange, assignment.market)
    usual = int(market.limits.connections_per_shard.default)
    streams = max(usual, sharding.connections_per_shard or 0) * int(market.limits.streams_per_connection.default)
    rate = streams * sum(market.rates.values()) / len(market.rates)
    if sharding.max_messages_per_second is not None:
        rate = min(rate, sharding.max_messages_per_second)
    cpu_millis = min(CPU_BASE_MILLIS + rate * CPU_US_PER_MESSAGE / 1000, CPU_MOST_MILLIS)
    publishers = [value for _, value in assignment.publishers if isinstance(value, Publisher)]
    memory_bytes = MEMORY_BASE_BYTES + sum(p.buffer_bytes for p in publishers) + streams * MEMORY_BYTES_PER_STREAM
    memory_mi = -(-memory_bytes // (1 << 20))
    return {
        "requests": {"cpu": f"{round(cpu_millis)}m", "memory": f"{memory_mi}Mi"},
        "limits": {"memory": f"{2 * memory_mi}Mi"},
    }
