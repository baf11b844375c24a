"""The cluster that the operator's tests run on, tried with the real shard and hand-written objects in the operator's place."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster import Cluster, Object, condition, pid
from objects import SYMBOLS, assignment, deployment
from processes import alive
from simulated import SimulatorProcess

RATE = 200


@pytest.fixture
def exchange(tmp_path: Path, cluster: Cluster) -> Iterator[SimulatorProcess]:
    simulator = SimulatorProcess(tmp_path, cluster.host)
    simulator.start("--symbols", ",".join(SYMBOLS), "--rate", str(RATE))
    yield simulator
    simulator.kill()


def ready_pod(cluster: Cluster, namespace: str) -> Object:
    """Waits for the one pod."""

    def found() -> Object | None:
        pods = cluster.pods(namespace)
        return pods[0] if len(pods) == 1 and condition(pods[0], "Ready") == "True" else None

    return cluster.wait(found, f"a pod is ready in {namespace}")


@pytest.fixture
def shard(cluster: Cluster, namespace: str, exchange: SimulatorProcess) -> Object:
    """The pod of a Deployment that carries one symbol."""
    cluster.apply(assignment(exchange, 1), deployment(), namespace=namespace)
    return ready_pod(cluster, namespace)


def live(cluster: Cluster, pod: Object) -> int:
    """How many streams a shard says are live, asked by way of the API server."""
    status = cluster.proxied(pod["metadata"]["namespace"], pod["metadata"]["name"], "/status")
    return int(status["streams"]["live"])


def test_a_shard_becomes_ready_and_tells_its_status_through_the_api_server(cluster: Cluster, shard: Object) -> None:
    assert shard["status"]["phase"] == "Running"
    assert not shard["status"]["podIP"].startswith("127.")
    cluster.wait(lambda: live(cluster, shard) == 1, "its stream is live")
    name, namespace = shard["metadata"]["name"], shard["metadata"]["namespace"]
    cluster.kubectl("create", "service", "clusterip", "shard", "--clusterip=None", "-n", namespace)
    cluster.kubectl("set", "selector", "service", "shard", "app=shard", "-n", namespace)
    slices = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
    cluster.wait(lambda: shard["status"]["podIP"] in str(cluster.get(slices)), "the Service has its address")
    cluster.kubectl("wait", "--for=condition=Available", "deployment/shard", "-n", namespace, "--timeout=20s")
    assert "generation 1: 1 streams" in cluster.kubectl("logs", name, "-n", namespace)


def test_a_changed_config_map_reaches_the_process_when_the_pod_is_annotated(
    cluster: Cluster, shard: Object, exchange: SimulatorProcess
) -> None:
    namespace, name = shard["metadata"]["namespace"], shard["metadata"]["name"]
    cluster.apply(assignment(exchange, 3, generation=2), namespace=namespace)
    cluster.kubectl("annotate", "pod", name, "-n", namespace, "marketfeed.dev/generation=2")
    cluster.wait(lambda: live(cluster, shard) == 3, "the streams of the new assignment are live", 10.0)
    assert ready_pod(cluster, namespace)["status"]["containerStatuses"][0]["restartCount"] == 0


def test_a_deleted_deployment_leaves_no_process_and_ends_them_gently(cluster: Cluster, shard: Object) -> None:
    namespace, process = shard["metadata"]["namespace"], pid(shard)
    assert cluster.processes(namespace) == [process]
    cluster.kubectl("delete", "deployment", "shard", "-n", namespace)
    cluster.wait(lambda: not cluster.pods(namespace), "its pod is gone")
    assert not alive(process)
    assert cluster.processes(namespace) == []


def test_a_killed_process_is_started_again_in_the_same_pod(cluster: Cluster, shard: Object) -> None:
    namespace = shard["metadata"]["namespace"]
    os.kill(pid(shard), signal.SIGKILL)

    def restarted() -> Object | None:
        status = cluster.pods(namespace)[0]["status"]["containerStatuses"][0]
        return status if status["restartCount"] == 1 and status["ready"] else None

    status = cluster.wait(restarted, "the container is ready again")
    assert status["lastState"]["terminated"]["exitCode"] == 128 + signal.SIGKILL
    assert ready_pod(cluster, namespace)["metadata"]["uid"] == shard["metadata"]["uid"]


def test_a_process_that_hangs_is_first_not_ready_and_then_killed(cluster: Cluster, shard: Object) -> None:
    namespace = shard["metadata"]["namespace"]
    cluster.apply(deployment(terminationGracePeriodSeconds=1), namespace=namespace)
    cluster.wait(lambda: ready_pod(cluster, namespace)["metadata"]["uid"] != shard["metadata"]["uid"], "the new pod is there")
    process = pid(ready_pod(cluster, namespace))
    os.kill(process, signal.SIGSTOP)
    cluster.wait(lambda: condition(cluster.pods(namespace)[0], "Ready") == "False", "it is not ready any more")
    assert alive(process)
    cluster.wait(lambda: not alive(process), "it is killed")
    assert ready_pod(cluster, namespace)["status"]["containerStatuses"][0]["restartCount"] == 1


def test_pods_do_not_mind_that_the_api_server_is_away(cluster: Cluster, shard: Object, exchange: SimulatorProcess) -> None:
    namespace, process = shard["metadata"]["namespace"], pid(shard)
    cluster.stop_apiserver()
    sent = exchange.get("/sim/state")["sent"]
    with pytest.raises(OSError, match="refused"):
        cluster.get("/version")
    twenty_seconds = 20 * RATE
    cluster.wait(lambda: exchange.get("/sim/state")["sent"] > sent + twenty_seconds, "the shard reads on", 60.0)
    cluster.start_apiserver()
    cluster.wait(lambda: live(cluster, shard) == 1, "its status is to be had again")
    assert pid(ready_pod(cluster, namespace)) == process
    cluster.apply(assignment(exchange, 3, generation=2), namespace=namespace)
    cluster.kubectl("annotate", "pod", shard["metadata"]["name"], "-n", namespace, "marketfeed.dev/generation=2")
    cluster.wait(lambda: live(cluster, shard) == 3, "the kubelet follows its pods again")


def test_a_lost_node_loses_its_pods_to_the_other(cluster: Cluster, shard: Object) -> None:
    name = shard["spec"]["nodeName"]
    cluster.kill_node(name)
    try:
        assert not alive(pid(shard))

        def elsewhere() -> Object | None:
            pods = [pod for pod in cluster.pods(shard["metadata"]["namespace"]) if pod["spec"].get("nodeName") != name]
            return pods[0] if pods and condition(pods[0], "Ready") == "True" else None

        cluster.wait(elsewhere, "its pod runs on another node", 90.0)
    finally:
        cluster.start_node(name)


def test_a_restarted_node_starts_its_pods_anew(cluster: Cluster, shard: Object) -> None:
    namespace = shard["metadata"]["namespace"]
    cluster.kill_node(shard["spec"]["nodeName"])
    cluster.start_node(shard["spec"]["nodeName"])
    cluster.wait(lambda: ready_pod(cluster, namespace)["status"]["containerStatuses"][0]["restartCount"] == 1, "it runs again")
    assert ready_pod(cluster, namespace)["metadata"]["uid"] == shard["metadata"]["uid"]


def test_users_may_do_what_they_were_given(cluster: Cluster, namespace: str) -> None:
    user = cluster.user("trader")
    assert "forbidden" in cluster.kubectl_result("get", "pods", "-n", namespace, kubeconfig=user).stderr
    cluster.kubectl("create", "rolebinding", "view", "--clusterrole=view", "--user=trader", "-n", namespace)
    cluster.kubectl("get", "pods", "-n", namespace, kubeconfig=user)
    account = cluster.service_account(namespace, "default")
    assert f"serviceaccount:{namespace}:default" in cluster.kubectl_result("get", "nodes", kubeconfig=account).stderr
