"""Processes that a command starts and takes down again, whatever ends it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self, TypeVar

T = TypeVar("T")

POLL_S = 0.02
"""Between two looks at a condition."""
MARKETFEED = (sys.executable, "-m", "marketfeed_cli")
"""The command `marketfeed`, run by this same Python."""
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class ChildError(Exception):
    """A process ended, or did not do in time what it should; the message is for the user."""


class Child:
    """A running process; what it writes goes to a file, and is shown when it fails."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: Path) -> None:
        self.name = name
        self.pid = process.pid
        self._process = process
        self._log = log

    def output(self) -> str:
        """All that it wrote so far."""
        return self._log.read_text(errors="replace")

    def running(self) -> bool:
        return self._process.poll() is None

    def check(self) -> None:
        """Raises `ChildError` with its last lines when it has ended."""
        if not self.running():
            last = "\n".join(self.output().splitlines()[-5:]) or "it wrote nothing"
            raise ChildError(f"{self.name} ended with exit code {self._process.returncode}: {last}")

    def wait_for(self, condition: Callable[[], T | None], what: str, deadline_s: float = 30.0) -> T:
        """The first answer that is not None. Raises `ChildError` when the process ends before, or at the deadline."""
        until = time.monotonic() + deadline_s
        while time.monotonic() < until:
            self.check()
            answer = condition()
            if answer is not None:
                return answer
            time.sleep(POLL_S)
        raise ChildError(f"{self.name}: {what} did not come within {deadline_s:g} s; it wrote: {self.output()[-500:]}")

    def wait_for_line(self, pattern: str, deadline_s: float = 30.0) -> re.Match[str]:
        """The first match in what it writes."""
        return self.wait_for(lambda: re.search(pattern, self.output()), f"a line like {pattern!r}", deadline_s)

    def cpu_s(self) -> float:
        """CPU time of all its threads so far, user and system: Linux counts it in ticks, usually of 10 ms."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self, grace_s: float = 20.0) -> None:
        """SIGTERM, and SIGKILL when that was not enough."""
        if self.running():
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(grace_s)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


class Children:
    """The processes of one command: stopped in the opposite order at the end of the block."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._children: list[Child] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        before = {number: signal.signal(number, signal.SIG_IGN) for number in SIGNALS}  # nothing cuts this short
        while self._children:
            self._children.pop().stop()
        for number, handler in before.items():
            signal.signal(number, handler)

    def start(
        self, name: str, command: Sequence[str | Path], env: Mapping[str, str] | None = None, cores: set[int] | None = None
    ) -> Child:
        """Start a process in a session of its own, so that Ctrl-C reaches us alone; `cores`: those that it may use."""
        log = self._folder / f"{len(self._children)}-{name}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(  # noqa: S603 - our own commands, no shell
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})},
                start_new_session=True,
            )
        child = Child(name, process, log)
        self._children.append(child)
        if cores:
            os.sched_setaffinity(process.pid, cores)
        return child

    def stop(self, child: Child) -> None:
        """Stop one of them before the others."""
        self._children.remove(child)
        child.stop()

    def check(self) -> None:
        """Raises `ChildError` when one of them has ended."""
        for child in self._children:
            child.check()


@contextmanager
def unwinding_on_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP raise `SystemExit` inside the block, so that what was started is taken down."""

    def unwind(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, unwind) for number in SIGNALS[1:]}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
