"""Keeps one container of a pod: runs it, probes it, runs it again as the restart policy says."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

from kubelet import container, probes
from kubelet.api import UNREACHABLE, ApiError, Object
from kubelet.container import Place
from kubelet.status import ContainerState
from kubelet.volumes import VolumeError

log = logging.getLogger("kubelet")

RETRY_S = 0.2
BACKOFF_S, LONGEST_BACKOFF_S, WELL_AFTER_S = 10.0, 300.0, 600.0
"""The first restart is at once, the second after `BACKOFF_S`, then twice as long each; forgotten after running well so long."""


class Keeper:
    """`keep` it; cancelled, it leaves the last run as it is."""

    def __init__(self, state: ContainerState, pod: Callable[[], Object], folder: Path, changed: Callable[[], None]) -> None:
        """`pod`: as it is known now, its status as it is here. `changed` is called with every change of the state."""
        self._state = state
        self._pod = pod
        self._spec: Object = next(c for c in pod()["spec"]["containers"] if c["name"] == state.name)
        self._folder = folder
        self._changed = changed
        self._label = f"{pod()['metadata']['namespace']}/{pod()['metadata']['name']}: {state.name}"

    async def keep(self, place: Place) -> None:
        """Returns when it ended and is not to be started again."""
        state, clock, backoff_s = self._state, asyncio.get_running_loop().time, 0.0
        policy = self._pod()["spec"].get("restartPolicy", "Always")
        while True:
            run = await self._retried(lambda: self._start(place))
            began_s = clock()
            state.run = run
            await self._attend(run, str(place.sandbox.address))
            log.info("%s ended with code %d", self._label, run.exit_code)
            state.over = policy == "Never" or (policy == "OnFailure" and run.exit_code == 0)
            self._changed()
            if state.over:
                return
            state.last = state.terminated()
            if clock() - began_s > WELL_AFTER_S:
                backoff_s = 0.0
            state.waiting = "CrashLoopBackOff", f"back-off {backoff_s:.0f}s restarting failed container={state.name}"
            await asyncio.sleep(backoff_s)
            backoff_s = min(max(BACKOFF_S, 2 * backoff_s), LONGEST_BACKOFF_S)
            state.restarts += 1

    async def _retried(self, start: Callable[[], Awaitable[container.Run]]) -> container.Run:
        while True:
            try:
                return await start()
            except (VolumeError, ApiError, *UNREACHABLE) as error:
                self._state.waiting = "CreateContainerConfigError", str(error)
                self._changed()
                await asyncio.sleep(RETRY_S)

    async def _start(self, place: Place) -> container.Run:
        folder = self._folder / str(self._state.restarts)
        shutil.rmtree(folder, ignore_errors=True)
        return await container.start(self._pod(), self._spec, place, folder)

    async def _attend(self, run: container.Run, address: str) -> None:
        """Until the run has ended, by itself or because a probe failed."""
        self._state.started = self._state.ready = False

        def started() -> None:
            self._state.started = True
            self._changed()

        def ready(verdict: bool) -> None:
            self._state.ready = verdict
            self._changed()

        self._changed()
        ended = asyncio.create_task(run.wait())
        failed = asyncio.create_task(probes.watch(self._spec, address, started, ready))
        try:
            await asyncio.wait({ended, failed}, return_when=asyncio.FIRST_COMPLETED)
            if not ended.done():
                log.warning("%s is killed: its %s failed", self._label, failed.result())
                await run.stop(self._grace_s(failed.result()))
            await ended
        finally:
            for task in (ended, failed):
                task.cancel()
            await asyncio.gather(ended, failed, return_exceptions=True)

    def _grace_s(self, probe: str) -> float:
        of_pod = self._pod()["spec"].get("terminationGracePeriodSeconds", 30)
        return float(self._spec[probe].get("terminationGracePeriodSeconds", of_pod))
