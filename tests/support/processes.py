"""Processes of a test's own: started in a session of their own, signalled, ended, looked for."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any


def alive(pid: int) -> bool:
    """Whether a process runs: one that ended and that nobody asked for is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def pids(*words: str) -> list[int]:
    """The processes that run whose command line has all of these in it."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes()
        except OSError:  # it ended just now
            continue
        if all(word.encode() in command for word in words):
            found.append(int(entry.name))
    return found


class Process:
    """One at a time; it may be started again when it has ended."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def spawn(
        self, command: Sequence[str], out: IO[Any] | int, err: IO[Any] | int | None = None, env: Mapping[str, str] | None = None
    ) -> None:
        """Start it; `env` adds to this process's own."""
        self._process = subprocess.Popen(
            command, stdout=out, stderr=err, env={**os.environ, **(env or {})}, start_new_session=True
        )

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def wait(self, deadline_s: float = 60.0) -> int:
        """Wait for its end; its exit code."""
        assert self._process is not None
        code = self._process.wait(deadline_s)
        self._process = None
        return code

    def stop(self) -> int:
        """SIGTERM; its exit code."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """End it as a crash does, frozen or not; nothing where it does not run."""
        if self._process is not None:
            self._process.kill()
            self.wait()
