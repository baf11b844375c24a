"""One book, kept as a consumer keeps it, and held against the exchange's, level by level."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from marketfeed.normalizer import Row
from marketfeed_simulator.symbol import Levels
from tests.simulation.account import Account
from tests.simulation.broken import BrokenError
from tests.simulation.figures import Figures
from tests.simulation.keys import number

EVERY = 20
"""Of so many changes one is followed by a comparison, and every snapshot is."""
EVERY_UNCHAINED = 4
"""The same, where changes do not tell what they follow on."""
ALL = 5000
"""Levels a side: more than there are."""

Side = dict[Decimal, Decimal]


class BookAccount(Account):
    """A stream of snapshots and changes."""

    def __init__(
        self, symbol: str, figures: Figures, truth: Callable[[int, int], list[Levels]], depth: int | None, *, cuts: bool
    ) -> None:
        """`truth`: (number, levels a side) → what the exchange's book may be.

        `depth`: that it tells; `cuts`: without removing the rest.
        """
        super().__init__("book", symbol, figures)
        self._truth = truth
        self._depth = depth or ALL
        self._cuts = cuts
        self._sides: tuple[Side, Side] = ({}, {})
        self._known = False
        self._seq: int | None = None
        self._at = 0
        self._chained = False
        """Each change names the one that it follows on."""
        self._over_rest = False
        """The last event was a snapshot: the first change may have begun before it."""
        self._changes = 0
        self._numbers: deque[tuple[float, int, bool]] = deque()
        """(when it was told, its number, withheld) of what was not consumed yet."""

    def told(self, row: Row, now_s: float, *, withheld: bool) -> None:
        self._chained = row.event["seq"] is not None
        self._numbers.append((now_s, number(row.event), withheld))

    def repeated(self, row: Row) -> None:
        """A snapshot of its own tells nothing new."""

    def take(self, event: dict[str, Any], now_s: float) -> None:
        self.count(event)
        if event["type"] == "gap":
            self._figures.gap(event["reason"])
            self._known = self._known and event["reason"] == "dropped"
            return
        self._figures.published += 1
        self._follows(event)
        for side, levels in zip(self._sides, (event["bids"], event["asks"]), strict=True):
            for price, size in levels:
                value, amount = Decimal(price), Decimal(size)
                if amount:
                    side[value] = amount
                else:
                    side.pop(value, None)
        if self._cuts:
            self._cut()
        self._changes += 1
        self._at = number(event)
        while self._numbers and self._numbers[0][1] <= self._at:
            self._numbers.popleft()
        if event["snapshot"] or self._changes % (EVERY if event["seq"] is not None else EVERY_UNCHAINED) == 0:
            self._compare()

    @property
    def is_proven(self) -> bool:
        """A checksum of the best levels alone (Kraken) tells nothing of changes that were lost beyond them."""
        return self._chained

    def overdue(self, since_s: float, before_s: float) -> str | None:
        due = [at for made_s, at, withheld in self._numbers if since_s <= made_s < before_s and not withheld]
        return f"{self.name}: nothing is known of the change {due[0]}" if due else None

    # ---- inside ------------------------------------------------------------------------------------------------------

    def _follows(self, event: dict[str, Any]) -> None:
        """It is a snapshot, or goes on where the book is."""
        if event["snapshot"]:
            for side in self._sides:
                side.clear()
            self._known = self._over_rest = True
            self._figures.resyncs += 1
        else:
            joins = event["prev_seq"] == self._seq
            overlaps = not joins and self._over_rest and self._seq is not None and event["prev_seq"] < self._seq < event["seq"]
            if not self._known or not (joins or overlaps):
                raise BrokenError(f"{self.name}: a change that does not follow on {self._seq}: {event}")
            self._over_rest = False
        self._seq = event["seq"]

    def _cut(self) -> None:
        for side, is_bid in zip(self._sides, (True, False), strict=True):
            for price in sorted(side, reverse=is_bid)[self._depth :]:
                del side[price]

    def _compare(self) -> None:
        self._figures.books_compared += 1
        truths = [tuple(map(_side, (book.bids, book.asks))) for book in self._truth(self._at, self._depth)]
        if self._sides not in truths:
            wrong = [sorted(kept.items() ^ told.items())[:4] for kept, told in zip(self._sides, truths[0], strict=True)]
            raise BrokenError(f"{self.name}: at {self._at} it is not the exchange's: {wrong}")


def _side(levels: list[tuple[str, str]]) -> Side:
    return {Decimal(price): Decimal(size) for price, size in levels}
