"""The status of the feeds: computed whenever something may have changed, written when it has."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final, Protocol

from marketfeed.clock import Clock
from marketfeed_operator import conditions, events
from marketfeed_operator.errors import ClusterError, NotFoundError
from marketfeed_operator.events import Happening
from marketfeed_operator.feedstate import FeedState
from marketfeed_operator.metrics import Metrics
from marketfeed_operator.workqueue import Key

log = logging.getLogger("marketfeed.operator")

SAME_S: Final = 300.0
"""The same event of the same feed is not told again within so long."""


class Api(Protocol):
    """What is asked of the cluster."""

    async def apply_status(self, manifest: Mapping[str, Any]) -> dict[str, Any]: ...

    async def create(self, manifest: Mapping[str, Any]) -> dict[str, Any]: ...


class Statuses:
    """What is remembered of each feed, and its status."""

    def __init__(self, api: Api, clock: Clock, metrics: Metrics, instance: str) -> None:
        """`instance`: this operator, as events name it."""
        self._api = api
        self._clock = clock
        self._metrics = metrics
        self._instance = instance
        self.states: dict[Key, FeedState] = {}
        self._told_s: dict[tuple[Key, Happening], float] = {}

    def state(self, key: Key, manifest: Mapping[str, Any]) -> FeedState:
        """What is remembered of a feed that was just read; of an earlier feed of this name, nothing is."""
        state = self.states.get(key)
        if state is None or state.uid != manifest["metadata"]["uid"]:
            state = self.states[key] = FeedState(manifest)
        state.manifest, state.status = manifest, manifest.get("status") or {}
        return state

    def forget(self, key: Key) -> None:
        """The feed is gone."""
        self.states.pop(key, None)
        self._told_s = {told: at_s for told, at_s in self._told_s.items() if told[0] != key}

    async def update(self, key: Key) -> None:
        """Compute the status of a feed and write it if it differs. Raises `ClusterError`."""
        state = self.states.get(key)
        if state is None:  # not reconciled yet: nothing is known that a status could say
            return
        judgement = conditions.status(state.status, state.observed(), state.memory, self._clock)
        state.memory = judgement.memory
        if not conditions.differs(state.status, judgement.status):
            return
        before = state.status
        metadata = {name: state.manifest["metadata"][name] for name in ("name", "namespace", "uid")}
        head = {"apiVersion": state.manifest["apiVersion"], "kind": state.manifest["kind"], "metadata": metadata}
        try:
            written = await self._api.apply_status({**head, "status": judgement.status})
        except NotFoundError:  # it went meanwhile
            return
        self._metrics.wrote(state.manifest["kind"], "status")
        state.status = written.get("status") or {}
        for happening in events.happenings(before, judgement.status):
            await self._tell(key, state, happening)

    async def _tell(self, key: Key, state: FeedState, happening: Happening) -> None:
        """Make an event. One that cannot be made is only logged: the conditions say the same."""
        now_s = self._clock.monotonic()
        self._told_s = {told: at_s for told, at_s in self._told_s.items() if now_s - at_s < SAME_S}
        if (key, happening) in self._told_s:
            return
        self._told_s[key, happening] = now_s
        log.info("%s: %s: %s", key, happening.reason, happening.message)
        try:
            await self._api.create(events.manifest(state.manifest, happening, self._clock, self._instance))
        except ClusterError as error:
            self._metrics.failed("status", error.reason)
            log.warning("%s: an event could not be made: %s", key, error)
