"""The shard's streams, one row each: what the engines update for every message and Python reads when it is asked.

The columns are plain arrays, so that the compiled engine writes them without touching a Python object per message.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass

UNKNOWN = -(2**63)
"""A position that is not known."""

HELD = 1
"""Flag: events are kept back, not published."""
STARTED = 2
"""Flag: the next event is the first one; a `gap` with reason `started` goes before it."""
INTERRUPTED = 4
"""Flag: the connection was lost since the last event; a `gap` goes before the next one unless nothing is missing."""
DROPPED = 8
"""Flag: whatever comes is left out: the stream is not ours any more."""
JOINING = 16
"""Flag: another connection than the owner may bring events, which are not known to follow on the owner's yet."""
FILLING = 32
"""Flag: missing events are being fetched; what comes meanwhile waits for them."""
UNSYNCED = 64
"""Flag: of a book, that there is none: changes count again after the next snapshot."""
SUSPECTED = 128
"""Flag: nothing but repetitions came for a while: the next number tells whether the exchange counts anew."""

ANY_CONNECTION = -1
"""Owner: events count from whichever connection brings them first."""


@dataclass(frozen=True, slots=True)
class Stream:
    """One symbol × channel."""

    channel: str
    symbol: str
    native: str

    @property
    def name(self) -> str:
        """As `/status` and the metrics have it."""
        return f"{self.channel}:{self.symbol}"


class StreamTable:
    """Rows by slot. A slot is given once and stays with its stream while the shard runs."""

    def __init__(self) -> None:
        self.streams: list[Stream] = []
        self._slots: dict[tuple[str, str], int] = {}
        self.n = array("q")
        """Last `n` published."""
        self.position = array("q")
        """Last number of the exchange (trade id, sequence), or UNKNOWN."""
        self.received_ns = array("q")
        """Receipt of the last event that went out, or 0."""
        self.cut_ns = array("q")
        """When its connection was lost, or 0."""
        self.messages = array("q")
        """Messages received, repetitions included."""
        self.repeated = array("q")
        """Messages left out because they had been seen."""
        self.owner = array("q")
        """Connection whose events count, or ANY_CONNECTION; matters only where the exchange does not number them."""
        self.flags = array("B")

    def __len__(self) -> int:
        return len(self.streams)

    def slot(self, channel: str, symbol: str) -> int | None:
        """The slot of a stream, if it has one."""
        return self._slots.get((channel, symbol))

    def cut(self, slot: int, now_ns: int) -> None:
        """The connection of a stream is lost. The first time since its last event counts, or since what waits to be filled."""
        if self.flags[slot] & FILLING or not self.cut_since_event_ns(slot):
            self.cut_ns[slot] = now_ns

    def cut_since_event_ns(self, slot: int) -> int:
        """When the connection of a stream was lost, if nothing went out since; else 0."""
        return self.cut_ns[slot] if self.cut_ns[slot] > self.received_ns[slot] else 0

    def add(self, stream: Stream) -> int:
        """Give a stream its slot, or the one that it had: it starts (again), with `n` from 1."""
        slot = self._slots.get((stream.channel, stream.symbol))
        if slot is None:
            slot = self._slots[stream.channel, stream.symbol] = len(self.streams)
            self.streams.append(stream)
            for column in (self.n, self.received_ns, self.cut_ns, self.messages, self.repeated):
                column.append(0)
            self.position.append(UNKNOWN)
            self.owner.append(ANY_CONNECTION)
            self.flags.append(STARTED)
        else:
            self.flags[slot] = STARTED
        return slot
