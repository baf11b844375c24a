"""The shard: its core, with all around it that it finds in a process."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from random import Random

from marketfeed.assignment import Assignment, Ban
from marketfeed.exchanges import catalogue
from marketfeed.report import ShardReport
from marketfeed_shard.core import Core
from marketfeed_shard.kernel.plain import Engine
from marketfeed_shard.recovery.instruments import Facts
from marketfeed_shard.recovery.ports import Rest, RestEvents
from marketfeed_shard.state.memory import Past
from marketfeed_shard.state.progress import Progress
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

    def __init__(
        self,
        agenda: Agenda,
        assignment: Assignment,
        venue: Venue,
        sink: Sink,
        budgets: Budgets,
        record: Record,
        random: Random,
        folder: Path,
    ) -> None:
        """`record`, `folder`: what an earlier process left, and this one leaves."""
        self._agenda = agenda
        self._network = Random(random.random())
        self._venue, self._budgets = venue, budgets
        self._woken = False
        self._dead = False
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
            record,
            record.past(),
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
        return not self._dead and report.ready and report.streams.live == report.streams.desired

    def kill(self) -> None:
        """It ends without a word."""
        self._dead, self.due_s = True, float("inf")
        self._sockets_made.kill()
        self._rest_made.kill()

    def tick(self) -> None:
        """Do what is due, where it is."""
        now_s = self._agenda.now_s
        if not self._dead and (self._woken or now_s >= self.due_s):
            self._woken = False
            self.due_s = max(self._core.tick(now_s), now_s + SHORTEST_S)
            if self._woken:
                self.due_s = now_s

    def _sockets(self, engine: Engine, events: Events) -> VirtualSockets:
        self._sockets_made = VirtualSockets(engine, events, self._venue, self._agenda, self._network, self._budgets)
        return self._sockets_made

    def _rest(self, events: RestEvents) -> Rest:
        self._rest_made = VirtualRest(events, self._venue, self._agenda, self._network, self._budgets)
        return self._rest_made

    def _wake(self) -> None:
        self._woken = True
        self.due_s = float("inf") if self._dead else 0.0


class Record:
    """It is the `Memory` of a shard: what one process leaves to the next."""

    def __init__(self) -> None:
        self._attempts_ns: list[int] = []
        self._spent: list[tuple[int, int]] = []
        self._ban: Ban | None = None
        self._listed: Mapping[str, Facts] = {}

    def attempted(self, at_ns: int) -> None:
        self._attempts_ns.append(at_ns)

    def spent(self, at_ns: int, weight: int) -> None:
        self._spent.append((at_ns, weight))

    def banned(self, ban: Ban) -> None:
        self._ban = ban

    def listed(self, known: Mapping[str, Facts]) -> None:
        self._listed = known

    def past(self) -> Past:
        """What there is."""
        return Past(tuple(self._attempts_ns), tuple(self._spent), self._ban, dict(self._listed))
