"""The shard: its core, with all around it that it finds in a process."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from random import Random

from marketfeed.assignment import Assignment, Ban
from marketfeed.exchanges import catalogue
from marketfeed.report import ShardReport
from marketfeed_shard.core import Core
from marketfeed_shard.memory import Past
from marketfeed_shard.plain import Engine
from marketfeed_shard.progress import Progress
from marketfeed_shard.recovery.instruments import Facts
from marketfeed_shard.recovery.ports import Rest, RestEvents
from marketfeed_shard.status import Status
from marketfeed_shard.transport.events import Events
from tests.simulation.agenda import Agenda
from tests.simulation.budgets import Budgets
from tests.simulation.network import VirtualRest, VirtualSockets
from tests.simulation.sink import Sink
from tests.simulation.venue import Venue

SHORTEST_S = 0.001
"""Between two turns of the clockwork, as in the shard's own loop."""


class Process:
    """One shard from its start on."""

    def __init__(self, agenda: Agenda, assignment: Assignment, venue: Venue, sink: Sink, random: Random, folder: Path) -> None:
        self._agenda = agenda
        self._network = Random(random.random())
        self._venue, self._budgets = venue, Budgets(assignment)
        self._woken = False
        market = catalogue.market(assignment.exchange, assignment.market)
        self._core = Core(
            assignment,
            market,
            [sink],
            self._sockets,
            self._rest,
            agenda.clock,
            random.random,
            Progress(folder / "progress"),
            Forgetful(),
            Past(),
            self._wake,
        )
        self._status = Status(assignment.shard, self._core, [sink], agenda.clock)
        self._core.follow(assignment)
        self.due_s = agenda.now_s

    @property
    def report(self) -> ShardReport:
        """Its `/status`."""
        return self._status.report()

    @property
    def is_well(self) -> bool:
        """Whether it says that all is."""
        report = self.report
        return report.ready and report.streams.live == report.streams.desired

    def tick(self) -> None:
        """Do what is due, where it is."""
        now_s = self._agenda.now_s
        if self._woken or now_s >= self.due_s:
            self._woken = False
            self.due_s = max(self._core.tick(now_s), now_s + SHORTEST_S)
            if self._woken:
                self.due_s = now_s

    def _sockets(self, engine: Engine, events: Events) -> VirtualSockets:
        return VirtualSockets(engine, events, self._venue, self._agenda, self._network, self._budgets)

    def _rest(self, events: RestEvents) -> Rest:
        return VirtualRest(events, self._venue, self._agenda, self._network, self._budgets)

    def _wake(self) -> None:
        self._woken = True
        self.due_s = 0.0


class Forgetful:
    """It is the `Memory` of a process that never starts again."""

    def attempted(self, at_ns: int) -> None: ...

    def spent(self, at_ns: int, weight: int) -> None: ...

    def banned(self, ban: Ban) -> None: ...

    def listed(self, known: Mapping[str, Facts]) -> None: ...
