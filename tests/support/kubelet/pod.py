"""One pod on this node, from the moment it was bound until it is gone: an object that follows the API and its processes."""

from __future__ import annotations

import asyncio
import logging
import shutil
from ipaddress import IPv4Address
from pathlib import Path
from typing import Protocol

from kubelet import container, probes
from kubelet.api import UNREACHABLE, Api, ApiError, Object
from kubelet.container import UnsupportedError
from kubelet.sandbox import Addresses, Network, Sandbox
from kubelet.status import ContainerState, PodState, differs
from kubelet.volumes import VolumeError, Volumes

log = logging.getLogger("kubelet")

SYNC_S = 60.0
"""Without a change of the pod, its volumes are read again this often."""
RETRY_S = 0.2
BACKOFF_S, LONGEST_BACKOFF_S, WELL_AFTER_S = 10.0, 300.0, 600.0
"""The first restart is at once, the second after `BACKOFF_S`, then twice as long each; forgotten after running well so long."""


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
        meta, spec = pod["metadata"], pod["spec"]
        before = {s["name"]: s for s in pod.get("status", {}).get("containerStatuses", ())}
        self._object = pod
        self._host = host
        self._path = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}"
        self._label = f"{meta['namespace']}/{meta['name']}"
        self._folder = host.folder / f"{meta['namespace']}_{meta['name']}_{meta['uid'][:8]}"
        self._volumes = Volumes(host.api, pod, self._folder / "volumes")
        self._sandbox: Sandbox | None = None
        # A pod that ran here before the kubelet was started anew is started anew.
        states = [ContainerState(c["name"], c["image"], _restarts(before.get(c["name"]))) for c in spec["containers"]]
        self._state = PodState(states, str(host.address))
        self._sync, self._dirty = asyncio.Event(), asyncio.Event()
        self._life = asyncio.create_task(self._live())
        self._publisher = asyncio.create_task(self._publish())
        self._end: asyncio.Task[None] | None = None

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

    async def close(self, grace_s: float = 0.0) -> None:
        """End its processes, whatever becomes of the object; returns when nothing is left."""
        self._publisher.cancel()
        if self._end is not None:
            self._end.cancel()
        await asyncio.gather(self._publisher, *([self._end] if self._end else ()), return_exceptions=True)
        await self._stop(grace_s)

    # ---- life --------------------------------------------------------------------------------------------------------

    async def _live(self) -> None:
        try:
            self._check()
            self._sandbox = Sandbox(self._host.network, self._host.addresses.take())
            await self._sandbox.start()
            self._state.address = str(self._sandbox.address)
            self._dirty.set()
            await self._mount()
            async with asyncio.TaskGroup() as group:
                syncing = group.create_task(self._keep_in_step())
                spec = self._object["spec"]["containers"]
                runs = [group.create_task(self._keep(s, c)) for s, c in zip(self._state.containers, spec, strict=True)]
                await asyncio.gather(*runs)
                syncing.cancel()
        except UnsupportedError as error:
            self._refuse(str(error))
        except ExceptionGroup as group_error:
            log.exception("%s", self._label)
            self._refuse("; ".join(map(str, group_error.exceptions)))
        except (OSError, IndexError) as error:
            log.exception("%s", self._label)
            self._refuse(f"no network for it: {error}")

    def _refuse(self, reason: str) -> None:
        log.error("%s: refused: %s", self._label, reason)
        self._state.refused = reason
        self._dirty.set()

    def _check(self) -> None:
        spec = self._object["spec"]
        asked = [key for key in ("initContainers", "hostNetwork", "hostPID", "hostIPC") if spec.get(key)]
        for entry in spec["containers"]:
            asked += [key for key in ("lifecycle", "envFrom", "volumeDevices") if entry.get(key)]
            asked += probes.unsupported(entry)
        if asked:
            raise UnsupportedError(f"this kubelet cannot do: {', '.join(asked)}")

    async def _mount(self) -> None:
        while True:
            try:
                await self._volumes.sync()
            except (VolumeError, ApiError, *UNREACHABLE) as error:
                log.info("%s: volumes: %s", self._label, error)
                self._wait_for("ContainerCreating", str(error))
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

    async def _keep(self, state: ContainerState, spec: Object) -> None:
        """Run it and run it again, as the restart policy says; returns when it is over."""
        clock = asyncio.get_running_loop().time
        policy, backoff_s, number = self._object["spec"].get("restartPolicy", "Always"), 0.0, state.restarts
        while True:
            try:
                state.run = await self._start(state, spec, number)
            except (VolumeError, *UNREACHABLE) as error:
                self._wait_for("CreateContainerConfigError", str(error))
                await asyncio.sleep(RETRY_S)
                continue
            began_s = clock()
            await self._attend(state, spec)
            log.info("%s: %s ended with code %d", self._label, state.name, state.run.exit_code)
            state.over = policy == "Never" or (policy == "OnFailure" and state.run.exit_code == 0)
            self._dirty.set()
            if state.over:
                return
            state.last = state.terminated()
            if clock() - began_s > WELL_AFTER_S:
                backoff_s = 0.0
            if backoff_s:
                state.waiting = "CrashLoopBackOff", f"back-off {backoff_s:.0f}s restarting failed container={state.name}"
            await asyncio.sleep(backoff_s)
            backoff_s = min(max(BACKOFF_S, 2 * backoff_s), LONGEST_BACKOFF_S)
            state.restarts = number = state.restarts + 1

    async def _start(self, state: ContainerState, spec: Object, number: int) -> container.Run:
        assert self._sandbox is not None
        merged = {**self._object, "status": {**self._object.get("status", {}), **self._state.status(self._object)}}
        security = {**self._object["spec"].get("securityContext", {}), **spec.get("securityContext", {})}
        user = "runAsUser" in security and await self._host.may_be(security["runAsUser"])
        folder = self._folder / state.name / str(number)
        shutil.rmtree(folder, ignore_errors=True)
        place = container.Place(self._volumes, self._sandbox, self._host.api.address, user)
        return await container.start(merged, spec, place, folder)

    async def _attend(self, state: ContainerState, spec: Object) -> None:
        """Until the run has ended, by itself or because a probe failed."""
        assert state.run is not None
        state.started = state.ready = False

        def started() -> None:
            state.started = True
            self._dirty.set()

        def ready(verdict: bool) -> None:
            state.ready = verdict
            self._dirty.set()

        self._dirty.set()
        ended = asyncio.create_task(state.run.wait())
        failed = asyncio.create_task(probes.watch(spec, str(self._state.address), started, ready))
        try:
            await asyncio.wait({ended, failed}, return_when=asyncio.FIRST_COMPLETED)
            if not ended.done():
                log.warning("%s: %s is killed: its %s failed", self._label, state.name, failed.result())
                await state.run.stop(self._grace_s(spec, failed.result()))
            await ended
        finally:
            for task in (ended, failed):
                task.cancel()
            await asyncio.gather(ended, failed, return_exceptions=True)

    def _grace_s(self, spec: Object, probe: str) -> float:
        of_pod = self._object["spec"].get("terminationGracePeriodSeconds", 30)
        return float(spec[probe].get("terminationGracePeriodSeconds", of_pod))

    def _wait_for(self, reason: str, message: str) -> None:
        for state in self._state.containers:
            state.waiting = reason, message
        self._dirty.set()

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
