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
    """Its number by the exchange, or UNKNOWN."""


@dataclass(slots=True)
class Kept:
    """Of one stream, oldest first; the oldest give way, the latest one never."""

    frames: deque[Frame] = field(default_factory=deque)
    _size_bytes: int = 0

    def add(self, frame: Frame) -> None:
        """Keep one more."""
        self.frames.append(frame)
        self._size_bytes += len(frame.content)
        while len(self.frames) > 1 and (
            self._size_bytes > KEPT_BYTES or frame.received_ns - self.frames[0].received_ns > KEPT_NS
        ):
            self._size_bytes -= len(self.frames.popleft().content)
