"""A Kubernetes cluster of a test's own: a real control plane, and nodes whose pods are processes of this machine.

What needs no cluster of its own kind is left to `kubectl`; what a test waits for is asked without it, as it takes a tenth of a
second to start.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml
from bridge import Bridge
from control_plane import PROGRAMS, ControlPlane, programs
from nodes import Nodes
from waiting import wait_until

Object = dict[str, Any]


def lacking() -> str | None:
    """Why a cluster cannot run here; nothing where it can."""
    if os.geteuid() != 0:
        return "a cluster's pods have network and mount namespaces of their own: only root may make them"
    tools = [tool for tool in ("ip", "unshare", "nsenter", "setpriv") if shutil.which(tool) is None]
    if tools:
        return f"a cluster needs {', '.join(tools)}: `make cluster` installs ip, the others are in util-linux"
    missing = sorted(set(PROGRAMS) - programs().keys())
    if missing:
        return f"a cluster needs {', '.join(missing)}: `make cluster` builds them"
    trial = ["unshare", "--net", "--mount", "--pid", "--fork", "ip", "link", "add", "trial", "type", "bridge"]
    tried = subprocess.run(trial, capture_output=True, text=True)
    if tried.returncode != 0:
        return f"a cluster needs namespaces and bridges, and this machine refuses them: {tried.stderr.strip()}"
    return None


class Cluster:
    """Started and stopped once for many tests; each has a namespace of its own."""

    def __init__(self, folder: Path) -> None:
        """The folder is for all of its files; what every pod wrote stays there, under `nodes`."""
        self._folder = folder
        self._programs = programs()
        self._bridge = Bridge()
        self.host = str(self._bridge.host)
        """The address of this machine that pods reach: for simulators, Redis and the like."""
        self.control_plane = ControlPlane(folder, self._bridge, self._programs)
        self._nodes = Nodes(folder / "nodes", self._bridge, self.control_plane)
        self.url = self.control_plane.url
        self.kubeconfig = self.control_plane.admin
        """Of one who may do everything."""
        self._tls = self.control_plane.tls()

    # ---- life --------------------------------------------------------------------------------------------------------

    def start(self, nodes: int = 1) -> None:
        """Returns when the API server and the nodes are ready."""
        self.control_plane.start()
        names = [f"node-{number}" for number in range(1, nodes + 1)]
        for name in names:
            self._nodes.launch(name, self.version)
        for name in names:
            self._wait_for_node(name)

    def stop(self) -> None:
        """Whatever state it is in; nothing is left but the files."""
        self._nodes.stop()
        self.control_plane.stop()
        self._bridge.close()

    def heal(self) -> None:
        """Start what a test has stopped and left so."""
        if not self.control_plane.ready():
            self.restart_apiserver()
        for name in self._nodes.ended():
            self.start_node(name)

    def stop_apiserver(self) -> None:
        """As a crash does."""
        self.control_plane.stop_apiserver()

    def start_apiserver(self) -> None:
        """On the same port, with the same objects; returns when it is ready."""
        self.control_plane.start_apiserver()

    def restart_apiserver(self) -> None:
        self.stop_apiserver()
        self.start_apiserver()

    # ---- nodes -------------------------------------------------------------------------------------------------------

    def start_node(self, name: str) -> None:
        """Start `node-1` to `node-3`, or start it again; returns when it is ready. Pods that it has are started anew."""
        self._nodes.launch(name, self.version)
        self._wait_for_node(name)

    def _wait_for_node(self, name: str) -> None:
        def ready() -> bool:
            self._nodes.assert_running(name)
            found = self.get(f"/api/v1/nodes/{name}") or {}
            tainted = found.get("spec", {}).get("taints", [])
            return bool(found) and condition(found, "Ready") == "True" and not tainted

        wait_until(ready, f"{name} is ready")

    def kill_node(self, name: str) -> None:
        """As a power cut does: its pods' processes are gone, and nobody tells the API server."""
        self._nodes.kill(name)

    # ---- objects -----------------------------------------------------------------------------------------------------

    @property
    def version(self) -> str:
        """Of the API server."""
        return str(self.get("/version")["gitVersion"])

    def get(self, path: str) -> Any:
        """The JSON at a path of the API, such as `/api/v1/nodes`; nothing where there is no such object.

        Raises `OSError` while the API server, or whom it asks, is away.
        """
        try:
            with urllib.request.urlopen(self.url + path, timeout=10, context=self._tls) as reply:
                return json.load(reply)
        except urllib.error.HTTPError as error:
            with error:
                if error.code == 404:
                    return None
                told = f"{path}: {error.code} {error.read().decode()}"
                raise OSError(told) if error.code >= 500 else AssertionError(told) from error

    def kubectl(self, *words: str, stdin: str | None = None, kubeconfig: Path | None = None, check: bool = True) -> str:
        """What kubectl prints, as the administrator or another user; with `check` the test fails where it does."""
        done = self.kubectl_result(*words, stdin=stdin, kubeconfig=kubeconfig)
        assert done.returncode == 0 or not check, f"kubectl {' '.join(words)}: {done.stderr}"
        return done.stdout

    def kubectl_result(
        self, *words: str, stdin: str | None = None, kubeconfig: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """The same with exit code and standard error."""
        options = ["--kubeconfig", str(kubeconfig or self.kubeconfig), "--cache-dir", str(self._folder / "kubectl")]
        command = [str(self._programs["kubectl"]), *words, *options]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=100)

    def apply(self, *manifests: Mapping[str, Any], namespace: str = "default") -> None:
        """`kubectl apply`, server-side."""
        text = yaml.safe_dump_all([dict(manifest) for manifest in manifests])
        self.kubectl("apply", "--server-side", "-n", namespace, "-f", "-", stdin=text)

    def service_account(self, namespace: str, name: str) -> Path:
        """A kubeconfig with a token of a service account, which must exist."""
        token = self.kubectl("create", "token", name, "-n", namespace).strip()
        path = self._folder / "users" / f"{namespace}_{name}"
        return self.control_plane.kubeconfig(path, {"token": token}, namespace)

    def user(self, name: str, group: str = "people") -> Path:
        """A kubeconfig of a user who may do nothing but what RBAC grants to the name or the group."""
        return self.control_plane.user(name, group)

    # ---- namespaces and pods -----------------------------------------------------------------------------------------

    def create_namespace(self, name: str) -> None:
        """One that takes only pods of the level `restricted`; returns when it can have pods."""
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
        account = f"/api/v1/namespaces/{name}/serviceaccounts/default"
        wait_until(lambda: self.get(account), f"the namespace {name} has a service account")

    def delete_namespace(self, name: str) -> None:
        """With all that is in it, without mercy; returns when no process of its pods is left."""
        self.kubectl("delete", "namespace", name, "--wait=false", "--ignore-not-found")
        self.kubectl("delete", "pods", "--all", "-n", name, "--force", "--grace-period=0", "--wait=false")
        wait_until(lambda: not self.pods(name) and not self.processes(name), f"no pod is left in {name}")

    def pods(self, namespace: str, selector: str = "") -> list[Object]:
        """By name; `selector` as kubectl has it: `app=x`."""
        query = f"?labelSelector={urllib.parse.quote(selector)}" if selector else ""
        found = self.get(f"/api/v1/namespaces/{namespace}/pods{query}")["items"]
        return sorted(found, key=lambda pod: str(pod["metadata"]["name"]))

    def proxied(self, namespace: str, pod: str, path: str, port: int = 8080) -> Any:
        """The JSON that a pod serves, by way of the API server."""
        return self.get(f"/api/v1/namespaces/{namespace}/pods/{pod}:{port}/proxy{path}")

    def processes(self, namespace: str) -> list[int]:
        """First processes of all containers of a namespace's pods, those that run."""
        return self._nodes.processes(f"*/{namespace}_*")

    def log(self, namespace: str, pod: str) -> str:
        """All that the containers of a pod wrote, their runs one after the other."""
        return self._nodes.log(f"*/{namespace}_{pod}_*")

    def wait(self, condition: Callable[[], Any], what: str, deadline_s: float = 30.0) -> Any:
        """Wait for a true value and return it; an API server that is away counts as none."""

        def found() -> Any:
            try:
                return condition()
            except (OSError, http.client.HTTPException):
                return None

        return wait_until(found, what, deadline_s)


def condition(found: Object, kind: str) -> str | None:
    """The status of one of an object's conditions: `True`, `False`, `Unknown`, or nothing where it has no such."""
    conditions = found.get("status", {}).get("conditions", [])
    return next((str(entry["status"]) for entry in conditions if entry["type"] == kind), None)


def pid(pod: Object) -> int:
    """The first process of a pod's first container, as this machine counts."""
    kind, _, number = pod["status"]["containerStatuses"][0]["containerID"].partition("://")
    assert kind == "process"
    return int(number)
