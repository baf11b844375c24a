"""`marketfeed run` as a process of a test's own, with the manifest that it follows and the shards that it starts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import yaml
from redis_server import HOST, free_port, free_ports
from waiting import wait_until


def alive(pid: int) -> bool:
    """Whether a process runs: one that ended and that nobody asked for is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class SupervisedRun:
    """Runs a feed of simulated symbols over gRPC; its files are in a folder of the test's."""

    def __init__(self, folder: Path, exchange: str) -> None:
        """`exchange`: host and port of the simulator."""
        self.folder = folder
        self.file = folder / "feed.yaml"
        self.state = folder / "state"
        self.status_port = free_port()
        self.grpc_port = free_ports(2)  # that of the second shard is the next one
        self.source: dict[str, Any] = {
            "exchange": "binance",
            "market": "spot",
            "symbols": ["BTC-USDT", "ETH-USDT"],
            "channels": ["trades", "bbo"],
            "endpoint": {"ws": f"ws://{exchange}", "rest": f"http://{exchange}"},
        }
        self.spec: dict[str, Any] = {"sources": [self.source], "publishers": {"grpc": {"port": self.grpc_port}}}
        self._process: subprocess.Popen[bytes] | None = None

    def write(self) -> None:
        """Put the manifest in its place at once."""
        manifest = {"apiVersion": "marketfeed.dev/v1alpha1", "kind": "MarketFeed", "metadata": {"name": "feed"}}
        fresh = self.file.with_suffix(".new")
        fresh.write_text(yaml.safe_dump({**manifest, "spec": self.spec}))
        fresh.replace(self.file)

    def start(self, *options: str) -> None:
        """Write the manifest and run it."""
        self.write()
        command = [sys.executable, "-m", "marketfeed_cli", "run", "-f", str(self.file), "--state", str(self.state)]
        command += ["--status-addr", f"{HOST}:{self.status_port}", *options]
        with (self.folder / "out").open("wb") as out, (self.folder / "err").open("wb") as err:
            self._process = subprocess.Popen(command, stdout=out, stderr=err, start_new_session=True)

    @property
    def out(self) -> str:
        return (self.folder / "out").read_text()

    @property
    def err(self) -> str:
        return (self.folder / "err").read_text()

    def said(self) -> list[str]:
        """Its own lines on standard error, those of its shards left out."""
        return [line for line in self.err.splitlines() if " marketfeed." not in line]

    def status(self) -> dict[str, Any]:
        """Of all shards; nothing while it does not answer."""
        try:
            with urllib.request.urlopen(f"http://{HOST}:{self.status_port}/status", timeout=10) as reply:
                found: dict[str, Any] = json.load(reply)
        except (urllib.error.URLError, ConnectionError):
            return {}
        return found

    def metrics(self) -> str:
        with urllib.request.urlopen(f"http://{HOST}:{self.status_port}/metrics", timeout=10) as reply:
            text: str = reply.read().decode()
        return text

    def shard(self, number: int = 0) -> dict[str, Any]:
        """The status of one shard."""
        found: dict[str, Any] = self.status().get(f"feed-binance-spot-{number}", {})
        return found

    def live(self, streams: int, shards: int = 1) -> bool:
        """Whether so many shards are ready, with so many streams in all."""
        reports = list(self.status().values())
        ready = [r for r in reports if r["ready"] and r["streams"]["live"] == r["streams"]["desired"]]
        return len(ready) == len(reports) == shards and sum(r["streams"]["live"] for r in ready) == streams

    def wait_live(self, streams: int, shards: int = 1) -> None:
        wait_until(lambda: self.live(streams, shards), f"{streams} live streams in {shards} shards", 30.0)

    def shard_pids(self) -> list[int]:
        """The processes whose parent it is."""
        assert self._process is not None
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except OSError:  # ended meanwhile
                continue
            if int(fields[1]) == self._process.pid:
                found.append(int(stat.parent.name))
        return found

    def signal(self, number: int) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)

    def wait(self, deadline_s: float = 30.0) -> int:
        """Its exit code."""
        assert self._process is not None
        return self._process.wait(deadline_s)

    def stop(self) -> int:
        """End it with SIGTERM; its exit code."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def close(self) -> None:
        """End it, and with it its shards, whatever happened."""
        if self._process is not None and self._process.poll() is None:
            pids = self.shard_pids()
            self._process.kill()
            self._process.wait()
            wait_until(lambda: not any(map(alive, pids)), "its shards are gone")
