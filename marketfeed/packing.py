"""Symbols into as few shards as their limits allow, evenly by expected rate. Pure and deterministic.

How few: for a few kinds of symbols (as sources have them) each shard in turn is filled as full as it can be, largest first;
several orders are tried, and the fewest shards win.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final, TypeAlias

from marketfeed.load import Load, Room

TRIES: Final = 2_000
"""Combinations looked at for one shard, at most: the search is bounded, not the quality of the usual case."""
KINDS: Final = 100
"""Kinds of symbols looked at for one shard, the largest first."""
EXACT: Final = 1e-9
"""Rates are sums of estimates: differences below this are rounding."""
_NOTHING: Final = Load()

Topics: TypeAlias = tuple[tuple[str, Load], ...]
"""(address, topics there): topics of one address share connections."""
Shared: TypeAlias = tuple[str, str, Load]
"""(address, name, its load) of a topic that serves many symbols: a shard needs it once."""
Kind: TypeAlias = tuple[Topics, tuple[Shared, ...], float]
"""Items of one kind take the same room."""


@dataclass(frozen=True, slots=True)
class Item:
    """One symbol with all its channels."""

    symbol: str
    loads: Topics
    """Of its own topics."""
    rate: float
    """Expected messages per second."""
    shared: tuple[Shared, ...] = ()

    @property
    def alone(self) -> Topics:
        """All its topics, shared ones too."""
        return (*self.loads, *((place, load) for place, _, load in self.shared))

    @property
    def size(self) -> int:
        """Topics, shared ones too."""
        return sum(load.topics for _, load in self.alone)


@dataclass(frozen=True, slots=True)
class Capacity:
    """What one shard may hold."""

    connections: int
    room: Room
    """Of each connection."""
    messages_per_second: float | None = None
    legs: int = 1

    @property
    def topics(self) -> int:
        """Topics of one address that fit."""
        return self.connections // self.legs * self.room.topics

    def share(self, item: Item) -> float:
        """How much of the connections a symbol takes: 1.0 is all of them."""
        return sum(self.room.share(load) for _, load in item.alone) / max(self.connections // self.legs, 1)


@dataclass(slots=True)
class Bin:
    """One shard, being filled."""

    capacity: Capacity
    items: list[Item] = field(default_factory=list)
    loads: dict[str, Load] = field(default_factory=dict)
    """By address."""
    rate: float = 0.0
    _shared: Counter[Shared] = field(default_factory=Counter)
    """By how many symbols each is needed."""

    def connections(self, more: Item | None = None) -> int:
        """Connections that its topics, and this symbol's, need."""
        loads = self.loads
        if more is not None:
            loads = dict(loads)
            for place, load in (*more.loads, *((s[0], s[2]) for s in more.shared if not self._shared[s])):
                loads[place] = loads.get(place, _NOTHING) + load
        return self.capacity.legs * sum(map(self.capacity.room.connections, loads.values()))

    def fits(self, item: Item) -> bool:
        most = self.capacity.messages_per_second
        if most is not None and self.rate + item.rate > most + EXACT:
            return False
        return self.connections(item) <= self.capacity.connections

    def overfull(self) -> bool:
        most = self.capacity.messages_per_second
        return (most is not None and self.rate > most + EXACT) or self.connections() > self.capacity.connections

    def brimful(self) -> bool:
        """Whether nothing at all fits beside it."""
        most = self.capacity.messages_per_second
        if most is not None and self.rate >= most - EXACT:
            return True
        used = sum(map(self.capacity.room.share, self.loads.values()))
        return used >= self.capacity.connections // self.capacity.legs - EXACT

    def add(self, item: Item) -> None:
        self.items.append(item)
        self.rate += item.rate
        for place, load in item.loads:
            self.loads[place] = self.loads.get(place, _NOTHING) + load
        for shared in item.shared:
            self._shared[shared] += 1
            if self._shared[shared] == 1:
                self.loads[shared[0]] = self.loads.get(shared[0], _NOTHING) + shared[2]

    def remove(self, item: Item) -> None:
        self.items.remove(item)
        self.rate -= item.rate
        for place, load in item.loads:
            self.loads[place] -= load
        for shared in item.shared:
            self._shared[shared] -= 1
            if not self._shared[shared]:
                self.loads[shared[0]] -= shared[2]


def fits_alone(item: Item, capacity: Capacity) -> bool:
    """Whether a shard can hold this symbol at all."""
    return Bin(capacity).fits(item)


def spread(items: Iterable[Item], bins: Sequence[Bin]) -> list[Item]:
    """Put items into bins that are there, each into the one with the lowest rate that has room; those that fit nowhere."""
    left = []
    ordered = sorted(items, key=lambda i: (-i.rate, -i.size, i.loads, i.shared, i.symbol))
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
    return item.loads, item.shared, item.rate


def pack(items: Sequence[Item], capacity: Capacity) -> list[Bin]:
    """Items that each fit alone, into new bins: few, and even. No item: no bin."""
    if not items:
        return []
    packings = [_fill(items, capacity, measure) for measure in _measures(capacity)]
    best = min(packings, key=len)
    even = [Bin(capacity) for _ in best]
    return best if spread(items, even) else even


def _measures(capacity: Capacity) -> list[Callable[[Item], float]]:
    """What counts as large: connections, messages, or whichever is scarcer."""
    if capacity.messages_per_second is None:
        return [capacity.share]
    messages = capacity.messages_per_second
    return [
        capacity.share,
        lambda item: item.rate / messages,
        lambda item: max(capacity.share(item), item.rate / messages),
        lambda item: capacity.share(item) + item.rate / messages,
    ]


def _fill(items: Sequence[Item], capacity: Capacity, measure: Callable[[Item], float]) -> list[Bin]:
    """Bin by bin: the largest item left, and the choice of others that leaves the least room."""
    kinds: dict[Kind, list[Item]] = {}
    for item in sorted(items, key=lambda i: i.symbol, reverse=True):
        kinds.setdefault(_kind(item), []).append(item)
    stacks = sorted(kinds.values(), key=lambda stack: (-measure(stack[0]), -stack[0].size, -stack[0].rate, stack[0].loads))
    bins = []
    while stacks:
        largest = stacks[:KINDS]
        counts = _fullest([stack[0] for stack in largest], [len(stack) for stack in largest], capacity, measure)
        times = min(len(stack) // count for stack, count in zip(largest, counts, strict=True) if count)
        for _ in range(times):
            filled = Bin(capacity)
            for stack, count in zip(largest, counts, strict=True):
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
            return tries <= 0 or trial.brimful()
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
