"""`marketfeed run` as a test starts it, and what a consumer of its events saw."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import redis
import yaml
from redis_server import HOST, free_port
from waiting import wait_until


def manifest(
    ws: str, rest: str, symbols: Sequence[str], channels: Sequence[str], publishers: Mapping[str, Any], **spec: Any
) -> dict[str, Any]:
    """A MarketFeed of one Binance source; `spec` adds to it."""
    source = {
        "exchange": "binance",
        "market": "spot",
        "endpoint": {"ws": ws, "rest": rest},
        "symbols": list(symbols),
        "channels": list(channels),
    }
    return {
        "apiVersion": "marketfeed.dev/v1alpha1",
        "kind": "MarketFeed",
        "metadata": {"name": "feed"},
        "spec": {"sources": [source], "publishers": dict(publishers), **spec},
    }


class FeedRun:
    """`marketfeed run` of one manifest."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "feed.yaml"
        self.port = free_port()
        self._folder = folder
        self._log = folder / "run.log"
        self._process: subprocess.Popen[bytes] | None = None

    def write(self, feed: Mapping[str, Any]) -> None:
        """Write the manifest, as an editor does: a new file in the place of the old one."""
        fresh = self.file.with_suffix(".new")
        fresh.write_text(yaml.safe_dump(dict(feed)))
        fresh.replace(self.file)

    def start(self, feed: Mapping[str, Any], env: Mapping[str, str] | None = None) -> None:
        """Start it; `ready` tells when its shards are."""
        self.write(feed)
        command = [sys.executable, "-m", "marketfeed_cli", "run", "-f", str(self.file), "--status-addr", f"{HOST}:{self.port}"]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "--state", str(self._folder / "state")],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
                start_new_session=True,
            )

    def stop(self) -> int:
        """SIGTERM; its exit code."""
        assert self._process is not None
        self._process.terminate()
        code = self._process.wait(timeout=60)
        self._process = None
        return code

    def kill(self) -> None:
        """End it whatever it does, shards included."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def output(self) -> str:
        """All that it wrote."""
        return self._log.read_text() if self._log.exists() else ""

    def status(self) -> dict[str, Any]:
        """All shards' `/status` by name; empty while it does not answer."""
        try:
            with urllib.request.urlopen(f"http://{HOST}:{self.port}/status", timeout=5) as reply:
                return dict(json.load(reply))
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return {}

    def metrics(self) -> str:
        """The merged metrics."""
        with urllib.request.urlopen(f"http://{HOST}:{self.port}/metrics", timeout=5) as reply:
            return str(reply.read().decode())

    def is_ready(self, streams: int | None = None) -> bool:
        """Whether all shards are, with so many streams live together where that is asked."""
        shards = self.status()
        live = sum(shard.get("streams", {}).get("live", 0) for shard in shards.values())
        return bool(shards) and all(shard.get("ready") for shard in shards.values()) and streams in {None, live}

    def ready(self, streams: int | None = None, deadline_s: float = 40.0) -> dict[str, Any]:
        """Wait until it is; the status."""
        wait_until(lambda: self.is_ready(streams), f"the feed is ready; status {self.status()}; {self.output()}", deadline_s)
        return self.status()

    def shard_pids(self) -> list[int]:
        """Processes of the shards."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                command = (entry / "cmdline").read_bytes() if entry.name.isdecimal() else b""
            except (FileNotFoundError, ProcessLookupError):  # it ended just now
                continue
            if b"marketfeed_shard.main" in command and str(self._folder).encode() in command:
                found.append(int(entry.name))
        return found


class Consumer:
    """Everything that came by Redis Pub/Sub, in the order in which it came."""

    def __init__(self, port: int, host: str = HOST) -> None:
        self.events: list[dict[str, Any]] = []
        self._host = host
        self._port = port
        self._ended = threading.Event()
        self._subscribed = threading.Event()
        self._thread = threading.Thread(target=self._consume, daemon=True)

    def start(self) -> None:
        """Returns when it is subscribed."""
        self._thread.start()
        assert self._subscribed.wait(10)

    def stop(self) -> None:
        self._ended.set()
        self._thread.join(10)

    def again(self) -> None:
        """Wait until it is subscribed again, after Redis was restarted."""
        assert self._subscribed.wait(20)

    def _consume(self) -> None:
        while not self._ended.is_set():
            try:
                with redis.Redis(host=self._host, port=self._port) as client, client.pubsub() as channel:
                    channel.psubscribe("md.*")
                    while not self._ended.is_set():
                        message = channel.get_message(timeout=0.1)
                        if message is not None and message["type"] == "psubscribe":
                            self._subscribed.set()
                        elif message is not None:
                            event = json.loads(message["data"])
                            expected = "md.{exchange}.{market}.{channel}.{symbol}".format(**event)
                            assert message["channel"].decode() == expected
                            self.events.append(event)
            except redis.ConnectionError:
                self._subscribed.clear()
                self._ended.wait(0.02)


def by_stream(events: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], list[Mapping[str, Any]]]:
    """(channel, symbol) → its events, in order."""
    streams: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for event in events:
        streams[event["channel"], event["symbol"]].append(event)
    return streams


def assert_counted(events: Iterable[Mapping[str, Any]]) -> None:
    """`n` of every stream has no hole, and begins anew only with a start."""
    for stream, items in by_stream(events).items():
        last = 0
        for event in items:
            begins = event["type"] == "gap" and event["reason"] == "started"
            assert event["n"] == (1 if begins else last + 1), (stream, event, last)
            last = event["n"]


def expected_event(text: str, symbols: Mapping[str, str]) -> dict[str, Any]:
    """A trade or book ticker as Binance sent it → the event, without `recv` and `n`: written independently of the engines."""
    message = json.loads(text)
    data = message.get("data", message)
    head = {"exchange": "binance", "market": "spot", "symbol": symbols[data["s"]]}
    if data.get("e") == "trade":
        return {
            **head,
            "type": "trade",
            "channel": "trades",
            "ts": data["T"] * 10**6,
            "id": str(data["t"]),
            "price": data["p"],
            "size": data["q"],
            "side": "sell" if data["m"] else "buy",
        }
    return {
        **head,
        "type": "bbo",
        "channel": "bbo",
        "ts": data["T"] * 10**6 if "T" in data else data["E"] * 10**6 if "E" in data else None,
        "bid_price": data["b"],
        "bid_size": data["B"],
        "ask_price": data["a"],
        "ask_size": data["A"],
        "seq": data["u"],
    }


def bare(event: Mapping[str, Any]) -> dict[str, Any]:
    """An event without what the shard adds."""
    return {key: value for key, value in event.items() if key not in {"recv", "n"}}
