"""A batch: encoded events, shared by all publishers until the last of their sinks has answered."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator

SLOT, START, END, POSITION, KIND = range(5)
"""Columns of a batch's index."""
WIDTH = 5

DATA, GAP = 0, 1
"""Kinds of event in the index."""


class Batch:
    """Events of one socket read, in order: one buffer of encoded bytes, one index of five integers an event.

    A batch is a counted reference: whoever keeps it calls `hold`, and `release` when its sink has answered, or will never.
    At the last release `done` is called with it: from then on its events need no announcement if this process dies.
    """

    __slots__ = ("_done", "_holders", "data", "index", "received_ns")

    def __init__(self, data: bytes, index: array[int], received_ns: int, done: Callable[[Batch], None] | None = None) -> None:
        self.data = data
        """The events, encoded as JSON, one after the other with nothing between."""
        self.index = index
        """`WIDTH` integers an event: slot, start, end, position in its stream (or UNKNOWN), kind."""
        self.received_ns = received_ns
        """Wall clock at the socket read."""
        self._holders = 0
        self._done = done

    def __len__(self) -> int:
        return len(self.index) // WIDTH

    def hold(self) -> None:
        self._holders += 1

    def release(self) -> None:
        self._holders -= 1
        if self._holders == 0 and self._done is not None:
            self._done(self)

    def abandon(self) -> None:
        """Release, although not answered and never to be: `done` is not called, so that an heir of this process tells of it."""
        self._done = None
        self.release()

    def events(self) -> Iterator[tuple[int, bytes]]:
        """(slot, encoded event), one by one: for tests and sinks whose cost per event is not ours."""
        index = self.index
        for at in range(0, len(index), WIDTH):
            yield index[at + SLOT], self.data[index[at + START] : index[at + END]]
