"""A network of a test's own on this machine: a bridge with an address of 10.77.0.0/16, which processes and pods share."""

from __future__ import annotations

import json
import os
import subprocess
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

RANGE = IPv4Network("10.77.0.0/16")
PREFIX = "mfbed"
NODE_PREFIX_LENGTH = 26


def ip(*words: str) -> str:
    """The command's output. Raises `subprocess.CalledProcessError`."""
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout


class Bridge:
    """Taken when it is made, gone after `close`."""

    def __init__(self) -> None:
        """Raises `OSError` where no network is free, or where this process may not make one."""
        sweep()
        taken = {IPv4Network(route["dst"], strict=False) for route in _json("route") if "/" in route["dst"]}
        for number, network in enumerate(RANGE.subnets(new_prefix=24)):
            if any(network.overlaps(other) for other in taken):
                continue
            self.name = f"{PREFIX}{number}"
            made = subprocess.run(["ip", "link", "add", self.name, "type", "bridge"], capture_output=True, text=True)
            if made.returncode == 0:
                break
            if "File exists" not in made.stderr:
                raise OSError(made.stderr.strip())
        else:
            raise OSError(f"no network of {RANGE} is free")
        ip("link", "set", self.name, "alias", f"{os.getpid()} {_started(os.getpid())}")
        self.network = network
        self.host: IPv4Address = network[1]
        self.add(self.host)
        ip("link", "set", self.name, "up")

    def add(self, address: IPv4Address) -> None:
        """One more address of this machine."""
        ip("address", "add", f"{address}/{self.network.prefixlen}", "dev", self.name)

    def node(self, number: int) -> IPv4Network:
        """The addresses of a node and its pods, from 1 to 3: the first quarter is this machine's own."""
        return list(self.network.subnets(new_prefix=NODE_PREFIX_LENGTH))[number]

    def close(self) -> None:
        ip("link", "delete", self.name)


def sweep() -> None:
    """Remove bridges whose processes ended without doing so."""
    for link in _json("link"):
        if link["ifname"].startswith(PREFIX):
            pid, _, started = link.get("ifalias", "").partition(" ")
            if not pid or _started(int(pid)) != started:
                subprocess.run(["ip", "link", "delete", link["ifname"]], capture_output=True)


def _started(pid: int) -> str:
    """When a process was started, as the kernel counts; empty where there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def _json(what: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(ip("-json", what, "show"))
    return found
