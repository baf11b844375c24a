"""A node: registers itself, keeps its Lease and its Ready condition, and runs the pods that are bound to it."""

from __future__ import annotations

import asyncio
import logging
import platform
from datetime import UTC, datetime
from ipaddress import IPv4Address
from pathlib import Path

from kubelet.api import UNREACHABLE, Api, ApiError, Object
from kubelet.container import PROGRAMS, timestamp
from kubelet.logs import LogServer
from kubelet.pod import Pod
from kubelet.sandbox import Addresses, Network

log = logging.getLogger("kubelet")

HEARTBEAT_S = 2.0
LEASE_S = 10
CAPACITY = {"cpu": "64", "memory": "64Gi", "ephemeral-storage": "100Gi"}
"""More than the machine has: requests are to be planned with, not to be kept here."""


class Node:
    """Runs until it is cancelled; its pods' processes end with it, their objects stay."""

    def __init__(self, api: Api, name: str, version: str, network: Network, folder: Path) -> None:
        self.api = api
        self.network = network
        self.addresses = Addresses(network.pods)
        self.address: IPv4Address = network.pods[0]
        self.folder = folder
        self._name = name
        self._version = version
        self._pods: dict[str, Pod] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._users: dict[int, bool] = {}
        self._logs = LogServer(folder)
        self._port = 0

    async def run(self) -> None:
        self._port = await self._logs.start(str(self.address))
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._beat())
                group.create_task(self._follow_pods())
        finally:
            await asyncio.gather(*(pod.close() for pod in self._pods.values()), *self._closing)
            await self._logs.close()

    async def may_be(self, uid: int) -> bool:
        """Whether a user can run the checkout's programs at all: folders above them may be closed to others."""
        if uid not in self._users:
            # By way of a shell: setpriv itself still has the rights that the program will lack.
            probe = await asyncio.create_subprocess_exec(
                *("setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups", "--"),
                *("sh", "-c", 'exec "$0" -c "import marketfeed_shard"', str(PROGRAMS / "python")),
                stderr=asyncio.subprocess.DEVNULL,
            )
            self._users[uid] = await probe.wait() == 0
            if not self._users[uid]:
                log.warning("user %d cannot run the programs in %s: pods run as root", uid, PROGRAMS)
        return self._users[uid]

    # ---- pods --------------------------------------------------------------------------------------------------------

    async def _follow_pods(self) -> None:
        async for change in self.api.follow("/api/v1/pods", f"fieldSelector=spec.nodeName={self._name}"):
            if isinstance(change, list):
                for pod in change:
                    self._see(pod)
                for uid in self._pods.keys() - {pod["metadata"]["uid"] for pod in change}:
                    self._forget(uid)
            elif change[0] == "DELETED":
                self._forget(change[1]["metadata"]["uid"])
            else:
                self._see(change[1])

    def _see(self, pod: Object) -> None:
        meta = pod["metadata"]
        known, deleted = self._pods.get(meta["uid"]), "deletionTimestamp" in meta
        if known is not None:
            known.update(pod)
        elif deleted or pod["status"].get("phase") not in {"Succeeded", "Failed"}:
            log.info("%s/%s", meta["namespace"], meta["name"])
            self._pods[meta["uid"]] = fresh = Pod(self, pod)
            if deleted:
                fresh.end(0.0)

    def _forget(self, uid: str) -> None:
        if (pod := self._pods.pop(uid, None)) is not None:
            closing = asyncio.create_task(pod.close())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    # ---- the node itself ---------------------------------------------------------------------------------------------

    async def _beat(self) -> None:
        while True:
            try:
                await self._report()
                await self._renew()
            except (ApiError, *UNREACHABLE) as error:
                log.info("heartbeat: %s", error)
            await asyncio.sleep(HEARTBEAT_S)

    async def _report(self) -> None:
        """Register, or say again that it is ready where somebody thought otherwise."""
        path = f"/api/v1/nodes/{self._name}"
        try:
            found = await self.api.get(path)
        except ApiError as error:
            if error.status != 404:
                raise
            labels = {"kubernetes.io/hostname": self._name, "kubernetes.io/os": "linux", "kubernetes.io/arch": _architecture()}
            meta = {"name": self._name, "labels": labels}
            found = await self.api.call("POST", "/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": meta})
        status = found.get("status", {})
        ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", ()))
        if not ready or status["daemonEndpoints"]["kubeletEndpoint"]["Port"] != self._port:
            await self.api.patch(f"{path}/status", {"status": self._status()})

    def _status(self) -> Object:
        now = timestamp()
        conditions = [("Ready", "True", "KubeletReady", "the test kubelet runs")]
        conditions += [(f"{kind}Pressure", "False", f"KubeletHas{kind}", "not looked at") for kind in ("Memory", "Disk", "PID")]
        capacity = CAPACITY | {"pods": str(self.network.pods.num_addresses - 2)}
        info = dict.fromkeys(("machineID", "systemUUID", "bootID", "kubeProxyVersion"), "")
        info |= {"osImage": "this machine", "operatingSystem": "linux", "architecture": _architecture()}
        info |= {"kernelVersion": platform.release(), "kubeletVersion": self._version, "containerRuntimeVersion": "process://1"}
        return {
            "capacity": capacity,
            "allocatable": capacity,
            "addresses": [{"type": "InternalIP", "address": str(self.address)}, {"type": "Hostname", "address": self._name}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": self._port}},
            "nodeInfo": info,
            "conditions": [
                {"type": t, "status": s, "reason": r, "message": m, "lastHeartbeatTime": now, "lastTransitionTime": now}
                for t, s, r, m in conditions
            ],
        }

    async def _renew(self) -> None:
        path = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = {"holderIdentity": self._name, "leaseDurationSeconds": LEASE_S, "renewTime": now}
        try:
            await self.api.patch(f"{path}/{self._name}", {"spec": spec})
        except ApiError as error:
            if error.status != 404:
                raise
            kind = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
            await self.api.call("POST", path, {**kind, "metadata": {"name": self._name}, "spec": spec})


def _architecture() -> str:
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
