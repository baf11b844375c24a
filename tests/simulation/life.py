"""One day of a shard, from its seed."""

from __future__ import annotations

import tempfile
import traceback
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.simulation.agenda import Agenda
from tests.simulation.broken import BrokenError
from tests.simulation.budgets import Budgets
from tests.simulation.figures import Figures
from tests.simulation.judge import Judge
from tests.simulation.kinds import Kinds
from tests.simulation.plan import Plan
from tests.simulation.process import Process, Record
from tests.simulation.sink import Sink
from tests.simulation.trouble import Trouble
from tests.simulation.venue import Venue

CUT_S = 3600.0
"""Mean time between two unannounced cuts, beside other troubles."""
LEG_S = 300.0
"""Where streams have two legs, at least so long after a cut the next one comes: both are there again."""
SETTLE_S = 1200.0
"""Without trouble, at the end of the day: by then all is well."""
CALM_S = 600.0
"""So long after the last trouble all has to be well again."""
LATE_S = 30.0
"""And then nothing that was told so long ago may be unknown."""
LOOK_S = 5.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a day went."""

    seed: int
    plan: Plan
    figures: Figures
    failure: str | None
    """What did not hold, and when."""


def live(plan: Plan, seed: int) -> Outcome:
    """Live a day."""
    with tempfile.TemporaryDirectory() as folder:
        day = Day(plan, seed, Path(folder))
        try:
            day.run()
            failure = None
        except BrokenError as broken:
            failure = f"at {day.agenda.now_s:.3f} s: {broken}"
        except Exception:  # noqa: BLE001 - the shard's own fault: this day has failed, others go on
            failure = f"at {day.agenda.now_s:.3f} s: {traceback.format_exc()}"
        return Outcome(seed, plan, day.figures, failure)


class Day:
    """All parts, put together."""

    def __init__(self, plan: Plan, seed: int, folder: Path) -> None:
        random = Random(f"{seed} {plan.exchange} {plan.market}")
        self.agenda = Agenda()
        self.figures = Figures()
        self._plan = plan
        self._market_random = Random(random.random())
        self._end_s = plan.hours * 3600.0
        self._venue = venue = Venue(self.agenda, plan, seed)
        self._judge = judge = Judge(plan, venue.chronicle, self.figures, self.agenda, lambda: venue.answers_s)
        venue.chronicle.reader = judge
        self._sink = sink = Sink(judge.published)
        self._trouble = Trouble(self.agenda, Random(random.random()), self.figures)
        venue.on_admitted = self._trouble.liven
        self._kinds = Kinds(self.agenda, venue, sink, judge, Random(random.random()))
        self._record, self._budgets = Record(), Budgets(plan.assignment())
        self._random, self._folder = random, folder
        self._process = self._start()
        self._unwell_s: float | None = 0.0
        """When the last trouble ended, while not all is well again."""

    def run(self) -> None:
        """All of it. Raises `BrokenError`."""
        self._step()
        self.agenda.after(60.0, self._begin_trouble)
        self.agenda.after(LOOK_S, self._look)
        agenda = self.agenda
        while True:
            self._process.tick()
            if agenda.act():
                continue
            next_s = min(agenda.next_s, self._process.due_s)
            if next_s > self._end_s:
                break
            agenda.advance(next_s)
        if not self._process.is_well:
            raise BrokenError(f"not all is well at the end: {self._process.report.reasons}")

    # ---- inside ------------------------------------------------------------------------------------------------------

    def crash(self) -> float:
        """A kind of trouble: the shard's process dies, and another one begins."""
        self._process.kill()
        self._sink.forget()
        seconds = self._market_random.uniform(0.1, 10.0)

        def begin() -> None:
            self._process = self._start()

        self.agenda.after(seconds, begin)
        return seconds

    def _start(self) -> Process:
        assignment = self._plan.assignment()
        return Process(
            self.agenda, assignment, self._venue, self._sink, self._budgets, self._record, self._random, self._folder
        )

    def _begin_trouble(self) -> None:
        trouble, kinds, end_s = self._trouble, self._kinds, self._end_s - SETTLE_S
        if self._plan.legs == 2:
            trouble.again_and_again([kinds.cut], LEG_S, 2 * LEG_S, end_s)
            return
        trouble.again_and_again([*kinds.all(), self.crash], 0.0, self._plan.trouble_s, end_s)
        trouble.again_and_again([kinds.cut], 0.0, CUT_S, end_s)
        trouble.once(self._end_s / 2, kinds.banned)

    def _step(self) -> None:
        """The market goes on."""
        self._venue.step(1)
        mean_s = self._plan.lively_s if self._trouble.is_lively else self._plan.calm_s
        self.agenda.after(self._market_random.uniform(0.2, 1.8) * mean_s, self._step)

    def _look(self) -> None:
        """Whether all is well again, some time after the last trouble."""
        self.agenda.after(LOOK_S, self._look)
        now_s, over_s = self.agenda.now_s, self._trouble.until_s
        if now_s < over_s:
            self._unwell_s = over_s
            return
        if self._unwell_s is not None and self._process.is_well:
            self.figures.well_s.append(now_s - self._unwell_s)
            self._unwell_s = None
        if now_s - over_s < CALM_S:
            return
        late = self._judge.overdue(over_s + CALM_S / 2, now_s - LATE_S)
        if late is not None:
            raise BrokenError(f"{now_s - over_s:.0f} s after the last trouble: {late}")
        if self._unwell_s is not None:
            raise BrokenError(f"{now_s - over_s:.0f} s after the last trouble not all is well: {self._process.report.reasons}")
