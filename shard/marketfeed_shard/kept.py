"""Frames of a stream that are kept back, for a while and within a bound, until it is known whether they go out."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

KEPT_NS = 5_000_000_000
"""How far back a stream is kept."""
KEPT_BYTES = 1 << 20
"""How much of one stream is kept."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One message, as it came."""

    content: bytes
    connection: int
    received_ns: int
    position: int
    """Number by the exchange of its first record, or UNKNOWN."""
    number: int
    """Tells messages apart that have the same bytes: a message is kept once, however many records it brings."""


@dataclass(slots=True)
class Kept:
    """Of one stream, oldest first; the oldest give way, the latest one never."""

    frames: deque[Frame] = field(default_factory=deque)
    _size_bytes: int = 0

    @property
    def latest(self) -> int | None:
        """Number of the message that was kept last."""
        return self.frames[-1].number if self.frames else None

    def add(self, frame: Frame) -> None:
        """Keep one more."""
        self.frames.append(frame)
        self._size_bytes += len(frame.content)
        while len(self.frames) > 1 and (
            self._size_bytes > KEPT_BYTES or frame.received_ns - self.frames[0].received_ns > KEPT_NS
        ):
            self._size_bytes -= len(self.frames.popleft().content)
