"""Frames of a stream that are kept back, for a while and within a bound, until it is known whether they go out."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from marketfeed_shard.streams.table import UNKNOWN

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
    follows: int = UNKNOWN
    """Number of the event that its first record says it follows on."""
    interrupted: bool = False
    """The connection was lost before it, and after the one that was kept before it."""


@dataclass(slots=True)
class Kept:
    """Of one stream, oldest first."""

    frames: deque[Frame] = field(default_factory=deque)
    size_bytes: int = 0

    def __iter__(self) -> Iterator[Frame]:
        return iter(self.frames)

    @property
    def latest(self) -> int | None:
        """Number of the message that was kept last."""
        return self.frames[-1].number if self.frames else None

    @property
    def full(self) -> bool:
        """Whether it is more than may be kept of one stream."""
        return self.size_bytes > KEPT_BYTES

    def add(self, frame: Frame) -> None:
        """Keep one more, whatever the bound."""
        self.frames.append(frame)
        self.size_bytes += len(frame.content)

    def trim(self) -> None:
        """The oldest give way to age and size, the latest one never."""
        newest_ns = self.frames[-1].received_ns if self.frames else 0
        while len(self.frames) > 1 and (self.full or newest_ns - self.frames[0].received_ns > KEPT_NS):
            self.drop()

    def pass_by(self, position: int) -> None:
        """Forget what is not beyond a number of the exchange."""
        while self.frames and UNKNOWN != self.frames[0].position <= position:
            self.drop()

    def leave_only(self, connection: int) -> None:
        """Forget what other connections brought."""
        self.frames = deque(frame for frame in self.frames if frame.connection == connection)
        self.size_bytes = sum(len(frame.content) for frame in self.frames)

    def drop(self) -> None:
        """Forget the oldest one."""
        self.size_bytes -= len(self.frames.popleft().content)
