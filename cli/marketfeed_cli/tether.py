"""Run a command that ends with the process that asked for it, even where that one is killed: `tether.py PARENT COMMAND…`.

The kernel sends SIGTERM when the parent's thread ends; what is set here stays set through `exec`. A script of its own, because
code between fork and exec is safe only in a process without threads. Elsewhere than on Linux it runs the command as it is.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(parent: int, command: list[str]) -> None:
    """Become the command; end at once where the parent is gone already."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
    if os.getppid() == parent:
        os.execv(command[0], command)  # noqa: S606 - our own command, no shell


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
