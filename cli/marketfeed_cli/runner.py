"""One feed on this machine: its plan carried out by processes, and again whenever the plan changes."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from marketfeed.assignment import Assignment
from marketfeed.planner import plan
from marketfeed.problem import NotAccepted, Problem
from marketfeed.resource import MarketFeed
from marketfeed.rollout import Rollout, rollout, starts_anew
from marketfeed_cli import state
from marketfeed_cli.loopback import HOST, is_free, lasting_port
from marketfeed_cli.placement import placed, secrets_wanted
from marketfeed_cli.shard_process import ShardProcess
from marketfeed_cli.shard_status import ShardStatus
from marketfeed_operator.instruments import Lists

SHARD: Final = ("-m", "marketfeed_shard.main")
CONFIRM_S: Final = 5.0
"""How long a shard may take to say that it has read its assignment."""
CONFIRM_POLL_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class Place:
    """Where a feed runs."""

    feed: str
    state: Path
    secrets: Path | None
    lock: int
    """Descriptor of the lock on `state`."""


class Runner:
    """The shards of one feed. `say` is for the user's eyes, `announce` for what the command prints."""

    def __init__(self, place: Place, lists: Lists, say: Callable[[str], None], announce: Callable[[str], None]) -> None:
        self._place = place
        self._lists = lists
        self._say = say
        self._announce = announce
        self._assignments = {a.shard: a for a in state.read_assignments(place.state) if a.feed == place.feed}
        """As the files have them, of shards that run or, while the feed is paused, ran."""
        self._processes: dict[str, ShardProcess] = {}
        self._ports: dict[str, int] = {}
        """Of the shards' HTTP servers."""
        self._offsets: dict[str, int] = {}
        self._unknown: tuple[str, ...] = ()
        self._waiting: tuple[str, ...] = ()
        self._applying = asyncio.Lock()
        self._ended = False
        self.status = ShardStatus(self.addresses, lambda name: self._assignments[name])

    def addresses(self) -> dict[str, str]:
        """Base URL by shard, of those that run."""
        return {name: f"http://{HOST}:{self._ports[name]}" for name in self._processes}

    async def apply(self, feed: MarketFeed) -> None:
        """Make the shards those of this feed. Raises `NotAccepted` where it cannot be planned: then nothing has changed."""
        async with self._applying:
            if self._ended:
                return
            planned, offsets = self._planned(feed)
            self._refuse(planned)
            self._offsets = offsets
            if feed.spec.paused:
                await self._stop_all("the feed is paused")
                return
            running = {name: self._assignments[name] for name in self._processes}
            await self._carry_out(rollout(running, planned))
            for name in self._assignments.keys() - self._processes.keys():  # an earlier run's, no longer planned
                self._forget(name)

    async def close(self, *, at_once: bool = False) -> None:
        """Stop all shards; what they were assigned stays in the files."""
        self._ended = True
        await asyncio.gather(*(process.stop(at_once=at_once) for process in self._processes.values()))
        await self.status.close()

    # ---- planning ----------------------------------------------------------------------------------------------------

    def _planned(self, feed: MarketFeed) -> tuple[list[Assignment], dict[str, int]]:
        result = plan(feed, self._lists.listings, tuple(self._assignments.values()))
        offsets = dict(self._offsets)
        planned = placed(result.assignments, offsets, self._assignments)
        if result.unknown != self._unknown and result.unknown:
            self._say(f"warning: not listed by the exchange, left out: {', '.join(result.unknown)}")
        if result.waiting != self._waiting and result.waiting:
            self._say(f"warning: waits for the exchange's instrument list: {', '.join(result.waiting)}")
        self._unknown, self._waiting = result.unknown, result.waiting
        return planned, offsets

    def _refuse(self, planned: list[Assignment]) -> None:
        """What cannot be had on this machine."""
        if self._place.secrets is None and secrets_wanted(planned):
            way_out = "give --secrets DIR, where DIR/<secret name>/<key> holds each value"
            raise NotAccepted([Problem("spec", "takes values from Secrets", way_out)])
        own = {a.publishers.grpc.port for n, a in self._assignments.items() if n in self._processes and a.publishers.grpc}
        for assignment in planned:
            grpc = assignment.publishers.grpc
            if grpc is not None and grpc.port not in own and not is_free(grpc.port):
                reason = f"port {grpc.port} on {HOST}, for {assignment.shard}, is taken by another program"
                raise NotAccepted([Problem("spec.publishers.grpc.port", reason, "free it, or choose another port")])

    # ---- processes ---------------------------------------------------------------------------------------------------

    async def _carry_out(self, steps: Rollout) -> None:
        await asyncio.gather(*(self._stop(name) for name in steps.stop))
        for assignment in steps.first:
            self._hand(assignment)
        if steps.then or steps.start:
            await asyncio.gather(*(self._confirmed(assignment) for assignment in steps.first))
        for assignment in steps.then:
            self._hand(assignment)
        for assignment in steps.start:
            if not self._ended:
                self._start(assignment)

    def _hand(self, assignment: Assignment) -> None:
        """Give a running shard its new assignment."""
        before = self._assignments[assignment.shard]
        self._write(assignment)
        if starts_anew(before, assignment):
            self._say(f"{assignment.shard}: starts anew, for a change that a running shard cannot take")
            self._processes[assignment.shard].start_anew()

    def _write(self, assignment: Assignment) -> Path:
        file = state.write_assignment(self._place.state, assignment)
        self._assignments[assignment.shard] = assignment
        return file

    def _start(self, assignment: Assignment) -> None:
        name, port = assignment.shard, lasting_port()
        file = self._write(assignment)
        options = ["--http", f"{HOST}:{port}", "--assignment", str(file), "--state", str(file.parent)]
        if self._place.secrets is not None:
            options += ["--secrets", str(self._place.secrets)]
        self._ports[name] = port
        self._processes[name] = ShardProcess(name, [sys.executable, *SHARD, *options], self._place.lock, self._say)
        self._announce(f"{name} http://{HOST}:{port}/status")

    async def _stop(self, name: str) -> None:
        await self._processes[name].stop()
        del self._processes[name], self._ports[name]
        self._forget(name)
        self._say(f"{name}: stopped, no longer planned")

    def _forget(self, name: str) -> None:
        del self._assignments[name]
        state.forget(self._place.state, name)

    async def _stop_all(self, why: str) -> None:
        if self._processes:
            self._say(f"shards stop: {why}")
        await asyncio.gather(*(process.stop() for process in self._processes.values()))
        self._processes.clear()
        self._ports.clear()

    async def _confirmed(self, assignment: Assignment) -> None:
        """Wait until a shard has read its assignment, or for a while: one that is dead reads it when it starts."""
        loop = asyncio.get_running_loop()
        until = loop.time() + CONFIRM_S
        while loop.time() < until and not self._ended:
            generation = (await self.status.of(assignment.shard)).get("generation")
            if isinstance(generation, int) and generation >= assignment.generation:
                return
            await asyncio.sleep(CONFIRM_POLL_S)
