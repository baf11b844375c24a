"""Children of a few feeds, whole; `MARKETFEED_UPDATE_GOLDEN=1` writes the files anew."""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from admission_cases import GOOD, SECRET, changed

from marketfeed.assignment import Assignment
from marketfeed.planner import Plan, plan
from marketfeed.validation import parse
from marketfeed_operator.manifests import Options, Owner, children, handover_secret
from marketfeed_operator.pods import SETTINGS_ANNOTATION, settings_digest

GOLDEN = Path(__file__).parent / "golden"
OWNER = Owner("feed", "market", "0b1c3c2e-7a3c-4a53-9d0a-5d5f9f0f8f60")
OPTIONS = Options("localhost/marketfeed-shard:1", operator_namespace="operators")
EVERYTHING: dict[str, Any] = {
    **GOOD,
    "metadata": {"name": "feed", "labels": {"argocd.argoproj.io/instance": "app"}, "annotations": {"note": "private"}},
    "spec": {
        "sources": [
            {
                "exchange": "binance",
                "market": "spot",
                "symbols": ["BTC-USDT", "ETH-USDT", "SOL-USDT"],
                "channels": ["trades", "bbo"],
                "proxy": {"urlFrom": {"secretKeyRef": {"name": "proxy", "key": "url"}}},
                "limits": {"streamsPerConnection": 4},
            }
        ],
        "publishers": {
            "redisPubSub": {"urlFrom": {"secretKeyRef": {"name": "redis", "key": "url"}}, "bufferBytes": "32Mi"},
            "grpc": {"port": 9999, "tls": {"certFrom": SECRET, "keyFrom": SECRET}},
        },
        "sharding": {"connectionsPerShard": 1, "replicas": 2},
        "template": {
            "resources": {"requests": {"cpu": "1", "memory": "1Gi"}},
            "nodeSelector": {"disk": "ssd"},
            "tolerations": [{"key": "only", "operator": "Equal", "value": "feeds", "effect": "NoSchedule"}],
            "affinity": {"podAntiAffinity": {}},
            "priorityClassName": "high",
            "imagePullSecrets": [{"name": "registry"}],
            "env": [{"name": "TZ", "value": "UTC"}],
            "annotations": {"prometheus.io/scrape": "true"},
            "labels": {"team": "a", "marketfeed.dev/shard": "not-mine"},
        },
    },
}
FEEDS = {
    "minimal": (GOOD, OPTIONS),
    "everything": (EVERYTHING, Options("registry/shard:2", "IfNotPresent", "market")),
    "operator-outside": (changed("spec/publishers", {"redisPubSub": {"url": "redis://redis"}}), Options("shard:1")),
    "paused": (changed("spec/paused", True), OPTIONS),
}


def made(manifest: dict[str, Any], options: Options = OPTIONS) -> list[dict[str, Any]]:
    feed = parse(manifest)
    return children(feed, OWNER, plan(feed), options)


