"""What goes wrong in a day, and when: drawn from the seed."""

from __future__ import annotations

import logging
from collections.abc import Callable
from random import Random

from tests.simulation.agenda import Agenda
from tests.simulation.figures import Figures
from tests.simulation.sink import Sink
from tests.simulation.venue import Venue

log = logging.getLogger("simulation")

MEAN_S = 900.0
"""Between two troubles."""
CUT_S = 3600.0
"""Between two unannounced cuts, beside them."""
AFTERMATH_S = 12.0
"""For so long after a trouble the market is lively."""


class Trouble:
    """Makes faults, one after the other, and some at the same time."""

    def __init__(self, agenda: Agenda, venue: Venue, sink: Sink, random: Random, figures: Figures) -> None:
        self._agenda, self._venue, self._sink, self._random, self._figures = agenda, venue, sink, random, figures
        self.until_s = 0.0
        """When the last one that has begun ends."""
        self._kinds: list[Callable[[], float]] = [self.cut, self.cut_all, self.hole]

    def begin(self, end_s: float) -> None:
        """From now on, until then."""
        self._again(MEAN_S, end_s, lambda: self._random.choice(self._kinds))
        self._again(CUT_S, end_s, lambda: self.cut)

    @property
    def is_lively(self) -> bool:
        """Whether something is wrong, or was just now."""
        return self._agenda.now_s < self.until_s + AFTERMATH_S

    def _again(self, mean_s: float, end_s: float, choose: Callable[[], Callable[[], float]]) -> None:
        when_s = self._agenda.now_s + self._random.expovariate(1 / mean_s)
        if when_s >= end_s:
            return

        def act() -> None:
            self._make(choose())
            self._again(mean_s, end_s, choose)

        self._agenda.at(when_s, act)

    def _make(self, kind: Callable[[], float]) -> None:
        """One of them: it begins once the market is lively."""
        self.until_s = max(self.until_s, self._agenda.now_s + 2.0)
        self._agenda.after(self._random.uniform(0.5, 2.0), lambda: self._begin(kind))

    def _begin(self, kind: Callable[[], float]) -> None:
        seconds = kind()
        log.info("trouble: %s for %.1f s", kind.__name__, seconds)
        self._figures.faults[kind.__name__] += 1
        self.until_s = max(self.until_s, self._agenda.now_s + seconds)

    # ---- kinds: each begins, and tells how long it lasts ------------------------------------------------------------

    def cut(self) -> float:
        """One connection breaks."""
        peers = list(self._venue.peers.values())
        if peers:
            self._random.choice(peers).cut()
        return 0.0

    def cut_all(self) -> float:
        """All break at once."""
        for peer in list(self._venue.peers.values()):
            peer.cut()
        return 0.0

    def hole(self) -> float:
        """Nothing gets through for a while on one connection; then all does."""
        seconds = self._random.uniform(1.0, 25.0)
        peers = list(self._venue.peers.values())
        if peers:
            self._random.choice(peers).line.hole(seconds)
        return seconds
