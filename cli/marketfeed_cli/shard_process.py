"""One shard as a process of this machine: started, started again when it dies, stopped with time to deliver."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from marketfeed.backoff import Backoff

FIRST_WAIT_S: Final = 1.0
LONGEST_WAIT_S: Final = 30.0
STABLE_S: Final = 60.0
"""A shard that ran for so long had a good start: its next end counts as the first."""
GRACE_S: Final = 20.0
"""The shard's own 15 s to deliver what waits, and some for its end."""
TETHER: Final = Path(__file__).with_name("tether.py")


class ShardProcess:
    """Runs a command until it is stopped, in a session of its own: Ctrl-C reaches the runner alone."""

    def __init__(self, name: str, command: Sequence[str], lock: int, say: Callable[[str], None]) -> None:
        """`lock`: a descriptor that the shard inherits. `say`: tells the user."""
        self.name = name
        self._command = [sys.executable, "-I", "-S", str(TETHER), str(os.getpid()), *command]
        self._lock = lock
        self._say = say
        self._backoff = Backoff(random.SystemRandom().random, FIRST_WAIT_S, LONGEST_WAIT_S, STABLE_S)
        self._process: asyncio.subprocess.Process | None = None
        self._wanted = asyncio.Event()
        """Set: something was asked for, and whoever waits looks."""
        self._stopping = False
        self._anew = False
        self._supervision = asyncio.ensure_future(self._supervise())

    @property
    def pid(self) -> int | None:
        """Of the running process."""
        return None if self._process is None else self._process.pid

    def start_anew(self) -> None:
        """End the process in its own time, and start it again with what it then finds."""
        self._anew = True
        self._wanted.set()

    async def stop(self, *, at_once: bool = False) -> None:
        """SIGTERM, time to deliver, SIGKILL if that was not enough; returns when it is gone."""
        self._stopping = True
        if at_once and self._process is not None and self._process.returncode is None:
            self._process.kill()
        self._wanted.set()
        await asyncio.shield(self._supervision)

    async def _supervise(self) -> None:
        loop = asyncio.get_running_loop()
        while not self._stopping:
            self._anew = False
            self._wanted.clear()
            self._backoff.succeeded(loop.time())
            told = await self._run()
            if not self._stopping and not self._anew:
                pause_s = self._backoff.failed(now_s := loop.time()) - now_s
                self._say(f"{self.name}: {told}; starts again in {pause_s:.1f} s")
                await self._asked(asyncio.ensure_future(asyncio.sleep(pause_s)))

    async def _run(self) -> str:
        """Run the command once, until it ends or is asked to; how it ended."""
        try:
            self._process = process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=sys.stderr.fileno(),
                pass_fds=[self._lock],
                start_new_session=True,
            )
        except OSError as error:
            return f"cannot be started: {error.strerror}"
        ended = asyncio.ensure_future(process.wait())
        await self._asked(ended)
        if not ended.done():
            await self._end(process, ended)
        return _told(ended.result())

    async def _asked(self, otherwise: asyncio.Future[Any]) -> None:
        """Wait until something is asked for, or for the other thing."""
        asked = asyncio.ensure_future(self._wanted.wait())
        await asyncio.wait({asked, otherwise}, return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()

    async def _end(self, process: asyncio.subprocess.Process, ended: asyncio.Future[int]) -> None:
        process.send_signal(signal.SIGTERM)
        await asyncio.wait({ended}, timeout=GRACE_S)
        if not ended.done():
            self._say(f"{self.name}: did not end within {GRACE_S:g} s and is killed")
            process.kill()
        await ended


def _told(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    return f"was ended by signal {-code} ({signal.strsignal(-code)})"
