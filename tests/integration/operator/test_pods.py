"""What a pod has on the test kubelet: its rights, its Secrets, and a refusal where it asks for more than that can do."""

from __future__ import annotations

import json

from cluster import Cluster
from objects import pod

IN_A_POD = """
import os, pathlib, ssl, urllib.request
folder = pathlib.Path("/var/run/secrets/kubernetes.io/serviceaccount")
context = ssl.create_default_context(cafile=folder / "ca.crt")
url = "https://{KUBERNETES_SERVICE_HOST}:{KUBERNETES_SERVICE_PORT}/api/v1/namespaces/".format(**os.environ)
request = urllib.request.Request(url + (folder / "namespace").read_text() + "/pods")
request.add_header("Authorization", "Bearer " + (folder / "token").read_text())
print(len(urllib.request.urlopen(request, context=context).read()), "bytes, asked from", os.environ["POD_IP"])
"""


def test_a_pod_reaches_the_api_server_with_its_service_account(cluster: Cluster, namespace: str) -> None:
    cluster.kubectl(
        "create", "rolebinding", "view", "--clusterrole=view", f"--serviceaccount={namespace}:default", "-n", namespace
    )
    address = {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}
    asks = {"command": ["python", "-c", IN_A_POD], "env": [address]}
    cluster.apply(pod("asks", asks, automountServiceAccountToken=True, restartPolicy="Never"), namespace=namespace)
    cluster.wait(lambda: cluster.pods(namespace)[0]["status"]["phase"] == "Succeeded", "the pod is done")
    said = cluster.log(namespace, "asks")
    assert said.endswith(f"bytes, asked from {cluster.pods(namespace)[0]['status']['podIP']}\n"), said


def test_a_pod_has_secrets_as_files_that_follow_and_as_variables(cluster: Cluster, namespace: str) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login"}, "stringData": {"user": "one", "word": "a"}}
    shows = {
        "command": ["sh", "-c", 'while :; do echo "$USER_THEN $(cat /etc/login/user)" $(ls /etc/login); sleep 0.1; done'],
        "env": [{"name": "USER_THEN", "valueFrom": {"secretKeyRef": {"name": "login", "key": "user"}}}],
        "volumeMounts": [{"name": "login", "mountPath": "/etc/login"}],
    }
    volumes = [{"name": "login", "secret": {"secretName": "login"}}]
    reader = pod("shows", shows, terminationGracePeriodSeconds=0)
    reader["spec"]["volumes"] = volumes
    cluster.apply(reader, namespace=namespace)
    cluster.wait(lambda: "login" in waiting(cluster, namespace), "it waits for the Secret")
    cluster.apply(secret, namespace=namespace)
    cluster.wait(lambda: "one one user word" in cluster.log(namespace, "shows"), "it has both")
    cluster.apply({**secret, "stringData": {"user": "two"}}, namespace=namespace)
    cluster.kubectl("annotate", "pod", "shows", "-n", namespace, "changed=yes")
    cluster.wait(
        lambda: cluster.log(namespace, "shows").endswith("one two user word\n"), "the file has changed, the variable not"
    )


def waiting(cluster: Cluster, namespace: str) -> str:
    """Why the container of the first pod waits."""
    states = [status["state"] for pod in cluster.pods(namespace) for status in pod["status"].get("containerStatuses", [])]
    return str(states[0].get("waiting", {}).get("message", "")) if states else ""


def test_a_pod_that_the_kubelet_cannot_run_says_so(cluster: Cluster, namespace: str) -> None:
    cluster.apply(pod("odd", {"args": ["serve"]}), namespace=namespace)
    cluster.wait(lambda: cluster.pods(namespace)[0]["status"]["phase"] == "Failed", "it has failed")
    assert "the image" in cluster.pods(namespace)[0]["status"]["message"]


def test_a_pod_below_the_level_of_its_namespace_is_refused(cluster: Cluster, namespace: str) -> None:
    root = pod("root", {"command": ["sleep", "60"], "securityContext": {}})
    done = cluster.kubectl_result("create", "-n", namespace, "-f", "-", stdin=json.dumps(root))
    assert done.returncode != 0
    assert "violates PodSecurity" in done.stderr
