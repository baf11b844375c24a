"""One feed: from what it asks for to what there is. Idempotent: each pass reads, decides, and writes what is not yet so."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from marketfeed.assignment import Assignment
from marketfeed.clock import Clock
from marketfeed.planner import Plan, plan
from marketfeed.problem import NotAccepted
from marketfeed.resource import MarketFeed
from marketfeed.support import unsupported
from marketfeed.validation import parse
from marketfeed_operator import accepted, children, manifests
from marketfeed_operator.absences import absence, is_ending
from marketfeed_operator.children import Children
from marketfeed_operator.errors import NoReportError, NotFoundError
from marketfeed_operator.feedstate import ORPHANED_S, FeedState, generation_of
from marketfeed_operator.instruments import Lists
from marketfeed_operator.kinds import CONFIG_MAP, CONTROLLER_REVISION, DEPLOYMENT, FEED, Kind
from marketfeed_operator.manifests import SHARD_LABEL, Options
from marketfeed_operator.metrics import Metrics
from marketfeed_operator.reasons import Reason
from marketfeed_operator.statuses import Statuses
from marketfeed_operator.steps import Steps, steps
from marketfeed_operator.workqueue import Key

log = logging.getLogger("marketfeed.operator")

HELD_S: Final = 0.5
"""Until a shard that has to wait for another one is looked at again."""
REFUSED_S: Final = 30.0
"""Until a child that the API server did not take is tried again."""


class Api(children.Api, Protocol):
    """What is asked of the cluster."""

    async def get(self, kind: Kind, namespace: str, name: str) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Parts:
    """What the reconciler works with."""

    api: Api
    lists: Lists
    statuses: Statuses
    options: Options
    metrics: Metrics
    clock: Clock


class Reconciler:
    """All feeds; the queue sees to it that nobody else works on the same one."""

    def __init__(self, parts: Parts) -> None:
        self._api = parts.api
        self._lists = parts.lists
        self._statuses = parts.statuses
        self._options = parts.options
        self._metrics = parts.metrics
        self._clock = parts.clock

    async def reconcile(self, key: Key) -> float | None:
        """Bring a feed's children and status to what its spec asks for; seconds until there is more to do, or null.

        Raises `ClusterError`.
        """
        try:
            manifest = await self._api.get(FEED, *key)
        except NotFoundError:
            manifest = {}
        if not manifest or "deletionTimestamp" in manifest["metadata"]:  # its children go with it
            self._lists.forget(key)
            self._statuses.forget(key)
            return None
        state = self._statuses.state(key, manifest)
        there = Children(self._api, state.owner, self._metrics)
        await there.read()
        known = {a.shard: a for a in state.plan.assignments} | there.assignments()
        await self._judge(key, state, there, tuple(known.values()))
        again_s = None
        if state.feed is not None:
            await self._keep(state, there)
            running = {shard: assignment for shard, assignment in known.items() if shard in there.of(DEPLOYMENT)}
            again_s = await self._carry_out(state, state.feed, there, running)
        await self._statuses.update(key)
        return again_s

    # ---- the spec ----------------------------------------------------------------------------------------------------

    async def _judge(self, key: Key, state: FeedState, there: Children, previous: Sequence[Assignment]) -> None:
        """Plan the spec, or say why it is refused and plan the last accepted one.

        `previous`: what the ConfigMaps assign; of one that somebody deleted, what it assigned.
        """
        spec = state.manifest.get("spec")
        try:
            feed = _runnable(accepted.manifest_of(state.owner, spec))
            await self._lists.want(key, feed)
            state.list_faults = self._lists.faults(feed)
            state.plan = plan(feed, self._lists.listings, previous)
        except NotAccepted as refused:
            state.problems = refused.problems
            await self._fall_back(key, state, there, previous)
        else:
            state.feed, state.spec, state.problems = feed, spec, ()

    async def _fall_back(self, key: Key, state: FeedState, there: Children, previous: Sequence[Assignment]) -> None:
        """What was accepted last runs on; where nobody knows it any more, nothing is touched."""
        if state.feed is None:
            state.spec = accepted.spec_of(accepted.newest(there.of(CONTROLLER_REVISION).values()))
            state.feed = accepted.feed_of(state.owner, state.spec)
        try:
            if state.feed is not None:
                await self._lists.want(key, state.feed)
                state.list_faults = self._lists.faults(state.feed)
                state.plan = plan(state.feed, self._lists.listings, previous)
                return
        except NotAccepted as refused:
            log.warning("%s: the last accepted spec cannot be planned any more, its shards stay: %s", state.owner.name, refused)
        state.plan = Plan(tuple(previous), {})

    async def _keep(self, state: FeedState, there: Children) -> None:
        """Remember the accepted spec where the API server keeps it."""
        revisions = there.of(CONTROLLER_REVISION)
        latest = accepted.newest(revisions.values())
        if accepted.spec_of(latest) != state.spec:
            number = max(state.manifest["metadata"]["generation"], latest["revision"] + 1 if latest else 1)
            latest = accepted.revision(state.owner, state.spec, number)
            await there.create(latest)
        for name, revision in revisions.items():
            if latest is None or name != latest["metadata"]["name"]:
                await there.delete(CONTROLLER_REVISION, revision)

    # ---- children ----------------------------------------------------------------------------------------------------

    async def _carry_out(
        self, state: FeedState, feed: MarketFeed, there: Children, running: Mapping[str, Assignment]
    ) -> float | None:
        todo = await self._steps(state, there, running)
        now = replace(state.plan, assignments=todo.write)
        shards: dict[str, list[dict[str, Any]]] = {}
        common: list[dict[str, Any]] = []
        for manifest in manifests.children(feed, state.owner, now, self._options):
            shard = manifest["metadata"]["labels"].get(SHARD_LABEL)
            (common if shard is None else shards.setdefault(shard, [])).append(manifest)
        await there.ensure_secret()
        for manifest in common:
            await there.ensure(manifest)
        await there.prune(common)
        for shard in todo.drop:
            log.info("%s: %s goes", state.owner.name, shard)
            await there.drop_shard(shard)
        for assignment in todo.write:
            await self._write(state, assignment, shards[assignment.shard], there)
        state.refused = tuple(there.refused)
        if todo.held:
            return HELD_S
        return REFUSED_S if there.refused else None

    async def _write(self, state: FeedState, assignment: Assignment, shard: list[dict[str, Any]], there: Children) -> None:
        """Make one shard as planned: its assignment first, so that a pod that starts finds the new one."""
        for manifest in shard:
            wrote = await there.ensure(manifest)
            if manifest["kind"] == CONFIG_MAP.name and (wrote or state.lags(assignment)):
                await there.tell_pods(assignment)

    async def _steps(self, state: FeedState, there: Children, running: Mapping[str, Assignment]) -> Steps:
        planned = state.planned()
        names = {a.shard for a in planned}
        changes = any(running.get(a.shard) != a for a in planned)
        unsettled = await self._unsettled(state, running, there) if changes else ()
        todo = steps(running, planned, unsettled, self._lingering(state, there, running.keys() & names))
        unwanted = {*there.of(DEPLOYMENT), *there.of(CONFIG_MAP)} - names
        return replace(todo, drop=tuple(sorted(unwanted)))

    def _lingering(self, state: FeedState, there: Children, staying: Collection[str]) -> set[str]:
        """Shards that have pods and are to have none: their Deployment is gone, or about to go."""
        now_s = self._clock.monotonic()
        found: set[str] = set()
        orphans_s: dict[str, float] = {}
        for pod in there.pods:
            shard, uid = pod["metadata"]["labels"].get(SHARD_LABEL, ""), pod["metadata"]["uid"]
            if pod.get("status", {}).get("phase") in {"Failed", "Succeeded"} or shard in staying:
                continue
            since_s = orphans_s[uid] = state.orphans_s.get(uid, now_s)
            going = "deletionTimestamp" in pod["metadata"]
            new = shard in there.of(DEPLOYMENT) or now_s - since_s < ORPHANED_S
            if is_ending(pod, self._clock.time_ns()) if going else new:
                found.add(shard)
        state.orphans_s = orphans_s
        return found

    async def _unsettled(self, state: FeedState, running: Mapping[str, Assignment], there: Children) -> set[str]:
        """Shards that run and have not said yet that they read what their ConfigMap has."""

        async def settled(assignment: Assignment) -> bool:
            for pod in there.pods_of(assignment.shard):
                if is_ending(pod, self._clock.time_ns()):
                    return False
                if absence(pod) is not None:  # what does not run reads it when it starts
                    continue
                try:
                    report = await self._api.report(pod)
                except NoReportError:
                    return False
                state.told[assignment.shard] = report
                if generation_of(report) < assignment.generation:
                    await there.tell_pods(assignment)
                    return False
            return True

        done = await asyncio.gather(*map(settled, running.values()))
        return {shard for shard, is_settled in zip(running, done, strict=True) if not is_settled}


def _runnable(manifest: Mapping[str, Any]) -> MarketFeed:
    """The feed of a manifest that this version can run. Raises `NotAccepted`."""
    feed = parse(manifest)
    missing = unsupported(feed)
    if missing:
        raise NotAccepted([replace(problem, code=str(Reason.NOT_SUPPORTED)) for problem in missing])
    return feed
