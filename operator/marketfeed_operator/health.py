"""How the shards are: each one's `/status`, asked for again and again, and handed to the lane that computes the status."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final, Protocol

from marketfeed.assignment import Assignment
from marketfeed.clock import Clock
from marketfeed_operator.absences import absence
from marketfeed_operator.errors import NoReportError, UnreachableError
from marketfeed_operator.feedstate import FeedState
from marketfeed_operator.manifests import GENERATION_ANNOTATION
from marketfeed_operator.observed import Absence, Told
from marketfeed_operator.statuses import Statuses
from marketfeed_operator.store import Object, Store
from marketfeed_operator.workqueue import Key, Lane, WorkQueue

READY_S: Final = 5.0
"""Between two looks at a feed that is ready."""
UNREADY_S: Final = 1.5
TICK_S: Final = 0.5
AT_ONCE: Final = 32
"""Shards that are asked at the same time, at most."""


class Api(Protocol):
    """What is asked of the cluster."""

    async def report(self, pod: Mapping[str, Any]) -> dict[str, Any]: ...


class Health:
    """Asks until it is cancelled."""

    def __init__(self, api: Api, store: Store, statuses: Statuses, queue: WorkQueue, clock: Clock) -> None:
        self._api = api
        self._store = store
        self._statuses = statuses
        self._queue = queue
        self._clock = clock
        self._asked_s: dict[Key, float] = {}
        self._free = asyncio.Semaphore(AT_ONCE)

    async def run(self) -> None:
        """Ask for whatever is due, until cancelled."""
        while True:
            await self.round()
            await asyncio.sleep(TICK_S)

    async def round(self) -> None:
        """Look at each feed that is due."""
        now_s = self._clock.monotonic()
        states = dict(self._statuses.states)
        self._asked_s = {key: at_s for key, at_s in self._asked_s.items() if key in states}
        due = {key: state for key, state in states.items() if self._is_due(key, state, now_s)}
        self._asked_s |= dict.fromkeys(due, now_s)
        await asyncio.gather(*(self._look(key, state) for key, state in due.items()))

    def soon(self, key: Key) -> None:
        """Something has happened to this feed's pods: look at it in the next round."""
        self._asked_s.pop(key, None)

    def _is_due(self, key: Key, state: FeedState, now_s: float) -> bool:
        period_s = READY_S if state.is_ready else UNREADY_S
        return now_s - self._asked_s.get(key, -period_s) >= period_s

    async def _look(self, key: Key, state: FeedState) -> None:
        shards = state.planned()
        try:
            told = await asyncio.gather(*(self._ask(self._store.pod_of(key, a.shard)) for a in shards))
        except UnreachableError:  # of the shards nothing is known while the API server is away
            return
        state.told = {a.shard: one for a, one in zip(shards, told, strict=True)}
        self._queue.add(Lane.STATUS, key)
        if any(state.lags(a) and not self._is_told(key, a) for a in shards):
            self._queue.add(Lane.RECONCILE, key)

    async def _ask(self, pod: Object | None) -> Told:
        why = absence(pod)
        if why is not None or pod is None:
            return why or Absence("there is no pod")
        async with self._free:
            try:
                return await self._api.report(pod)
            except NoReportError as error:
                return Absence(str(error))

    def _is_told(self, key: Key, assignment: Assignment) -> bool:
        """Whether the pod has been changed, for the kubelet to bring the assignment."""
        pod = self._store.pod_of(key, assignment.shard)
        annotations = pod["metadata"].get("annotations", {}) if pod is not None else {}
        return bool(annotations.get(GENERATION_ANNOTATION) == str(assignment.generation))
