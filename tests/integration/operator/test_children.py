"""A real API server takes a feed's children, strictly validated, as they are; applied again they change nothing."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from admission_cases import GOOD, WHOLE
from cluster import Cluster

from marketfeed.planner import plan
from marketfeed.validation import parse
from marketfeed_operator.drift import drifted, marked
from marketfeed_operator.manifests import Options, Owner, children, handover_secret

REPLICATED = {**WHOLE, "spec": {**WHOLE["spec"], "sharding": {"replicas": 2, "connectionsPerShard": 1}}}
# No node has it: the objects are looked at, no pod starts.
NOWHERE = {**GOOD, "spec": {**GOOD["spec"], "template": {"nodeSelector": {"disk": "nowhere"}}}}


def made(manifest: dict[str, Any], namespace: str) -> list[dict[str, Any]]:
    feed = parse(manifest)
    owner = Owner("feed", namespace, "00000000-0000-0000-0000-000000000001")
    all_of_them = [
        *children(feed, owner, plan(feed), Options("shard:1", "IfNotPresent", "operators")),
        handover_secret(owner, "k"),
    ]
    for child in all_of_them:
        # The owner is not there: with it the garbage collector would take the children away.
        del child["metadata"]["ownerReferences"]
    return [marked(child) for child in all_of_them]


def live(cluster: Cluster, namespace: str, child: dict[str, Any]) -> dict[str, Any]:
    text = cluster.kubectl("get", child["kind"].lower(), child["metadata"]["name"], "-n", namespace, "-o", "json")
    found: dict[str, Any] = json.loads(text)
    return found


def apply(cluster: Cluster, namespace: str, manifests: list[dict[str, Any]]) -> str:
    """What kubectl says on standard error: warnings of the API server."""
    options = ("--server-side", "--validate=strict", "--field-manager=marketfeed-operator", "-n", namespace, "-f", "-")
    done = cluster.kubectl_result("apply", *options, stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests}))
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.mark.parametrize("manifest", [NOWHERE, REPLICATED], ids=["minimal", "everything"])
def test_children_are_stored_as_they_are_meant(cluster: Cluster, namespace: str, manifest: dict[str, Any]) -> None:
    manifests = made(manifest, namespace)
    assert "PodSecurity" not in apply(cluster, namespace, manifests)
    stored = [live(cluster, namespace, child) for child in manifests]
    for child, there in zip(manifests, stored, strict=True):
        if child["kind"] != "Secret":  # of which the API server keeps another form, and which is never compared
            assert not drifted(child, there), child["kind"]
    time.sleep(1.1)  # a time of a second's resolution would show
    apply(cluster, namespace, manifests)
    for before in stored:
        if before["kind"] != "Deployment":  # its status is on its way
            after = live(cluster, namespace, before)
            assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"], before["kind"]
        else:
            assert live(cluster, namespace, before)["metadata"]["generation"] == before["metadata"]["generation"]


def test_a_shards_pod_is_within_the_restricted_level(cluster: Cluster, namespace: str) -> None:
    manifests = made(NOWHERE, namespace)
    apply(cluster, namespace, manifests)
    pods = cluster.wait(lambda: cluster.pods(namespace, "marketfeed.dev/feed=feed"), "the pod is there")
    assert pods[0]["metadata"]["labels"]["marketfeed.dev/shard"] == "feed-binance-spot-0"
