"""The best levels of a book as somebody is told them: a snapshot, then what changes, within a depth.

Levels leave the window when better ones come. Some exchanges tell that as removals, some leave it to whoever keeps the book.
"""

from __future__ import annotations

from bisect import bisect_left, insort

from marketfeed_simulator.symbol import Levels, Symbol

Side = list[tuple[str, str]]


class _Half:
    """One side of a book: all of its levels, best first, and how many of them are told."""

    def __init__(self, entries: dict[int, tuple[str, str]], depth: int, empty: str) -> None:
        """`entries`: by place, the lower, the better. `empty`: the size of what is no more."""
        self.entries = entries
        self._empty = empty
        self._order = sorted(entries)
        self._depth = depth

    def best(self) -> Side:
        return [self.entries[at] for at in self._order[: self._depth]]

    def apply(self, changes: list[tuple[int, tuple[str, str]]], tells_leaving: bool) -> Side:
        """Change levels, and tell those that somebody who knows the window has to be told."""
        before = set(self._order[: self._depth])
        changed = set()
        left = {}
        for at, entry in changes:
            changed.add(at)
            if entry[1] == self._empty:
                del self._order[bisect_left(self._order, at)]
                left[at] = (self.entries.pop(at)[0], self._empty)
            else:
                if at not in self.entries:
                    insort(self._order, at)
                self.entries[at] = entry
        now = set(self._order[: self._depth])
        told = {at: self.entries[at] for at in (now - before) | (now & changed)}
        told |= {at: entry for at, entry in left.items() if at in before}
        if tells_leaving:
            told |= {at: (self.entries[at][0], self._empty) for at in before - now if at in self.entries}
        return [told[at] for at in sorted(told)]


class Ladder:
    """The window of one symbol at a step, carried from step to step."""

    def __init__(self, symbol: Symbol, depth: int, step: int, *, tells_leaving: bool) -> None:
        """`depth`: levels a side. `tells_leaving`: what leaves the window is told as removed."""
        self.step = step
        self._symbol = symbol
        self._tells_leaving = tells_leaving
        bids, asks = symbol.sides(step)
        self._bids = _Half({-level: entry for level, entry in bids.items()}, depth, symbol.empty)
        self._asks = _Half(asks, depth, symbol.empty)

    def snapshot(self) -> Levels:
        """All of the window."""
        return Levels(self._symbol.update_id(self.step), self._bids.best(), self._asks.best())

    def advance(self, step: int) -> Levels:
        """What changes in the window up to a later step."""
        bids, asks = self._symbol.differences(self.step, step)
        self.step = step
        return Levels(
            self._symbol.update_id(step),
            self._bids.apply([(-level, entry) for level, entry in bids], self._tells_leaving),
            self._asks.apply(asks, self._tells_leaving),
        )
