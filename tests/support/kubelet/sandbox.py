"""What the containers of one pod share: a network namespace with an address of its own on the test's bridge.

The namespace is held by a sleeping process and has no name: it goes with the process, and the process with the kubelet.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

TETHERED = ("setpriv", "--pdeathsig", "KILL", "--")
"""Before a command: it does not outlive who started it."""


@dataclass(frozen=True)
class Network:
    """A node's part of the bridge's network."""

    bridge: str
    gateway: IPv4Address
    prefix_length: int
    pods: IPv4Network


class Addresses:
    """Addresses for pods, the one given back longest ago first, so that nobody takes a new pod for an old one."""

    def __init__(self, pods: IPv4Network) -> None:
        self._free = list(pods)[1:]  # the first is the node's

    def take(self) -> IPv4Address:
        """Raises `IndexError` where all are taken."""
        return self._free.pop(0)

    def give_back(self, address: IPv4Address) -> None:
        self._free.append(address)


class Sandbox:
    """A network namespace that is joined to the bridge."""

    def __init__(self, network: Network, address: IPv4Address) -> None:
        self.address = address
        self._network = network
        self._holder: asyncio.subprocess.Process | None = None

    @property
    def namespace(self) -> str:
        """Its file."""
        assert self._holder is not None
        return f"/proc/{self._holder.pid}/ns/net"

    async def start(self) -> None:
        """Raises `OSError` where the machine does not let it."""
        self._holder = await asyncio.create_subprocess_exec(
            *TETHERED, "unshare", "--net", "sleep", "infinity", stdin=subprocess.DEVNULL, start_new_session=True
        )
        pid = self._holder.pid
        while self._is_outside():
            if self._holder.returncode is not None:
                raise OSError(f"unshare --net ended with code {self._holder.returncode}")
            await asyncio.sleep(0.001)
        net, address = self._network, self.address
        outer = f"v{int(address) & 0xFFFF:04x}{os.getpid() & 0xFFFFFF:06x}"
        mac = "02:00:" + ":".join(f"{byte:02x}" for byte in address.packed)
        await _batch(
            f"link add {outer} type veth peer name eth0 address {mac} netns {pid}",
            f"link set {outer} master {net.bridge} up",
        )
        await _batch(
            f"address add {address}/{net.prefix_length} dev eth0",
            "link set lo up",
            "link set eth0 up",
            f"route add default via {net.gateway}",
            inside=("nsenter", f"--net={self.namespace}"),
        )

    def _is_outside(self) -> bool:
        return Path(self.namespace).samefile("/proc/self/ns/net")

    async def stop(self) -> None:
        """The namespace is gone, and with it both ends of its wire."""
        if self._holder is not None and self._holder.returncode is None:
            self._holder.kill()
            await self._holder.wait()


async def _batch(*commands: str, inside: tuple[str, ...] = ()) -> None:
    ip = await asyncio.create_subprocess_exec(
        *inside, "ip", "-batch", "-", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    output, _ = await ip.communicate("\n".join(commands).encode())
    if ip.returncode != 0:
        raise OSError(f"ip: {output.decode().strip()}")
