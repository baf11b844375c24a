from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from marketfeed_cli.children import ChildError, Children, unwinding_on_signals

READY_THEN_SLEEP = [sys.executable, "-c", "import time; print('ready'); time.sleep(60)"]


def exists(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def start_two(folder: Path, pids: list[int], then: Callable[[], None]) -> None:
    with unwinding_on_signals(), Children(folder) as children:
        for name in ("first", "second"):
            child = children.start(name, READY_THEN_SLEEP)
            child.wait_for_line("ready")
            pids.append(child.pid)
        then()


def test_children_end_with_the_block_even_when_it_fails(tmp_path: Path) -> None:
    pids: list[int] = []

    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        start_two(tmp_path, pids, fail)
    assert len(pids) == 2
    assert not any(exists(pid) for pid in pids)


def test_children_end_when_a_termination_signal_comes(tmp_path: Path) -> None:
    pids: list[int] = []
    with pytest.raises(SystemExit) as caught:
        start_two(tmp_path, pids, lambda: os.kill(os.getpid(), signal.SIGTERM))
    assert caught.value.code == 128 + signal.SIGTERM
    assert len(pids) == 2
    assert not any(exists(pid) for pid in pids)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_a_child_that_does_not_stop_is_killed(tmp_path: Path) -> None:
    stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready'); time.sleep(60)"
    with Children(tmp_path) as children:
        child = children.start("stubborn", [sys.executable, "-c", stubborn])
        child.wait_for_line("ready")
        child.stop(grace_s=0.1)
        assert not exists(child.pid)


def test_a_child_that_ended_is_named_with_what_it_wrote(tmp_path: Path) -> None:
    failing = [sys.executable, "-c", "import sys; print('no such feed'); sys.exit(3)"]
    with Children(tmp_path) as children:
        child = children.start("shard", failing)
        with pytest.raises(ChildError, match="shard ended with exit code 3: no such feed"):
            child.wait_for_line("never")
        with pytest.raises(ChildError, match="exit code 3"):
            children.check()


def test_waiting_ends_at_the_deadline(tmp_path: Path) -> None:
    with Children(tmp_path) as children:
        child = children.start("quiet", READY_THEN_SLEEP)
        child.wait_for_line("ready")
        with pytest.raises(ChildError, match="readiness did not come within"):
            child.wait_for(lambda: None, "readiness", deadline_s=0.05)


def test_cpu_time_of_a_child_is_told(tmp_path: Path) -> None:
    busy = [sys.executable, "-c", "sum(range(3_000_000)); print('done', flush=True); import time; time.sleep(60)"]
    with Children(tmp_path) as children:
        child = children.start("busy", busy)
        child.wait_for_line("done")
        assert child.cpu_s() > 0
