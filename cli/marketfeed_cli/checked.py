"""One recorded stream: whether its events follow on each other, as far as their exchange numbers them or sums them up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from marketfeed.exchanges.message import Numbering
from marketfeed.normalizer import Row
from marketfeed_shard.books.book import PlainBook
from marketfeed_shard.books.checksums import Checksum
from marketfeed_shard.books.sequence import Outcome, follows
from marketfeed_shard.streams.recent import Recent, recent_kind
from marketfeed_shard.streams.table import UNKNOWN

NO_CHECKSUM: Final = (None, "0")
"""What an exchange tells in place of one."""


@dataclass(slots=True)
class Counts:
    """What was found of a stream."""

    messages: int = 0
    in_sequence: int = 0
    """Those that follow on the one before; the first has none."""
    gaps: int = 0
    repeated: int = 0
    right: int = 0
    """Checksums that fit."""
    wrong: int = 0
    """Those that did not: the book is not looked at again until its next snapshot."""
    crossed: int = 0
    """Messages after which somebody bids as much as somebody asks."""
    joined: int = 0
    """Snapshots over REST that the changes go on from."""

    @property
    def faults(self) -> int:
        """All that should not be."""
        return self.gaps + self.wrong + self.crossed


class Checked(Protocol):
    """One stream."""

    counts: Counts

    def take(self, row: Row) -> str | None:
        """The next event; what is wrong with it, or null."""
        ...


class CheckedNumbers:
    """Events that stand by themselves, numbered or not."""

    def __init__(self, numbering: Numbering) -> None:
        self.counts = Counts()
        self._is_consecutive = numbering is Numbering.CONSECUTIVE
        self._last: int | None = None

    def take(self, row: Row) -> str | None:
        last, number = self._last, row.position
        self.counts.messages += 1
        if number is None:
            return None
        if last is not None and number <= last:
            self.counts.repeated += 1
            return None
        self._last = number
        if last is not None and self._is_consecutive and number > last + 1:
            self.counts.gaps += 1
            return _missing(last, number - 1)
        self.counts.in_sequence += last is not None
        return None


class CheckedIds:
    """Events whose ids only tell them apart."""

    def __init__(self) -> None:
        self.counts = Counts()
        self._ids: Recent = recent_kind()()

    def take(self, row: Row) -> str | None:
        self.counts.messages += 1
        self.counts.repeated += not self._ids.add(str(row.event["id"]).encode(), 0)
        return None


class CheckedBook:
    """A book: it goes on after a gap; its levels are looked at where they are known since a snapshot."""

    def __init__(self, checksum: Checksum | None, depth: Callable[[int], int | None], snapshots: list[Row]) -> None:
        """`depth`: levels of a snapshot → levels a side that are kept. `snapshots`: what came over REST, in order."""
        self.counts = Counts()
        self._checksum = checksum
        self._depth = depth
        self._snapshots = snapshots
        self._last: int | None = None
        """Number of the last message, or UNKNOWN where it had none; null: there was none."""
        self._book: PlainBook | None = None
        """Null: its levels are not known."""

    def take(self, row: Row) -> str | None:
        self.counts.messages += 1
        seq, prev = _number(row.event["seq"]), _number(row.event["prev_seq"])
        if row.event["snapshot"]:
            self._book, self._last = self._begun(row), seq
            return self._look(row)
        last, gap = self._last, None
        if last is not None:
            outcome = follows(last, False, seq, prev)
            if outcome is Outcome.DROPPED:
                self.counts.repeated += 1
                return None
            if outcome is Outcome.SEQUENCE:
                self.counts.gaps += 1
                self._book, gap = None, _missing(last, prev)
            else:
                self.counts.in_sequence += UNKNOWN not in {last, seq}
        self._last = seq
        self._join(seq, prev)
        if self._book is None:
            return gap
        self._book.apply(False, row.event["bids"], row.event["asks"])
        return gap or self._look(row)

    def _join(self, seq: int, prev: int) -> None:
        """Whether this change is the one that goes on from a snapshot over REST."""
        for row in self._snapshots:
            if prev <= row.event["seq"] < seq:
                self.counts.joined += 1
                self._book = self._begun(row)

    def _begun(self, row: Row) -> PlainBook:
        bids, asks = row.event["bids"], row.event["asks"]
        book = PlainBook(self._checksum, self._depth(max(len(bids), len(asks))))
        book.apply(True, bids, asks)
        return book

    def _look(self, row: Row) -> str | None:
        """What is wrong with the levels that are known."""
        book, counts = self._book, self.counts
        assert book is not None
        told = row.extras[0] if row.extras else None
        if self._checksum is Checksum.DIGITS or (self._checksum is Checksum.TEXTS and told not in NO_CHECKSUM):
            if not book.agrees(told):
                counts.wrong += 1
                self._book = None
                return f"the checksum is not {told}"
            counts.right += 1
        if not book.is_crossed:
            return None
        counts.crossed += 1
        return "crossed"


def _number(value: int | None) -> int:
    return UNKNOWN if value is None else value


def _missing(before: int, last: int) -> str:
    """What lies between the number before and the last one that is missing."""
    return "gap" if UNKNOWN in {before, last} else f"gap: {before + 1} to {last}"
