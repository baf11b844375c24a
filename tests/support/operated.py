"""`marketfeed-operator` as a process of a test's own, and MarketFeeds on a test's cluster."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from cluster import Cluster, Object, condition
from feed_run import manifest
from received import Consumer, assert_counted, bare, by_stream, expected_event
from redis_server import HOST, RedisServer, free_port
from waiting import until, wait_until

from marketfeed_simulator.ledger import MemoryLedger
from marketfeed_simulator.server import Simulator

CHANNELS = ("trades", "bbo")
KINDS = ("deployments.apps", "replicasets.apps", "controllerrevisions.apps", "configmaps", "services", "secrets")
OTHERS = ("networkpolicies.networking.k8s.io", "poddisruptionbudgets.policy", "pods")


INSTALLED = Path(__file__).parents[2] / "examples/cluster/operator.yaml"
PROXY = {"apiGroups": [""], "resources": ["pods/proxy"], "verbs": ["get"]}
"""What an operator outside of the cluster needs besides: it reads the shards' status through the API server."""


def rights(namespace: str, user: str) -> list[Object]:
    """A Role with what the operator is installed with, in one namespace, and a user who has it."""
    roles = [o for o in yaml.safe_load_all(INSTALLED.read_text()) if o["kind"] in {"Role", "ClusterRole"}]
    rules = [PROXY, *(rule for role in roles for rule in role["rules"])]
    metadata = {"name": user, "namespace": namespace}
    api = "rbac.authorization.k8s.io"
    role = {"apiGroup": api, "kind": "Role", "name": user}
    return [
        {"apiVersion": f"{api}/v1", "kind": "Role", "metadata": metadata, "rules": rules},
        {
            "apiVersion": f"{api}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": role,
            "subjects": [{"apiGroup": api, "kind": "User", "name": user}],
        },
    ]