def by_kind(manifests: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [manifest for manifest in manifests if manifest["kind"] == kind]


def pod(manifest: dict[str, Any]) -> dict[str, Any]:
    template: dict[str, Any] = by_kind(made(manifest), "Deployment")[0]["spec"]["template"]
    return template


@pytest.mark.parametrize("name", FEEDS)
def test_children_are_those_of_the_golden_file(name: str) -> None:
    path = GOLDEN / f"{name}.yaml"
    text = yaml.safe_dump_all(_readable(made(*FEEDS[name])), sort_keys=False, width=120, allow_unicode=True)
    if os.environ.get("MARKETFEED_UPDATE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert path.read_text() == text


def _readable(manifests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """With the assignment as YAML, so that a change of it can be read."""
    readable = copy.deepcopy(manifests)
    for config_map in by_kind(readable, "ConfigMap"):
        config_map["data"] = {key: yaml.safe_load(text) for key, text in config_map["data"].items()}
    return readable


def test_same_plan_gives_the_same_children() -> None:
    assert made(EVERYTHING) == made(copy.deepcopy(EVERYTHING))


def test_config_map_has_the_assignment_byte_for_byte() -> None:
    feed = parse(GOOD)
    planned = plan(feed)
    (config_map,) = by_kind(children(feed, OWNER, planned, OPTIONS), "ConfigMap")
    text = config_map["data"]["assignment.json"].encode()
    assert text == planned.assignments[0].dumps()
    assert Assignment.loads(text) == planned.assignments[0]


@pytest.mark.parametrize("manifest", [GOOD, EVERYTHING], ids=["minimal", "everything"])
def test_every_child_is_owned_and_labelled_and_nothing_of_the_feed_is_copied(manifest: dict[str, Any]) -> None:
    for child in [*made(manifest), handover_secret(OWNER, "k")]:
        metadata = child["metadata"]
        (owner,) = metadata["ownerReferences"]
        assert (owner["uid"], owner["controller"], owner["blockOwnerDeletion"]) == (OWNER.uid, True, True)
        assert metadata["namespace"] == "market"
        assert metadata["labels"]["marketfeed.dev/feed"] == "feed"
        assert metadata["labels"]["app.kubernetes.io/managed-by"] == "marketfeed-operator"
        assert "annotations" not in metadata
        assert "argocd" not in str(child)
        assert "private" not in str(child)
        if child["kind"] in {"Deployment", "ConfigMap"}:
            assert metadata["labels"]["marketfeed.dev/shard"] == metadata["name"]


def test_a_symbol_more_leaves_the_deployment_as_it_is() -> None:
    before = by_kind(made(GOOD), "Deployment")
    more = changed("spec/sources/0/symbols", ["ADA-USDT", "BTC-USDT", "ETH-USDT"])
    assert by_kind(made(more), "Deployment") == before
    assert by_kind(made(more), "ConfigMap") != by_kind(made(GOOD), "ConfigMap")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("spec/watchdog/staleAfter", "10s"),
        ("spec/sources/0/channels", ["trades"]),
        ("spec/sources/0/limits", {"messagesPerSecond": 1, "connectsPer5Minutes": 3}),
        ("spec/sharding/connectionsPerShard", 1),
        ("metadata/labels", {"team": "b"}),
    ],
)
def test_what_a_running_shard_reads_again_restarts_no_pod(path: str, value: Any) -> None:
    assert pod(changed(path, value)) == pod(GOOD)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("spec/publishers/grpc/maxAge", "2s"),
        ("spec/sources/0/endpoint/ws", "ws://h"),
        ("spec/sources/0/limits/streamsPerConnection", 5),
        ("spec/template/env", [{"name": "A", "value": "b"}]),
    ],
)
def test_what_a_running_shard_cannot_take_restarts_its_pod(path: str, value: Any) -> None:
    assert pod(changed(path, value)) != pod(GOOD)


def test_settings_digest_passes_over_shares_and_generations() -> None:
    (assignment,) = plan(parse(GOOD)).assignments
    other = assignment.model_copy(update={"generation": 9, "symbols": (), "role": "standby"})
    assert settings_digest(other) == settings_digest(assignment)


def test_pod_has_no_rights() -> None:
    spec = pod(GOOD)["spec"]
    (container,) = spec["containers"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    assert spec["terminationGracePeriodSeconds"] > 15


def test_each_secret_is_mounted_once_where_the_shard_looks() -> None:
    (container,) = pod(EVERYTHING)["spec"]["containers"]
    secrets = [mount["mountPath"] for mount in container["volumeMounts"] if "secret" in mount["name"]]
    assert secrets == [f"/etc/marketfeed/secrets/{name}" for name in ("feed-handover", "n", "proxy", "redis")]
    assert all("subPath" not in mount for mount in container["volumeMounts"])


def test_labels_of_ours_come_before_the_templates() -> None:
    labels = pod(EVERYTHING)["metadata"]["labels"]
    assert labels["team"] == "a"
    assert labels["marketfeed.dev/shard"] == "feed-binance-spot-0"
    assert pod(EVERYTHING)["metadata"]["annotations"].keys() == {"prometheus.io/scrape", SETTINGS_ANNOTATION}


def test_requests_grow_with_what_a_shard_may_hold_and_stay_within_a_core() -> None:
    usual = pod(GOOD)["spec"]["containers"][0]["resources"]
    large = pod(changed("spec/sharding/connectionsPerShard", 1000))["spec"]["containers"][0]["resources"]
    slow = pod(changed("spec/sharding/maxMessagesPerSecond", 100))["spec"]["containers"][0]["resources"]
    assert "cpu" not in usual["limits"]
    assert large["requests"]["cpu"] == "1000m"
    assert int(large["requests"]["memory"].removesuffix("Mi")) > int(usual["requests"]["memory"].removesuffix("Mi"))
    assert slow["requests"]["cpu"] == "100m"


def test_disruption_budget_only_where_a_second_replica_takes_over() -> None:
    assert by_kind(made(GOOD), "PodDisruptionBudget") == []
    (budget,) = by_kind(made(EVERYTHING), "PodDisruptionBudget")
    assert budget["spec"]["maxUnavailable"] == 1


def test_nothing_runs_without_a_plan() -> None:
    assert {child["kind"] for child in children(parse(GOOD), OWNER, Plan((), {}), OPTIONS)} == {"Service", "NetworkPolicy"}
