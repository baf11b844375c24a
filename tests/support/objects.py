"""Objects for a cluster without an operator: a shard's Deployment and assignment written by hand, and single pods."""

from __future__ import annotations

from typing import Any

from cluster import Object
from simulated import SimulatorProcess

from marketfeed.assignment import Assignment

LABELS = {"app": "shard"}
SYMBOLS = ["BTC-USDT", "ETH-USDT", "SOL-USDT"]


def assignment(exchange: SimulatorProcess, symbols: int, generation: int = 1) -> Object:
    """A ConfigMap with the first of the exchange's symbols."""
    content = {
        "generation": generation,
        "feed": "feed",
        "shard": "shard",
        "exchange": "binance",
        "market": "spot",
        "symbols": [{"symbol": s, "native": s.replace("-", ""), "channels": ["trades"]} for s in SYMBOLS[:symbols]],
        "endpoint": {"ws": exchange.ws_url, "rest": exchange.rest_url},
        "limits": {"streamsPerConnection": 900, "messagesPerSecond": 5.0},
        "connects": {"count": 300, "seconds": 300.0},
        "publishers": {"grpc": {"port": 9090}},
    }
    text = Assignment.model_validate(content).dumps().decode()
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "shard"}, "data": {"assignment.json": text}}


def deployment(**spec: Any) -> Object:
    """The real shard, as `restricted` asks for it; `spec` adds to its pods'."""
    healthy = {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 1}
    shard = {
        "name": "shard",
        "image": "shard",
        "command": ["marketfeed-shard"],
        "args": [
            *("--assignment", "/etc/marketfeed/assignment/assignment.json"),
            *("--state", "/var/lib/marketfeed/state", "--http", "0.0.0.0:8080"),
        ],
        "ports": [{"name": "http", "containerPort": 8080}],
        "startupProbe": {**healthy, "failureThreshold": 60},
        "livenessProbe": {**healthy, "failureThreshold": 6},
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": "http"}, "periodSeconds": 1, "failureThreshold": 1},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "assignment", "mountPath": "/etc/marketfeed/assignment"},
            {"name": "state", "mountPath": "/var/lib/marketfeed/state"},
        ],
    }
    pods = {
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
        "terminationGracePeriodSeconds": 20,
        "volumes": [{"name": "assignment", "configMap": {"name": "shard"}}, {"name": "state", "emptyDir": {}}],
        "containers": [shard],
        **spec,
    }
    template = {"metadata": {"labels": LABELS}, "spec": pods}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "shard"},
        "spec": {
            "selector": {"matchLabels": LABELS},
            "strategy": {"type": "Recreate"},
            "template": template,
        },
    }


def pod(name: str, container: Object, **spec: Any) -> Object:
    """One of a single container, as `restricted` asks for it."""
    template = deployment(volumes=[], **spec)["spec"]["template"]["spec"]
    security = template["containers"][0]["securityContext"]
    template["containers"] = [{"name": name, "image": "none", "securityContext": security, **container}]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": template}