class Operator:
    """One operator for one namespace, from a kubeconfig as on a laptop, with no more rights than it needs."""

    def __init__(self, folder: Path, cluster: Cluster, namespace: str, name: str = "operator") -> None:
        self.port = free_port()
        self._log = folder / f"{name}.log"
        self._kubeconfig = cluster.user(f"{namespace}-{name}")
        cluster.apply(*rights(namespace, f"{namespace}-{name}"), namespace=namespace)
        self._namespace = namespace
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str) -> None:
        """Start it; it says by `acts` that it does."""
        command = [sys.executable, "-m", "marketfeed_operator.main", "--namespace", self._namespace]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "--http", f"{HOST}:{self.port}", *options],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "KUBECONFIG": str(self._kubeconfig)},
                start_new_session=True,
            )

    def kill(self) -> None:
        """End it as a crash does."""
        if self._process is not None:
            os.kill(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def stop(self) -> int:
        """SIGTERM; its exit code."""
        assert self._process is not None
        self._process.terminate()
        code = self._process.wait(timeout=30)
        self._process = None
        return code

    def output(self) -> str:
        """All that it wrote."""
        return self._log.read_text() if self._log.exists() else ""

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def get(self, path: str) -> str:
        """What its own server answers; raises `OSError` where it does not."""
        with urllib.request.urlopen(f"http://{HOST}:{self.port}{path}", timeout=5) as reply:
            return str(reply.read().decode())

    def acts(self) -> bool:
        """Whether it is the one that acts."""
        try:
            return "marketfeed_operator_leader 1.0" in self.get("/metrics")
        except OSError:
            return False


class Feeds:
    """MarketFeeds of one namespace, seen from outside."""

    def __init__(self, cluster: Cluster, namespace: str, operator: Operator) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self._operator = operator

    def apply(self, feed: Mapping[str, Any]) -> None:
        self.cluster.apply(feed, namespace=self.namespace)

    def get(self, name: str = "feed") -> Object:
        """The feed; empty when there is none."""
        return self.cluster.get(f"/apis/marketfeed.dev/v1alpha1/namespaces/{self.namespace}/marketfeeds/{name}") or {}

    def condition(self, kind: str) -> str | None:
        """The status of one of the feed's conditions, if it is of the current generation."""
        feed = self.get()
        current = feed and feed.get("status", {}).get("observedGeneration") == feed["metadata"]["generation"]
        return condition(feed, kind) if current else None

    def reason(self, kind: str) -> str | None:
        """The reason of one of the feed's conditions."""
        conditions = self.get().get("status", {}).get("conditions", [])
        return next((c["reason"] for c in conditions if c["type"] == kind), None)

    def streams(self) -> str | None:
        """As the status has it: `80/80`."""
        totals = self.get().get("status", {}).get("totals", {})
        return totals.get("streams")

    def wait_ready(self, streams: int, deadline_s: float = 60.0) -> None:
        """Wait until the feed is ready with so many live streams."""
        wanted = f"{streams}/{streams}"
        self.cluster.wait(
            lambda: self.condition("Ready") == "True" and self.streams() == wanted,
            f"the feed is ready with {wanted}; status {self.get().get('status')}; operator {self._operator.output()[-3000:]}",
            deadline_s,
        )

    def wait(self, what: str, seen: Any, deadline_s: float = 30.0) -> Any:
        """Wait for a true value; the operator's log is told where it does not come."""
        try:
            return self.cluster.wait(seen, what, deadline_s)
        except BaseException:
            print(self._operator.output()[-5000:])
            raise

    def pods(self) -> list[Object]:
        return self.cluster.pods(self.namespace, "marketfeed.dev/feed=feed")

    def shares(self) -> list[int]:
        """Connection attempts in 5 minutes that the ConfigMaps assign, by shard."""
        path = f"/api/v1/namespaces/{self.namespace}/configmaps?labelSelector=marketfeed.dev/feed=feed"
        found = sorted(self.cluster.get(path)["items"], key=lambda obj: str(obj["metadata"]["name"]))
        return [json.loads(obj["data"]["assignment.json"])["connects"]["count"] for obj in found]

    def names(self, kind: str) -> list[str]:
        """Objects of a kind that are the feed's."""
        found = self.cluster.kubectl("get", kind, "-n", self.namespace, "-l", "marketfeed.dev/feed=feed", "-o", "name")
        return found.split()

    def uids(self, kind: str) -> list[str]:
        """Of the feed's objects of a kind."""
        path = "jsonpath={range .items[*]}{.metadata.uid} {end}"
        selector = ["-n", self.namespace, "-l", "marketfeed.dev/feed=feed"]
        return self.cluster.kubectl("get", kind, *selector, "-o", path).split()

    def left(self) -> list[str]:
        """Everything of the feed's that is there."""
        return self.names(",".join((*KINDS, *OTHERS)))

    def versions(self, *kinds: str) -> dict[str, str]:
        """resourceVersion by object, of the feed and its children of these kinds."""
        path = "jsonpath={range .items[*]}{.kind}/{.metadata.name} {.metadata.resourceVersion}{'\\n'}{end}"
        found: dict[str, str] = {}
        for selector in (["marketfeeds"], [",".join(kinds), "-l", "marketfeed.dev/feed=feed"]):
            for line in self.cluster.kubectl("get", *selector, "-n", self.namespace, "-o", path).splitlines():
                name, version = line.split()
                found[name] = version
        return found

    def events(self) -> list[Object]:
        """Kubernetes events about feeds."""
        found = self.cluster.get(f"/api/v1/namespaces/{self.namespace}/events")["items"]
        return [event for event in found if event["involvedObject"]["kind"] == "MarketFeed"]


def names_of(simulator: Simulator) -> list[str]:
    return [f"{listing.base}-{listing.quote}" for listing in simulator.source.listings]


def feed_of(simulator: Simulator, sink: RedisServer, symbols: list[str], **spec: Any) -> dict[str, Any]:
    publishers = {"redisPubSub": {"url": sink.url}}
    return manifest(simulator.ws_url, simulator.rest_url, symbols, CHANNELS, publishers, **spec)


def sent_by(simulator: Simulator) -> list[dict[str, Any]]:
    """The events of all that the simulator sent."""
    assert isinstance(simulator.ledger, MemoryLedger)
    symbols = {name.replace("-", ""): name for name in names_of(simulator)}
    return [expected_event(text, symbols) for _, _, _, text in simulator.ledger]


async def assert_exact(consumer: Consumer, simulator: Simulator, last: Sequence[str] = ()) -> None:
    """Every message of the ledger arrived, in order by stream, none twice.

    `last`: symbols that were subscribed to the end; of others, nothing is expected. Without them: all.
    """
    sent = {s: e for s, e in by_stream(sent_by(simulator)).items() if not last or s[1] in last}

    def received() -> dict[Any, list[Any]]:
        found = by_stream([bare(e) for e in consumer.events if e["type"] != "gap"])
        return {s: e for s, e in found.items() if not last or s[1] in last}

    await until(lambda: sum(map(len, received().values())) >= sum(map(len, sent.values())), "everything arrives")
    assert received() == sent
    assert_counted(consumer.events)
    assert {e["reason"] for e in consumer.events if e["type"] == "gap"} <= {"started"}


def acting(operators: Sequence[Operator]) -> list[Operator]:
    """Those that act."""
    return [operator for operator in operators if operator.acts()]


def wait_acting(operator: Operator, deadline_s: float = 30.0) -> None:
    wait_until(operator.acts, f"the operator acts; {operator.output()[-2000:]}", deadline_s)
