"""What this shard spent on REST calls, in a file: one that crashes and starts again has no fresh budget."""

from __future__ import annotations

import os
from array import array
from collections import deque
from collections.abc import Sequence
from pathlib import Path

MOST = 8192
"""Calls that are remembered: more than fit any window."""


class Spent:
    """(wall clock in ns, weight) of calls, oldest first; each is in the file before it goes out."""

    def __init__(self, path: Path) -> None:
        """What an earlier process left at `path`. What is cut short there (a machine that lost power) is left out."""
        self._path = path
        self._file: int | None = None
        self._written = 0
        content = array("q")
        if path.exists():
            read = path.read_bytes()
            content.frombytes(read[: len(read) // (2 * content.itemsize) * 2 * content.itemsize])
        self._calls: deque[tuple[int, int]] = deque(zip(content[::2], content[1::2], strict=True), MOST)

    @property
    def calls(self) -> Sequence[tuple[int, int]]:
        """Those that are remembered."""
        return list(self._calls)

    def add(self, now_ns: int, weight: int) -> None:
        """One more."""
        if self._file is None or self._written >= MOST:
            self._begin()
        self._calls.append((now_ns, weight))
        self._written += 1
        if self._file is not None:
            os.write(self._file, array("q", [now_ns, weight]).tobytes())

    def close(self) -> None:
        """Let go of the file; it stays."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _begin(self) -> None:
        """Write the file anew, without what is forgotten."""
        self.close()
        fresh = self._path.with_suffix(".new")
        fresh.write_bytes(array("q", [number for call in self._calls for number in call]).tobytes())
        fresh.replace(self._path)
        self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND)
        self._written = 0
