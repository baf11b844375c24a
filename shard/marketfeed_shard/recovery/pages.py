"""What the pages of a trade history bring of a hole: which trades were missing, and whether that is all. Without I/O.

Nothing is taken on trust: a hole is filled when the answers reach back to the last trade that was published and on to the
first one that waits, and their pages touch. What was not seen to be whole counts as lost.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from marketfeed import grammar
from marketfeed.exchanges.exchange import Hole
from marketfeed.normalizer import Row


@dataclass(frozen=True, slots=True)
class Lost:
    """Trades after `last` and before `first` are missing for good; null: not known, or not numbered."""

    last: int | None
    first: int | None


Outcome: TypeAlias = list[Row | Lost]
"""What goes into a hole, in order."""


class Pages(Protocol):
    """The pages of one hole, as they come."""

    @property
    def complete(self) -> bool:
        """Whether the answers reach from one end of the hole to the other: there is nothing more to ask for."""
        ...

    def add(self, rows: Sequence[Row]) -> None:
        """One more page, in the exchange's order."""
        ...

    def lags(self, full: bool) -> bool:
        """Whether the exchange has not come as far as the hole's end yet. `full`: its last page had as much as a page holds."""
        ...

    def left(self) -> Hole:
        """What is still to be asked for."""
        ...

    def outcome(self) -> Outcome:
        """What there is now; all else is lost."""
        ...


class _Numbered:
    """Of trades whose ids rise: missing are those after `last` and up to `end`."""

    def __init__(self, last: int, end: int, since_ns: int, *, consecutive: bool) -> None:
        """`since_ns`: when the hole began. `consecutive`: ids rise by one."""
        self._last, self._end, self._since_ns = last, end, since_ns
        self._consecutive = consecutive
        self._found: dict[int, Row] = {}
        self._unproven: set[int] = set()
        """Ids before which something may be missing, by what the pages tell of each other."""
        self._begun = self._ended = end <= last

    @property
    def complete(self) -> bool:
        return self._begun and self._ended

    def outcome(self) -> Outcome:
        result: Outcome = []
        before, whole = self._last, self._begun
        for position in sorted(self._found):
            if not (position == before + 1 if self._consecutive else whole and position not in self._unproven):
                result.append(Lost(before, position))
            result.append(self._found[position])
            before, whole = position, True
        ends_whole = self._ended and whole and self._end + 1 not in self._unproven
        if before < self._end and (self._consecutive or not ends_whole):
            result.append(Lost(before, self._end + 1))
        return result

    def _inside(self, page: dict[int, Row]) -> dict[int, Row]:
        return {position: row for position, row in page.items() if self._last < position <= self._end}


class OldestFirst(_Numbered):
    """Each page begins where the one before ended."""

    def __init__(self, last: int, end: int, since_ns: int, *, consecutive: bool) -> None:
        super().__init__(last, end, since_ns, consecutive=consecutive)
        self._begun = True

    def add(self, rows: Sequence[Row]) -> None:
        page = _by_id(rows)
        if page:
            newest = max(page)
            self._found |= self._inside(page)
            self._ended |= newest >= self._end
            self._since_ns = max(self._since_ns, page[newest].event["ts"] or 0)

    def lags(self, full: bool) -> bool:
        return not full and not self._ended

    def left(self) -> Hole:
        return Hole(max(self._found, default=self._last) + 1, self._end, self._since_ns)


class NewestFirst(_Numbered):
    """The first page ends where the hole ends, each other one where the one before began.

    Each may come from another server of the exchange, which may be behind: a page that does not touch the one before proves
    nothing of what lies between.
    """

    def __init__(self, last: int, end: int, since_ns: int, *, consecutive: bool) -> None:
        super().__init__(last, end, since_ns, consecutive=consecutive)
        self._oldest = end + 1
        """Asked for so far: what is not older."""
        self._is_apart = False
        """The latest page does not touch the one before."""

    def add(self, rows: Sequence[Row]) -> None:
        page = _by_id(rows)
        self._is_apart = bool(page) and self._ended and max(page) < self._oldest - 1
        if not page:
            return
        if not self._ended:
            self._found, self._begun = {}, False  # the same page again, of an exchange that lagged
        self._found |= self._inside(page)
        if self._is_apart:
            if self._consecutive:
                return  # to be asked for again
            self._unproven.add(min(self._oldest, self._end + 1))
        self._begun |= min(page) <= self._last + 1
        self._ended |= max(page) >= self._end
        if self._ended:
            self._oldest = min(self._oldest, *page)

    def lags(self, full: bool) -> bool:
        return not self._ended or (self._consecutive and self._is_apart)

    def left(self) -> Hole:
        return Hole(self._last + 1, self._oldest - 1, self._since_ns)


class Unnumbered:
    """Of trades whose ids only tell them apart: missing are those between one that went out and one that waits."""

    def __init__(
        self, since_ns: int, published: Callable[[str], bool], waiting: Collection[str], *, newest_first: bool
    ) -> None:
        """`since_ns`: receipt of the last one. `published`: whether a trade went out, by id. `waiting`: ids that wait."""
        self._since_ns = since_ns
        self._newest_first = newest_first
        self._published = published
        self._waiting = waiting
        self._found: list[Row] = []
        self._begun = self._ended = False

    @property
    def complete(self) -> bool:
        return self._begun and self._ended

    def add(self, rows: Sequence[Row]) -> None:
        page = list(reversed(rows)) if self._newest_first else list(rows)
        old = [i for i, row in enumerate(page) if self._published(row.event["id"])]
        begin = old[-1] + 1 if old else 0
        live = [i for i, row in enumerate(page) if i >= begin and row.event["id"] in self._waiting]
        self._begun, self._ended = bool(old), bool(live)
        inside = page[begin : live[0] if live else len(page)]
        self._found = inside if old else [row for row in inside if (row.event["ts"] or 0) > self._since_ns]

    def lags(self, full: bool) -> bool:
        return not self._ended

    def left(self) -> Hole:
        return Hole(None, None, self._since_ns)

    def outcome(self) -> Outcome:
        if not self._found:
            return [] if self.complete else [Lost(None, None)]
        before: Outcome = [] if self._begun else [Lost(None, None)]
        after: Outcome = [] if self._ended else [Lost(None, None)]
        return [*before, *self._found, *after]


def _by_id(rows: Sequence[Row]) -> dict[int, Row]:
    """Trades by their number; those without one cannot be placed."""
    placed = ((grammar.position(row.event["id"]), row) for row in rows)
    return {position: row for position, row in placed if position is not None}
