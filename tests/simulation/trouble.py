"""What goes wrong in a day, and when: drawn from the seed."""

from __future__ import annotations

import logging
from collections.abc import Callable
from random import Random

from tests.simulation.agenda import Agenda
from tests.simulation.figures import Figures

log = logging.getLogger("simulation")

AFTERMATH_S = 12.0
"""For so long after a trouble begins or ends the market is lively."""
LEAD_S = 2.0
"""And for so long before it."""

Kind = Callable[[], float]
"""Begins a trouble; returns for how many seconds it lasts."""


class Trouble:
    """Makes one after the other, and some at the same time."""

    def __init__(self, agenda: Agenda, random: Random, figures: Figures) -> None:
        self._agenda, self._random, self._figures = agenda, random, figures
        self.until_s = 0.0
        """When the last one that has begun ends."""
        self._lively: list[tuple[float, float]] = []
        """(from, to): around the beginnings and ends of those that are not over."""

    @property
    def is_lively(self) -> bool:
        """Whether something has begun or ended just now, or is about to begin."""
        now_s = self._agenda.now_s
        self._lively = [(since_s, until_s) for since_s, until_s in self._lively if now_s < until_s]
        return any(since_s <= now_s for since_s, _ in self._lively)

    def liven(self) -> None:
        """Something happens that is none of its making: a connection takes over from another."""
        self._lively.append((self._agenda.now_s, self._agenda.now_s + AFTERMATH_S))

    def once(self, when_s: float, kind: Kind) -> None:
        """One, at about this time."""
        self._agenda.at(when_s, lambda: self._make(kind))

    def again_and_again(self, kinds: list[Kind], least_s: float, mean_s: float, end_s: float) -> None:
        """Any of these, with at least so much time between them, until then."""
        when_s = self._agenda.now_s + least_s + self._random.expovariate(1 / (mean_s - least_s))
        if when_s >= end_s:
            return

        def act() -> None:
            self._make(self._random.choice(kinds))
            self.again_and_again(kinds, least_s, mean_s, end_s)

        self._agenda.at(when_s, act)

    def _make(self, kind: Kind) -> None:
        """It begins once the market is lively."""
        self.until_s = max(self.until_s, self._agenda.now_s + LEAD_S)
        self._lively.append((self._agenda.now_s, self._agenda.now_s + AFTERMATH_S))
        self._agenda.after(self._random.uniform(0.5, LEAD_S), lambda: self._begin(kind))

    def _begin(self, kind: Kind) -> None:
        seconds = kind()
        name = getattr(kind, "__name__", "trouble")
        log.info("%.3f s: %s, for %.1f s", self._agenda.now_s, name, seconds)
        self._figures.faults[name] += 1
        end_s = self._agenda.now_s + seconds
        self.until_s = max(self.until_s, end_s)
        self._lively.append((end_s - LEAD_S, end_s + AFTERMATH_S))
