"""The clockwork of a shard: pipeline, connections and recovery together, without event loop, files or sockets of its own.

It hears what happens, and acts when its clock is called; so a test or a simulation can drive a whole shard by hand.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from marketfeed.assignment import Assignment, Ban
from marketfeed.clock import Clock
from marketfeed.exchanges.exchange import Control, Market
from marketfeed_shard.carrying import Carrying, settings
from marketfeed_shard.connection.manager import Manager
from marketfeed_shard.connection.ports import Disconnect, Sockets
from marketfeed_shard.kernel.plain import Engine
from marketfeed_shard.pipeline.pipeline import Pipeline
from marketfeed_shard.publishers.publisher import Publisher
from marketfeed_shard.recovery.ports import Answer, Rest, RestEvents
from marketfeed_shard.restoring.restoring import Restoring
from marketfeed_shard.state.memory import Memory, Past
from marketfeed_shard.state.progress import Progress
from marketfeed_shard.transport.events import Events

log = logging.getLogger("marketfeed.shard")

LONGEST_TICK_S = 1.0
LONGEST_BAN_S = 30 * 86_400.0
"""What an exchange may say is not what it may mean: bans are of minutes to days."""


class GrowingSockets(Sockets, Protocol):
    """The transport."""

    def grow(self, slots: int) -> None:
        """There are so many streams now: called before the first frame of a new one."""
        ...


class Core:
    """One shard. It is the `Events` of its sockets and the `RestEvents` of its REST client."""

    def __init__(
        self,
        assignment: Assignment,
        market: Market,
        publishers: Sequence[Publisher],
        sockets: Callable[[Engine, Events], GrowingSockets],
        rest: Callable[[RestEvents], Rest],
        clock: Clock,
        random: Callable[[], float],
        progress: Progress,
        memory: Memory,
        past: Past,
        wake: Callable[[], None],
    ) -> None:
        """`publishers`: may be filled until the first event. `wake`: something happened, `tick` is to be called soon."""
        self.assignment = assignment
        """The one that is followed."""
        self._clock = clock
        self._memory = memory
        self._wake = wake
        self._ban = past.ban
        """Met by this shard itself, the one that ends last."""
        self.pipeline = Pipeline(market, publishers, progress, self._control, clock, assignment.book_depth)
        self.sockets = sockets(self.pipeline.engine, self)
        now_s, now_ns = clock.monotonic(), clock.time_ns()
        self.manager = Manager(
            market,
            self.sockets,
            self.pipeline,
            settings(assignment, past.ban, clock),
            random,
            now_s,
            [now_s - (now_ns - t) / 1e9 for t in past.attempts_ns if t <= now_ns],
        )
        self._carrying = Carrying(market, assignment.book_depth)
        self.restoring = Restoring(
            self._carrying,
            self.pipeline,
            self.manager,
            rest(self),
            clock,
            random,
            wake,
            past,
            memory,
            self._grown,
        )
        self._suspect_s = self._remembered_s = now_s

    # ---- what is wanted ----------------------------------------------------------------------------------------------

    def follow(self, assignment: Assignment) -> None:
        """Carry what the assignment names, and nothing else."""
        now_s = self._clock.monotonic()
        self.assignment = assignment
        self.manager.configure(settings(assignment, self._ban, self._clock), now_s, self._clock.time_ns())
        difference = self._carrying.difference(assignment)
        self.pipeline.remove(difference.gone)
        added = self._carrying.carry(difference, self.pipeline.add(difference.new))
        self._grown()
        self.manager.change(difference.gone, self._carrying.wants(assignment, added), now_s)
        self.restoring.follow(assignment, difference.gone)
        self._wake()

    def close(self) -> None:
        """Read nothing more, and hand on what there is."""
        self.manager.close()
        self.restoring.close()
        self.pipeline.flush()

    def _grown(self) -> None:
        self.sockets.grow(len(self.pipeline.table))

    # ---- time --------------------------------------------------------------------------------------------------------

    def tick(self, now_s: float) -> float:
        """Do what is due. Returns when to call again, at the latest."""
        if now_s - self._suspect_s >= self.assignment.watchdog.check_interval:
            self._suspect_s = now_s
            now_ns = self._clock.time_ns()
            self.pipeline.continuity.suspect_repetitions(now_ns)
            self.pipeline.check_books(now_ns)
        if now_s - self._remembered_s >= LONGEST_TICK_S:
            self._remembered_s = now_s
            self.pipeline.continuity.remember_positions()
        due_s = self.manager.tick(now_s)
        due_s = min(due_s, self.restoring.tick(now_s), now_s + LONGEST_TICK_S)
        self._keep_ban(now_s)
        return due_s

    # ---- what sockets tell -------------------------------------------------------------------------------------------

    def attempting(self) -> None:
        self._memory.attempted(self._clock.time_ns())

    def opened(self, key: int) -> None:
        log.info("connection %d is open", key)
        self.manager.opened(key, self._clock.monotonic(), self._clock.time_ns())
        self._wake()

    def lost(self, key: int, why: Disconnect) -> None:
        log.warning("connection %d: %s%s", key, why.reason, f" (code {why.close_code})" if why.close_code else "")
        now_s = self._clock.monotonic()
        self.manager.lost(key, why, now_s)
        self._keep_ban(now_s)
        self._wake()

    def pinged(self, key: int, payload: bytes) -> None:
        self.manager.pinged(key, payload)
        self._wake()

    def ponged(self, key: int) -> None:
        self.manager.ponged(key, self._clock.monotonic())

    def frame(self, key: int, frame: bytes, received_ns: int) -> list[int]:
        return self.pipeline.decode(frame, key, received_ns)

    def flush(self) -> None:
        self.pipeline.flush()

    # ---- what the REST client tells ----------------------------------------------------------------------------------

    def answered(self, number: int, answer: Answer) -> None:
        self.restoring.answered(number, answer)

    def failed(self, number: int, reason: str) -> None:
        self.restoring.failed(number, reason)

    # ---- inside ------------------------------------------------------------------------------------------------------

    def _control(self, key: int, control: Control) -> None:
        self.manager.control(key, control, self._clock.monotonic())
        self._wake()

    def _keep_ban(self, now_s: float) -> None:
        """A ban outlives the process, whoever met it."""
        banned_s = self.manager.banned_for_s(now_s)
        if banned_s:
            until_ns = self._clock.time_ns() + round(min(banned_s, LONGEST_BAN_S) * 1e9)
            self._ban = Ban(until_ns=until_ns, reason=self.manager.ban_reason)
            self._memory.banned(self._ban)
