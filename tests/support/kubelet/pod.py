"""One pod on this node, from the moment it was bound until it is gone: an object of the API and its processes."""

from __future__ import annotations

import asyncio
import logging
from ipaddress import IPv4Address
from pathlib import Path
from typing import Protocol

from kubelet.api import UNREACHABLE, Api, ApiError, Object
from kubelet.container import Place
from kubelet.keeper import RETRY_S, Keeper
from kubelet.sandbox import Addresses, Network, Sandbox
from kubelet.status import ContainerState, PodState, differs
from kubelet.unsupported import unsupported
from kubelet.volumes import VolumeError, Volumes

log = logging.getLogger("kubelet")

SYNC_S = 60.0
"""Without a change of the pod, its volumes are read again this often."""


class Host(Protocol):
    """What a pod needs of its node."""

    api: Api
    network: Network
    addresses: Addresses
    address: IPv4Address
    folder: Path

    async def may_be(self, uid: int) -> bool:
        """Whether the programs can be run as this user."""
        ...


class Pod:
    """Runs from its creation."""

    def __init__(self, host: Host, pod: Object) -> None:
        meta = pod["metadata"]
        before = {s["name"]: s for s in pod.get("status", {}).get("containerStatuses", ())}
        self._object = pod
        self._host = host
        self._path = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}"
        self._label = f"{meta['namespace']}/{meta['name']}"
        self._folder = host.folder / f"{meta['namespace']}_{meta['name']}_{meta['uid'][:8]}"
        self._volumes = Volumes(host.api, pod, self._folder / "volumes")
        self._sandbox: Sandbox | None = None
        # A pod that ran here before the kubelet was started anew is started anew.
        containers = pod["spec"]["containers"]
        states = [ContainerState(c["name"], c["image"], _restarts(before.get(c["name"]))) for c in containers]
        self._state = PodState(states, str(host.address))
        self._sync, self._dirty = asyncio.Event(), asyncio.Event()
        self._life = asyncio.create_task(self._live())
        self._publisher = asyncio.create_task(self._publish())
        self._end: asyncio.Task[None] | None = None
        for task in (self._life, self._publisher):
            task.add_done_callback(self._tell)

    def _tell(self, task: asyncio.Task[None]) -> None:
        """A fault of the kubelet's own is the pod's failure: nobody shall wait for it."""
        if not task.cancelled() and (fault := task.exception()) is not None:
            log.error("%s", self._label, exc_info=fault)
            self._refuse(f"a fault of this kubelet: {fault!r}")

    def update(self, pod: Object) -> None:
        """The API has a newer version."""
        old, self._object = self._object, pod
        if any(old["metadata"].get(key) != pod["metadata"].get(key) for key in ("annotations", "labels")):
            self._sync.set()
        self._dirty.set()
        if "deletionTimestamp" in pod["metadata"]:
            self.end(float(pod["metadata"].get("deletionGracePeriodSeconds", 30)))

    def end(self, grace_s: float) -> None:
        """End its processes and then the object; the first call counts."""
        if self._end is None:
            self._end = asyncio.create_task(self._finish(grace_s))
            self._end.add_done_callback(self._tell)

    async def close(self) -> None:
        """End its processes at once, whatever becomes of the object; returns when nothing is left."""
        self._publisher.cancel()
        if self._end is not None:
            self._end.cancel()
        await asyncio.gather(self._publisher, *([self._end] if self._end else ()), return_exceptions=True)
        await self._stop(0.0)

    # ---- life --------------------------------------------------------------------------------------------------------

    async def _live(self) -> None:
        asked = list(unsupported(self._object["spec"]))
        if asked:
            self._refuse(f"this kubelet cannot do: {', '.join(asked)}")
            return
        try:
            self._sandbox = Sandbox(self._host.network, self._host.addresses.take())
            await self._sandbox.start()
        except (OSError, IndexError) as error:
            self._refuse(f"no network for it: {error}")
            return
        self._state.address = str(self._sandbox.address)
        self._dirty.set()
        await self._mount()
        keepers = [Keeper(s, self._with_status, self._folder / s.name, self._dirty.set) for s in self._state.containers]
        place = Place(self._volumes, self._sandbox, self._host.api.address, await self._as_user())
        async with asyncio.TaskGroup() as group:
            syncing = group.create_task(self._keep_in_step())
            await asyncio.gather(*(group.create_task(keeper.keep(place)) for keeper in keepers))
            syncing.cancel()

    def _refuse(self, reason: str) -> None:
        log.error("%s: refused: %s", self._label, reason)
        self._state.refused = reason
        self._dirty.set()

    def _with_status(self) -> Object:
        return {**self._object, "status": {**self._object.get("status", {}), **self._state.status(self._object)}}

    async def _as_user(self) -> bool:
        contexts = [self._object["spec"], *self._object["spec"]["containers"]]
        users = {c["securityContext"]["runAsUser"] for c in contexts if "runAsUser" in c.get("securityContext", {})}
        return all([await self._host.may_be(user) for user in users])

    async def _mount(self) -> None:
        while True:
            try:
                await self._volumes.sync()
            except (VolumeError, ApiError, *UNREACHABLE) as error:
                log.info("%s: volumes: %s", self._label, error)
                for state in self._state.containers:
                    state.waiting = "ContainerCreating", str(error)
                self._dirty.set()
                await asyncio.sleep(RETRY_S)
            else:
                return

    async def _keep_in_step(self) -> None:
        """Volumes follow their objects: at once when the pod was changed, else every `SYNC_S`."""
        while True:
            try:
                async with asyncio.timeout(SYNC_S):
                    await self._sync.wait()
            except TimeoutError:
                pass
            self._sync.clear()
            try:
                await self._volumes.sync()
            except (VolumeError, ApiError, *UNREACHABLE) as error:
                log.warning("%s: its volumes stay as they are: %s", self._label, error)

    # ---- the API -----------------------------------------------------------------------------------------------------

    async def _publish(self) -> None:
        """Keep the object's status true."""
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            try:
                await self._publish_once()
            except (ApiError, *UNREACHABLE) as error:
                log.info("%s: its status: %s", self._label, error)
                await asyncio.sleep(RETRY_S)
                self._dirty.set()

    async def _publish_once(self) -> None:
        status = self._state.status(self._object)
        if not differs(status, self._object.get("status", {})):
            return
        if "podIPs" in status:  # merged by address otherwise: a second one would be added to the first
            status["podIPs"] = [{"$patch": "replace"}, *status["podIPs"]]
        status["hostIPs"] = [{"$patch": "replace"}, *status["hostIPs"]]
        body = {"metadata": {"uid": self._object["metadata"]["uid"]}, "status": status}
        self._object["status"] = (await self._host.api.patch(f"{self._path}/status", body))["status"]

    async def _finish(self, grace_s: float) -> None:
        await self._stop(grace_s)
        body = {"gracePeriodSeconds": 0, "preconditions": {"uid": self._object["metadata"]["uid"]}}
        while True:
            try:
                if any(state.run is not None for state in self._state.containers):
                    await self._publish_once()
                await self._host.api.call("DELETE", self._path, body)
            except ApiError as error:
                if error.status in {404, 409}:  # gone already, or another of the same name by now
                    return
                log.info("%s: deleting it: %s", self._label, error)
            except UNREACHABLE as error:
                log.info("%s: deleting it: %s", self._label, error)
            else:
                return
            await asyncio.sleep(RETRY_S)

    async def _stop(self, grace_s: float) -> None:
        self._life.cancel()
        await asyncio.gather(self._life, return_exceptions=True)
        runs = [state.run for state in self._state.containers if state.run is not None]
        await asyncio.gather(*(run.stop(grace_s) for run in runs))
        for state in self._state.containers:
            state.over = state.run is not None
        if self._sandbox is not None:
            await self._sandbox.stop()
            self._host.addresses.give_back(self._sandbox.address)
            self._sandbox = None
        self._volumes.remove()


def _restarts(before: Object | None) -> int:
    return before["restartCount"] + 1 if before and "waiting" not in before["state"] else 0
