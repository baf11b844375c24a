"""The message that is being published, whichever engine has it: so that what is rare may keep it."""

from __future__ import annotations

from typing import Protocol

from marketfeed_shard.streams.kept import Frame, Kept
from marketfeed_shard.streams.table import UNKNOWN


class Frames(Protocol):
    """An engine, as far as it is asked here."""

    frames: int
    """Frames that it was given."""

    def frame(self) -> bytes:
        """The frame that is being published."""
        ...


class Current:
    """One message at a time."""

    def __init__(self, engine: Frames) -> None:
        self._engine = engine
        self._plain: bytes | None = None
        self._begun = 0

    def begin(self, frame: bytes) -> None:
        """The plain normalizer was given this one."""
        self._begun += 1
        self._plain = frame

    def end(self) -> None:
        """The plain normalizer is done with it: the next one may be the compiled engine's."""
        self._plain = None

    def is_last_of(self, kept: Kept) -> bool:
        """Whether it was kept at an earlier record: a message is kept once."""
        return self._engine.frames + self._begun == kept.latest

    def frame(
        self, connection: int, received_ns: int, position: int, follows: int = UNKNOWN, interrupted: bool = False
    ) -> Frame:
        """It, to be kept."""
        content = self._engine.frame() if self._plain is None else self._plain
        return Frame(content, connection, received_ns, position, self._engine.frames + self._begun, follows, interrupted)
