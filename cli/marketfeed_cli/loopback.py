"""Ports and servers of this machine's loopback."""

from __future__ import annotations

import http.client
import json
import random
import socket
from contextlib import ExitStack
from typing import Any

HOST = "127.0.0.1"
ATTEMPTS = 50
LASTING = (20_000, 32_768)


def free_port() -> int:
    """A TCP port that nobody uses just now."""
    return free_ports(1)


def free_ports(count: int) -> int:
    """The first of so many adjacent TCP ports that nobody uses just now. Raises `OSError` when there are none."""
    for _ in range(ATTEMPTS):
        with ExitStack() as held:
            first = _bound(held, 0)
            try:
                for port in range(first + 1, first + count):
                    _bound(held, port)
            except (OSError, OverflowError):  # one is taken, or beyond the last port
                continue
            return first
    raise OSError(f"no {count} adjacent ports are free on {HOST}")


def _bound(held: ExitStack, port: int) -> int:
    probe = held.enter_context(socket.socket())
    probe.bind((HOST, port))
    number: int = probe.getsockname()[1]
    return number


def lasting_port() -> int:
    """A port for a server that may be away for a while. Raises `OSError` when there is none.

    Below those that the system gives to outgoing connections: one of these could take the server's place meanwhile.
    """
    for _ in range(10 * ATTEMPTS):
        port = random.SystemRandom().randrange(*LASTING)
        if is_free(port):
            return port
    raise OSError(f"no port between {LASTING[0]} and {LASTING[1]} is free on {HOST}")


def is_free(port: int) -> bool:
    """Whether a server could listen there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def accepts(port: int) -> bool:
    """Whether a server listens there."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((HOST, port)) == 0


def get_json(port: int, path: str) -> Any:
    """The JSON that a server has at a path. Raises `OSError` where none listens."""
    connection = http.client.HTTPConnection(HOST, port, timeout=10)
    try:
        connection.request("GET", path)
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()
