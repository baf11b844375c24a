"""When this shard last tried to connect, in a file: a shard that crashes and starts again has no fresh budget."""

from __future__ import annotations

import os
from array import array
from collections.abc import Sequence
from pathlib import Path

MOST = 1000
"""Attempts that are remembered: more than any exchange allows in its window."""


class Attempts:
    """Wall-clock times of attempts, oldest first; each is in the file before its socket is opened."""

    def __init__(self, path: Path) -> None:
        """What an earlier process left at `path`. What is cut short there (a machine that lost power) is left out."""
        self._path = path
        self._file: int | None = None
        times_ns = array("q")
        if path.exists():
            content = path.read_bytes()
            times_ns.frombytes(content[: len(content) // times_ns.itemsize * times_ns.itemsize])
        self.times_ns: Sequence[int] = times_ns[-MOST:]

    def add(self, now_ns: int) -> None:
        """One more."""
        if self._file is None:
            fresh = self._path.with_suffix(".new")
            fresh.write_bytes(array("q", self.times_ns).tobytes())
            fresh.replace(self._path)
            self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND)
        os.write(self._file, array("q", [now_ns]).tobytes())

    def close(self) -> None:
        """Let go of the file; it stays."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
