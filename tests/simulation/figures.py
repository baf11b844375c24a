"""What a day came to, in numbers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from statistics import median


@dataclass(slots=True)
class Figures:
    """Counted by the judge and by whoever makes faults. Plain data: it travels between processes."""

    published: int = 0
    lost: int = 0
    """Events that were announced as missing."""
    gaps: Counter[str] = field(default_factory=Counter)
    """By reason."""
    faults: Counter[str] = field(default_factory=Counter)
    """By kind."""
    books_compared: int = 0
    resyncs: int = 0
    announced_s: list[float] = field(default_factory=list)
    """From the first missing event of a stretch to its announcement."""
    filled_s: list[float] = field(default_factory=list)
    """From a missed trade to its publication."""
    well_s: list[float] = field(default_factory=list)
    """From the end of a fault until all is well again."""

    def gap(self, reason: str) -> None:
        """One was announced."""
        self.gaps[reason] += 1

    def announced(self, seconds: float) -> None:
        self.announced_s.append(seconds)

    def filled(self, seconds: float) -> None:
        self.filled_s.append(seconds)

    def add(self, other: Figures) -> None:
        """Those of another day."""
        self.published += other.published
        self.lost += other.lost
        self.books_compared += other.books_compared
        self.resyncs += other.resyncs
        self.gaps += other.gaps
        self.faults += other.faults
        self.announced_s += other.announced_s
        self.filled_s += other.filled_s
        self.well_s += other.well_s

    def lines(self) -> list[str]:
        """For people."""
        return [
            f"events published {self.published}, announced as missing {self.lost}, backfilled {len(self.filled_s)}",
            f"books compared {self.books_compared}, begun anew {self.resyncs}",
            f"faults: {_counts(self.faults)}",
            f"gaps: {_counts(self.gaps)}",
            f"loss to announcement: {_spread(self.announced_s)}",
            f"missed trade to backfill: {_spread(self.filled_s)}",
            f"end of fault to all live: {_spread(self.well_s)}",
        ]


def _counts(counted: Counter[str]) -> str:
    return ", ".join(f"{what} {count}" for what, count in sorted(counted.items())) or "none"


def _spread(seconds: list[float]) -> str:
    if not seconds:
        return "none"
    return f"median {median(seconds):.3f} s, worst {max(seconds):.3f} s, {len(seconds)} in all"
