"""Symbols into as few shards as their limits allow, evenly by expected rate. Pure and deterministic.

How few: for a few kinds of symbols (as sources have them) each shard in turn is filled as full as it can be, largest first;
several orders are tried, and the fewest shards win.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final, TypeAlias

TRIES: Final = 2_000
"""Combinations looked at for one shard, at most: the search is bounded, not the quality of the usual case."""
EXACT: Final = 1e-9
"""Rates are sums of estimates: differences below this are rounding."""

Kind: TypeAlias = tuple[tuple[tuple[str, int], ...], float]
"""Items of one kind take the same room."""


@dataclass(frozen=True, slots=True)
class Item:
    """One symbol with all its channels."""

    symbol: str
    streams: tuple[tuple[str, int], ...]
    """(path, streams on it): streams of one path share connections."""
    rate: float
    """Expected messages per second."""

    @property
    def size(self) -> int:
        return sum(count for _, count in self.streams)


@dataclass(frozen=True, slots=True)
class Capacity:
    """What one shard may hold."""

    connections: int
    streams_per_connection: int
    messages_per_second: float | None = None
    legs: int = 1

    @property
    def streams(self) -> int:
        """Streams of one path that fit."""
        return self.connections // self.legs * self.streams_per_connection


def connections_needed(streams_by_path: Iterable[int], streams_per_connection: int, legs: int = 1) -> int:
    """Connections for so many streams on each path: streams of one path share them."""
    return legs * sum(-(-count // streams_per_connection) for count in streams_by_path)


@dataclass(slots=True)
class Bin:
    """One shard, being filled."""

    capacity: Capacity
    items: list[Item] = field(default_factory=list)
    streams: dict[str, int] = field(default_factory=dict)
    rate: float = 0.0

    def connections(self, more: Iterable[tuple[str, int]] = ()) -> int:
        """Connections that its streams, and these, need."""
        total = dict(self.streams)
        for path, count in more:
            total[path] = total.get(path, 0) + count
        return connections_needed(total.values(), self.capacity.streams_per_connection, self.capacity.legs)

    def fits(self, item: Item) -> bool:
        most = self.capacity.messages_per_second
        if most is not None and self.rate + item.rate > most + EXACT:
            return False
        return self.connections(item.streams) <= self.capacity.connections

    def overfull(self) -> bool:
        most = self.capacity.messages_per_second
        return (most is not None and self.rate > most + EXACT) or self.connections() > self.capacity.connections

    def add(self, item: Item) -> None:
        self.items.append(item)
        self._count(item, 1)

    def remove(self, item: Item) -> None:
        self.items.remove(item)
        self._count(item, -1)

    def _count(self, item: Item, sign: int) -> None:
        for path, count in item.streams:
            self.streams[path] = self.streams.get(path, 0) + sign * count
        self.rate += sign * item.rate


def fits_alone(item: Item, capacity: Capacity) -> bool:
    """Whether a shard can hold this symbol at all."""
    return Bin(capacity).fits(item)


def spread(items: Iterable[Item], bins: Sequence[Bin]) -> list[Item]:
    """Put items into bins that are there, each into the one with the lowest rate that has room; those that fit nowhere."""
    left = []
    ordered = sorted(items, key=lambda i: (-i.rate, -i.size, i.streams, i.symbol))
    for _, alike in groupby(ordered, key=_kind):
        kind = list(alike)
        open_bins = [(b.rate, i) for i, b in enumerate(bins) if b.fits(kind[0])]
        heapq.heapify(open_bins)
        for item in kind:
            if not open_bins:
                left.append(item)
                continue
            chosen = bins[open_bins[0][1]]
            chosen.add(item)
            if chosen.fits(item):
                heapq.heapreplace(open_bins, (chosen.rate, open_bins[0][1]))
            else:
                heapq.heappop(open_bins)
    return left


def _kind(item: Item) -> Kind:
    return item.streams, item.rate


def pack(items: Sequence[Item], capacity: Capacity) -> list[Bin]:
    """Items that each fit alone, into new bins: few, and even. No item: no bin."""
    if not items:
        return []
    packings = [_fill(items, capacity, measure) for measure in _measures(capacity)]
    best = min(packings, key=len)
    even = [Bin(capacity) for _ in best]
    return best if spread(items, even) else even


def _measures(capacity: Capacity) -> list[Callable[[Item], float]]:
    """What counts as large: streams, messages, or whichever is scarcer."""
    if capacity.messages_per_second is None:
        return [lambda item: item.size]
    streams, messages = max(capacity.streams, 1), capacity.messages_per_second
    return [
        lambda item: item.size / streams,
        lambda item: item.rate / messages,
        lambda item: max(item.size / streams, item.rate / messages),
        lambda item: item.size / streams + item.rate / messages,
    ]


def _fill(items: Sequence[Item], capacity: Capacity, measure: Callable[[Item], float]) -> list[Bin]:
    """Bin by bin: the largest item left, and the choice of others that leaves the least room."""
    kinds: dict[Kind, list[Item]] = {}
    for item in sorted(items, key=lambda i: i.symbol, reverse=True):
        kinds.setdefault(_kind(item), []).append(item)
    stacks = sorted(kinds.values(), key=lambda stack: (-measure(stack[0]), -stack[0].size, -stack[0].rate, stack[0].streams))
    bins = []
    while stacks:
        counts = _fullest([stack[0] for stack in stacks], [len(stack) for stack in stacks], capacity, measure)
        times = min(len(stack) // count for stack, count in zip(stacks, counts, strict=True) if count)
        for _ in range(times):
            filled = Bin(capacity)
            for stack, count in zip(stacks, counts, strict=True):
                for _ in range(count):
                    filled.add(stack.pop())
            bins.append(filled)
        stacks = [stack for stack in stacks if stack]
    return bins


def _fullest(kinds: Sequence[Item], left: Sequence[int], capacity: Capacity, measure: Callable[[Item], float]) -> list[int]:
    """How many of each kind, the first at least once, fill a bin best within so many tries."""
    trial = Bin(capacity)
    counts = [0] * len(kinds)
    trial.add(kinds[0])
    counts[0] = 1
    best: tuple[float, list[int]] = (-math.inf, [])
    tries = TRIES

    def search(at: int, filled: float) -> bool:
        """True: full to the brim, or the tries are used up."""
        nonlocal best, tries
        tries -= 1
        if at == len(kinds):
            if filled > best[0] + EXACT:
                best = (filled, counts.copy())
            return tries <= 0 or _brimful(trial)
        kind, size = kinds[at], measure(kinds[at])
        added = 0
        while counts[at] < left[at] and trial.fits(kind):
            trial.add(kind)
            counts[at] += 1
            added += 1
        while True:
            if search(at + 1, filled + added * size):
                return True
            if not added:
                return False
            trial.remove(kind)
            counts[at] -= 1
            added -= 1

    search(0, measure(kinds[0]))
    return best[1]


def _brimful(trial: Bin) -> bool:
    most = trial.capacity.messages_per_second
    return sum(trial.streams.values()) >= trial.capacity.streams or (most is not None and trial.rate >= most - EXACT)
