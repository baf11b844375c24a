"""What a publisher's consumers can no longer get, stream by stream, until it is announced."""

from __future__ import annotations

from array import array

import orjson

from marketfeed_shard.publishers.publisher import Loss
from marketfeed_shard.streams.batch import END, GAP, KIND, POSITION, SLOT, START, WIDTH, Batch
from marketfeed_shard.streams.table import UNKNOWN


class Losses:
    """Adds up; each stream's loss is told once."""

    def __init__(self) -> None:
        self._by_slot: dict[int, Loss] = {}
        self._refused: set[int] = set()

    def __bool__(self) -> bool:
        """Whether there is one to announce now."""
        return len(self._by_slot) > len(self._refused)

    def add(self, batch: Batch, first: int, last: int, delivered_ns: int) -> None:
        """The events `first` up to but not including `last` of a batch are lost; `delivered_ns` as `Loss.before_ns`, or 0."""
        index: array[int] = batch.index
        by_slot = self._by_slot
        for at in range(first * WIDTH, last * WIDTH, WIDTH):
            slot = index[at + SLOT]
            loss = by_slot.get(slot)
            if loss is None:
                begin = index[at + POSITION] if index[at + KIND] != GAP else _gap_begin(batch, at)
                by_slot[slot] = Loss(slot, 1, begin, index[at + POSITION], delivered_ns or batch.received_ns)
            else:
                loss.count += 1
                loss.last_position = index[at + POSITION]

    def refuse(self, batch: Batch, number: int, delivered_ns: int) -> None:
        """The sink refused an event: its stream's loss waits until the sink takes one of that stream again."""
        self.add(batch, number, number + 1, delivered_ns)
        self._refused.add(batch.index[number * WIDTH + SLOT])

    def accept(self, batch: Batch, first: int, last: int) -> None:
        """The sink took these events."""
        if self._refused:
            index = batch.index
            self._refused.difference_update(index[at + SLOT] for at in range(first * WIDTH, last * WIDTH, WIDTH))

    def take(self) -> list[Loss]:
        """Those to announce now, in the order in which they began; they are told no more."""
        taken = [loss for slot, loss in self._by_slot.items() if slot not in self._refused]
        for loss in taken:
            del self._by_slot[loss.slot]
        return taken


def _gap_begin(batch: Batch, at: int) -> int:
    """Where the gap begins that a lost gap event told of: what it was about is missing, too."""
    begin = orjson.loads(batch.data[batch.index[at + START] : batch.index[at + END]])["from_seq"]
    return UNKNOWN if begin is None else int(begin)
