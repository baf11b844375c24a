"""The nodes of a test's cluster: one test kubelet each, and the processes of their pods."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from bridge import Bridge
from control_plane import ControlPlane, Server
from processes import alive
from waiting import wait_until


class Nodes:
    """`node-1` to `node-3`, those that were started."""

    def __init__(self, folder: Path, bridge: Bridge, control_plane: ControlPlane) -> None:
        self._folder = folder
        self._bridge = bridge
        self._control_plane = control_plane
        self._kubelets: dict[str, Server] = {}

    def launch(self, name: str, version: str) -> None:
        """Start its kubelet, or start it again; `version`: of Kubernetes, as the node shall tell it."""
        pods = self._bridge.node(int(name.removeprefix("node-")))
        if name not in self._kubelets:
            self._bridge.add(pods[0])
        folder = self._folder / name
        folder.mkdir(parents=True, exist_ok=True)
        options = {
            "kubeconfig": self._control_plane.user(f"system:node:{name}", "system:nodes"),
            "name": name,
            "version": version,
            "bridge": self._bridge.name,
            "gateway": self._bridge.host,
            "prefix-length": self._bridge.network.prefixlen,
            "pods": pods,
            "folder": folder,
        }
        command = [sys.executable, "-m", "kubelet", *(f"--{key}={value}" for key, value in options.items())]
        env = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
        self._kubelets[name] = Server(command, self._folder / f"{name}.log", env)

    def assert_running(self, name: str) -> None:
        """Fails the test with what the kubelet said last."""
        kubelet = self._kubelets[name]
        assert kubelet.running, f"{name} ended by itself: {kubelet.tail()}"

    def ended(self) -> list[str]:
        """Those whose kubelet does not run."""
        return [name for name, kubelet in self._kubelets.items() if not kubelet.running]

    def kill(self, name: str) -> None:
        """Returns when no process of its pods is left either."""
        self._kubelets[name].kill()
        wait_until(lambda: not self.processes(f"{name}/*"), f"no process of {name} is left")

    def stop(self) -> None:
        """All of them."""
        for kubelet in self._kubelets.values():
            if kubelet.running:
                kubelet.stop()
        self._kubelets.clear()

    def processes(self, pods: str) -> list[int]:
        """First processes of containers that run; `pods`: NODE/NAMESPACE_POD_*, as a pattern."""
        files = self._folder.glob(f"{pods}/*/*/pid")
        return [number for number in (int(file.read_text()) for file in files) if _in_pod(number)]

    def log(self, pods: str) -> str:
        """All that the containers wrote, their runs one after the other; `pods` as above."""
        logs = sorted(self._folder.glob(f"{pods}/*/*/log"))
        return "".join(log.read_text(errors="replace") for log in logs)


def _in_pod(pid: int) -> bool:
    """Whether a process runs whose number was a pod's process's, and is it still: one of ours would share our network."""
    try:
        return alive(pid) and Path(f"/proc/{pid}/ns/net").readlink() != Path("/proc/self/ns/net").readlink()
    except OSError:  # it is about to end
        return alive(pid)
