from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from waiting import until

from marketfeed_cli import shard_process
from marketfeed_cli.shard_process import ShardProcess

RUNS = "import time; open({mark!r}, 'a').write('x'); time.sleep(60)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); open({mark!r}, 'a').write('x'); time.sleep(60)"


class Bed:
    """Starts processes that leave a mark each time they have started."""

    def __init__(self, folder: Path) -> None:
        self.said: list[str] = []
        self._mark = folder / "mark"
        self._lock = os.open(folder / "lock", os.O_CREAT | os.O_WRONLY)
        self._processes: list[ShardProcess] = []

    def start(self, script: str) -> ShardProcess:
        command = [sys.executable, "-c", script.format(mark=str(self._mark))]
        process = ShardProcess("feed-0", command, self._lock, self.said.append)
        self._processes.append(process)
        return process

    def starts(self) -> int:
        return self._mark.stat().st_size if self._mark.exists() else 0

    async def close(self) -> None:
        for process in self._processes:
            await process.stop(at_once=True)
        os.close(self._lock)


@pytest.fixture
async def bed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bed]:
    # pytest's capture has no descriptor: shards write where the process does.
    monkeypatch.setattr(sys, "stderr", sys.__stderr__)
    bed = Bed(tmp_path)
    yield bed
    await bed.close()


def gone(pid: int | None) -> Callable[[], bool]:
    return lambda: not Path(f"/proc/{pid}").exists()


async def test_a_process_that_died_is_started_again_and_that_is_told(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shard_process, "FIRST_WAIT_S", 0.01)
    process = bed.start(RUNS)
    await until(lambda: bed.starts() == 1, "its start")
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    await until(lambda: bed.starts() == 2, "its second start")
    assert bed.said[0].startswith("feed-0: was ended by signal 9 (Killed); starts again in ")


async def test_an_exit_code_is_told(bed: Bed) -> None:
    bed.start("raise SystemExit(3)")
    await until(lambda: bed.said, "its end")
    assert bed.said[0].startswith("feed-0: ended with exit code 3; starts again in ")


async def test_a_process_that_starts_anew_is_ended_in_its_own_time_and_nothing_is_said(bed: Bed) -> None:
    process = bed.start(RUNS)
    await until(lambda: bed.starts() == 1, "its start")
    first = process.pid
    process.start_anew()
    await until(lambda: bed.starts() == 2, "its second start")
    assert gone(first)()
    assert bed.said == []


async def test_a_stopped_process_is_gone_and_stays_so(bed: Bed) -> None:
    process = bed.start(RUNS)
    await until(lambda: bed.starts() == 1, "its start")
    await process.stop()
    assert gone(process.pid)()
    assert bed.starts() == 1


async def test_a_process_that_does_not_end_is_killed(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shard_process, "GRACE_S", 0.05)
    process = bed.start(STUBBORN)
    await until(lambda: bed.starts() == 1, "its start")
    await process.stop()
    assert gone(process.pid)()
    assert "is killed" in bed.said[0]


async def test_while_it_waits_for_its_next_start_it_can_be_stopped(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shard_process, "FIRST_WAIT_S", 3600.0)
    process = bed.start("raise SystemExit(1)")
    await until(lambda: bed.said, "its end")
    await process.stop()
