"""`marketfeed run` as a process of a test's own, with the manifest that it follows and the shards that it starts."""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from processes import Process, pids
from redis_server import HOST, free_port, free_ports
from waiting import wait_until


def manifest(
    ws: str,
    rest: str,
    symbols: Sequence[str],
    channels: Sequence[str],
    publishers: Mapping[str, Any],
    source: Mapping[str, Any] | None = None,
    **spec: Any,
) -> dict[str, Any]:
    """A MarketFeed of one source, Binance spot unless `source` says otherwise; `source` and `spec` add to it."""
    made = {
        "exchange": "binance",
        "market": "spot",
        "endpoint": {"ws": ws, "rest": rest},
        "symbols": list(symbols),
        "channels": list(channels),
        **(source or {}),
    }
    return {
        "apiVersion": "marketfeed.dev/v1alpha1",
        "kind": "MarketFeed",
        "metadata": {"name": "feed"},
        "spec": {"sources": [made], "publishers": dict(publishers), **spec},
    }


class FeedRun(Process):
    """Its files are in a folder of the test's."""

    def __init__(self, folder: Path, feed: Mapping[str, Any] | None = None) -> None:
        """`feed`: the manifest, if it is known before the start."""
        super().__init__()
        self.feed = dict(feed or {})
        self.file = folder / "feed.yaml"
        self.state = folder / "state"
        self.port = free_port()
        """Of the status of all shards."""
        self._out, self._err = folder / "out", folder / "err"

    def write(self, feed: Mapping[str, Any] | None = None) -> None:
        """Write the manifest, or another one, as an editor does: a new file in the place of the old one."""
        if feed is not None:
            self.feed = dict(feed)
        fresh = self.file.with_suffix(".new")
        fresh.write_text(yaml.safe_dump(self.feed))
        fresh.replace(self.file)

    def start(self, feed: Mapping[str, Any] | None = None, env: Mapping[str, str] | None = None) -> None:
        """Write the manifest and run it; `wait_live` tells when its shards are there."""
        self.write(feed)
        command = [sys.executable, "-m", "marketfeed_cli", "run", "-f", str(self.file), "--state", str(self.state)]
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.spawn([*command, "--status-addr", f"{HOST}:{self.port}"], out, err, env)

    @property
    def out(self) -> str:
        """What it wrote to standard output since it was started."""
        return self._out.read_text()

    @property
    def err(self) -> str:
        """What it and its shards wrote to standard error since then."""
        return self._err.read_text()

    def said(self) -> list[str]:
        """Its own lines on standard error, those of its shards left out."""
        return [line for line in self.err.splitlines() if " marketfeed." not in line]

    def status(self) -> dict[str, Any]:
        """All shards' `/status` by name; empty while it does not answer."""
        try:
            return dict(json.loads(self._get("/status")))
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return {}

    def shard(self, number: int = 0) -> dict[str, Any]:
        """The status of one shard."""
        return dict(self.status().get(f"feed-binance-spot-{number}", {}))

    def metrics(self) -> str:
        """Those of all shards, added up."""
        return self._get("/metrics")

    def ready(self) -> bool:
        """Whether all shards are, and there are any."""
        reports = self.status().values()
        return bool(reports) and all(report["ready"] for report in reports)

    def live(self, streams: int, shards: int = 1) -> bool:
        """Whether so many shards are ready, with so many streams in all, each of them live."""
        reports = list(self.status().values())
        well = [r for r in reports if r["ready"] and r["streams"]["live"] == r["streams"]["desired"]]
        return len(well) == len(reports) == shards and sum(r["streams"]["live"] for r in well) == streams

    def wait_live(self, streams: int, shards: int = 1) -> None:
        """Wait until they are."""
        what = f"{streams} live streams in {shards} shards"
        wait_until(lambda: self.live(streams, shards), f"{what}; status {self.status()}; {self.out}{self.err}", 40.0)

    def shard_pids(self) -> list[int]:
        """Processes of its shards, also when it has ended itself."""
        return pids("marketfeed_shard.main", f"{self.state}/")

    def close(self) -> None:
        """End it, and with it its shards, whatever happened."""
        self.kill()
        wait_until(lambda: not self.shard_pids(), "its shards are gone")

    def _get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://{HOST}:{self.port}{path}", timeout=10) as reply:
            return str(reply.read().decode())


class SupervisedRun(FeedRun):
    """A run over gRPC whose manifest a test changes piece by piece."""

    def __init__(self, folder: Path, exchange: str) -> None:
        """`exchange`: host and port of the simulator."""
        self.grpc_port = free_ports(2)  # that of the second shard is the next one
        publishers = {"grpc": {"port": self.grpc_port}}
        symbols = ["BTC-USDT", "ETH-USDT"]
        feed = manifest(f"ws://{exchange}", f"http://{exchange}", symbols, ["trades", "bbo"], publishers)
        super().__init__(folder, feed)

    @property
    def spec(self) -> dict[str, Any]:
        """The manifest's."""
        spec: dict[str, Any] = self.feed["spec"]
        return spec

    @property
    def source(self) -> dict[str, Any]:
        """Its only source."""
        source: dict[str, Any] = self.spec["sources"][0]
        return source
