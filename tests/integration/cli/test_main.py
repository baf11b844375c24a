from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import wait_until


def catches(pid: int, number: signal.Signals) -> bool:
    """Whether a process has a handler of its own for a signal."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    mask = next(int(line.split()[1], 16) for line in lines if line.startswith("SigCgt:"))
    return bool(mask >> (number - 1) & 1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_told_to_end_while_it_is_being_loaded_ends_with_code_0(number: signal.Signals, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "marketfeed_cli", "run", "-f", str(tmp_path / "none.yaml")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        wait_until(lambda: catches(process.pid, signal.SIGTERM), "the command catches SIGTERM")
        process.send_signal(number)
        out, _ = process.communicate(timeout=20)
    assert process.returncode == 0, out
    assert out == b""
