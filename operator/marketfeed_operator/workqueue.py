"""One queue of feeds with two lanes: what there is to reconcile, and whose status is to be computed.

A feed waits at most once in a lane, is worked on by one worker at a time whatever the lane, and comes again after a backoff
of its own when it failed. `WorkQueue` decides, under a clock that a test can turn; `Workers` run what it gives out.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from marketfeed.backoff import Backoff
from marketfeed.clock import Clock
from marketfeed_operator.errors import ClusterError
from marketfeed_operator.metrics import Metrics

log = logging.getLogger("marketfeed.operator")

WORKERS: Final = 4
"""For each lane: more would only wait for the API server."""
MOST_S: Final = 30.0
"""Longest wait after failures."""


class Key(NamedTuple):
    """A feed."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class Lane(StrEnum):
    RECONCILE = "reconcile"
    STATUS = "status"


class WorkQueue:
    """Who is due when. Times are seconds of the clock's `monotonic`."""

    def __init__(self, clock: Clock, rng: Callable[[], float] | None = None) -> None:
        """`rng`: 0.0 to 1.0, for the backoff."""
        self._clock = clock
        self._rng = rng or random.SystemRandom().random
        self._due: dict[Lane, dict[Key, float]] = {lane: {} for lane in Lane}
        self._busy: set[Key] = set()
        self._backoffs: dict[tuple[Lane, Key], Backoff] = {}
        self.changed = asyncio.Event()
        """Set when something may be due that was not before."""

    def add(self, lane: Lane, key: Key, after_s: float = 0.0) -> None:
        """This feed is due, or due in a while; the earlier time counts."""
        due = self._due[lane]
        at_s = self._clock.monotonic() + after_s
        due[key] = min(at_s, due.get(key, at_s))
        self.changed.set()

    def take(self, lane: Lane) -> Key | None:
        """The feed that has been due longest and that nobody works on; it is busy until `done` or `failed`."""
        now_s = self._clock.monotonic()
        ready = ((at_s, key) for key, at_s in self._due[lane].items() if at_s <= now_s and key not in self._busy)
        found = min(ready, default=None)
        if found is None:
            return None
        key = found[1]
        del self._due[lane][key]
        self._busy.add(key)
        return key

    def done(self, lane: Lane, key: Key, again_s: float | None = None) -> None:
        """It succeeded. `again_s`: it is not finished and comes again after so long."""
        self._busy.discard(key)
        self._backoffs.pop((lane, key), None)
        if again_s is not None:
            self.add(lane, key, again_s)
        self.changed.set()

    def failed(self, lane: Lane, key: Key) -> float:
        """It failed, and comes again after its backoff; seconds until then."""
        self._busy.discard(key)
        now_s = self._clock.monotonic()
        backoff = self._backoffs.setdefault((lane, key), Backoff(self._rng, most_s=MOST_S))
        wait_s = backoff.failed(now_s) - now_s
        self.add(lane, key, wait_s)
        return wait_s

    def depth(self, lane: Lane) -> int:
        """Feeds that are due and wait."""
        now_s = self._clock.monotonic()
        return sum(at_s <= now_s for at_s in self._due[lane].values())

    def wait_s(self, lane: Lane) -> float | None:
        """Seconds until somebody will be due whom nobody works on; null: until something changes."""
        due = [at_s for key, at_s in self._due[lane].items() if key not in self._busy]
        return max(0.0, min(due) - self._clock.monotonic()) if due else None


Handler = Callable[[Key], Awaitable[float | None]]
"""Works on a feed; returns seconds after which it wants to again, or null."""


class Workers:
    """Run the queue until cancelled."""

    def __init__(self, queue: WorkQueue, handlers: Mapping[Lane, Handler], clock: Clock, metrics: Metrics) -> None:
        self._queue = queue
        self._handlers = handlers
        self._clock = clock
        self._metrics = metrics

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for lane in self._handlers:
                group.create_task(self._lane(lane))

    async def _lane(self, lane: Lane) -> None:
        """Give out what is due to a bounded number of workers."""
        free = asyncio.Semaphore(WORKERS)
        async with asyncio.TaskGroup() as group:
            while True:
                await free.acquire()
                group.create_task(self._work(lane, await self._next(lane), free))

    async def _next(self, lane: Lane) -> Key:
        while True:
            self._queue.changed.clear()
            key = self._queue.take(lane)
            if key is not None:
                return key
            await self._changed(self._queue.wait_s(lane))

    async def _changed(self, at_most_s: float | None) -> None:
        try:
            async with asyncio.timeout(at_most_s):
                await self._queue.changed.wait()
        except TimeoutError:
            return

    async def _work(self, lane: Lane, key: Key, free: asyncio.Semaphore) -> None:
        begun_s = self._clock.monotonic()
        try:
            again_s = await self._handlers[lane](key)
        except ClusterError as error:
            wait_s = self._queue.failed(lane, key)
            self._metrics.failed(lane, error.reason)
            log.warning("%s: %s; again in %.1f s", key, error, wait_s)
        except Exception:  # a fault of ours in one feed must not end the others; it is told and counted
            wait_s = self._queue.failed(lane, key)
            self._metrics.failed(lane, "Fault")
            log.exception("%s: a fault of the operator's own; again in %.1f s", key, wait_s)
        else:
            self._queue.done(lane, key, again_s)
        finally:
            self._metrics.took(lane, self._clock.monotonic() - begun_s)
            free.release()
