"""A real redis-server of a test's own: started, stopped, frozen, killed and started again on the same port."""

from __future__ import annotations

import random
import signal
import socket
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import redis
from processes import Process
from waiting import wait_until

HOST = "127.0.0.1"


def free_port(host: str = HOST) -> int:
    """A TCP port of an address of this machine that nobody uses just now."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def free_ports(count: int, host: str = HOST) -> int:
    """The first of so many ports in a row that nobody uses just now, below those that outgoing connections get."""
    while True:
        first = random.randrange(15_000, 32_000)
        with ExitStack() as probes:
            try:
                for port in range(first, first + count):
                    probes.enter_context(socket.socket()).bind((host, port))
            except OSError:
                continue
        return first


class RedisServer(Process):
    """redis-server on a free port, its files in a folder of the test's."""

    def __init__(self, folder: Path, host: str = HOST) -> None:
        """`host`: the loopback, or the address at which a cluster's pods reach it."""
        super().__init__()
        self.host = host
        self.port = free_port(host)
        self._folder = folder
        self._options: Sequence[str] = ()

    @property
    def url(self) -> str:
        return f"redis://{self.host}:{self.port}"

    def start(self, *options: str) -> None:
        """Start it and wait until it answers; further options as on its command line, kept for the next start."""
        self._options = options or self._options
        command = ["redis-server", "--bind", self.host, "--port", str(self.port), "--save", "", "--appendonly", "no"]
        self.spawn([*command, "--dir", str(self._folder), *self._options], subprocess.DEVNULL)
        wait_until(self._answers, "redis-server answers PING")

    def restart(self) -> None:
        """Kill it and start it on the same port."""
        self.kill()
        self.start()

    def freeze(self) -> None:
        """Let it hang: its connections stay and nothing answers."""
        self.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self.signal(signal.SIGCONT)

    def admin(self, **options: Any) -> redis.Redis:
        """A client for the test itself, to be closed by it."""
        return redis.Redis(host=self.host, port=self.port, **options)

    def _answers(self) -> bool:
        assert self.runs, "redis-server ended by itself"
        with self.admin(socket_timeout=1) as client:
            try:
                return bool(client.ping())
            except redis.AuthenticationError:
                return True
            except redis.ConnectionError:
                return False
