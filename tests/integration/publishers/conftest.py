"""A real Redis that can be stopped, frozen and started again, and a shard's worth of events to publish."""

from __future__ import annotations

import asyncio
import shutil
import signal
import socket
import subprocess
import time
from array import array
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from redis import Redis
from redis import asyncio as aredis

from marketfeed.clock import SystemClock
from marketfeed_shard.batch import DATA, GAP, Batch
from marketfeed_shard.publishers.context import Context
from marketfeed_shard.publishers.publisher import Loss
from marketfeed_shard.secrets import Secrets
from marketfeed_shard.streams import UNKNOWN, Stream

DEADLINE_S = 20.0


async def _until(condition: Callable[[], Any], what: str, deadline_s: float = DEADLINE_S) -> None:
    """Wait for a condition; fail when it does not come about."""
    end = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() > end:
            pytest.fail(f"not within {deadline_s:g} s: {what}")
        await asyncio.sleep(0.005)


@pytest.fixture
def until() -> Callable[..., Awaitable[None]]:
    return _until


@pytest.fixture
def unused_port() -> int:
    return free_port()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class RedisServer:
    """redis-server on a free port of the loopback."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._options: Sequence[str] = ()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def start(self, *options: str) -> None:
        self._options = options or self._options
        ports = () if "--tls-port" in self._options else ("--port", str(self.port))
        command = ["redis-server", *ports, "--save", "", "--dir", str(self._folder), *self._options]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        end = time.monotonic() + DEADLINE_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                assert time.monotonic() < end, "redis-server does not start"
                time.sleep(0.01)
            else:
                return

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def admin(self, **options: Any) -> Redis:
        return Redis(port=self.port, **options)


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed")
    server = RedisServer(tmp_path)
    yield server
    server.kill()


class Feed:
    """Events of a few streams in batches, as the pipeline makes them, and what becomes of the batches."""

    def __init__(self, secrets: Path) -> None:
        self.streams = [Stream("trades", f"S{i}-USDT", f"S{i}USDT") for i in range(4)]
        self.sent: list[tuple[int, bytes]] = []
        """(slot, event), in order."""
        self.losses: list[list[Loss]] = []
        """As announced, one list a time."""
        self.done: list[Batch] = []
        self.secrets = secrets
        self._n = [0] * 64
        self._received_ns = 1_000_000

    def context(self) -> Context:
        return Context(
            feed="feed",
            shard="feed-0",
            exchange="binance",
            market="spot",
            streams=self.streams,
            announce=self.losses.append,
            clock=SystemClock(),
            secrets=Secrets(self.secrets),
            host="127.0.0.1",
        )

    def batch(self, count: int, slots: Sequence[int] = (0, 1, 2), pad: int = 0) -> Batch:
        """So many events, the slots by turns; positions count up by slot."""
        index, data = array("q"), bytearray()
        for i in range(count):
            slot = slots[i % len(slots)]
            stream = self.streams[slot]
            self._n[slot] += 1
            event = {
                "type": "trade",
                "exchange": "binance",
                "market": "spot",
                "channel": stream.channel,
                "symbol": stream.symbol,
                "n": self._n[slot],
                "pad": "x" * pad,
            }
            encoded = orjson.dumps(event)
            index.extend((slot, len(data), len(data) + len(encoded), self._n[slot], DATA))
            data += encoded
            self.sent.append((slot, encoded))
        self._received_ns += 1
        return Batch(bytes(data), index, self._received_ns, self.done.append)

    def gap(self, slot: int, from_seq: int | None, to_seq: int | None) -> Batch:
        encoded = orjson.dumps({"type": "gap", "from_seq": from_seq, "to_seq": to_seq})
        index = array("q", (slot, 0, len(encoded), UNKNOWN if to_seq is None else to_seq, GAP))
        return Batch(encoded, index, self._received_ns, self.done.append)


@pytest.fixture
def feed(tmp_path: Path) -> Feed:
    return Feed(tmp_path / "secrets")


class Consumer:
    """A Redis subscriber to everything, apart from the product's own."""

    def __init__(self) -> None:
        self.received: list[tuple[str, bytes]] = []
        self._task: asyncio.Task[None] | None = None
        self._server: aredis.Redis | None = None

    async def start(self, url: str, **options: Any) -> None:
        self._server = aredis.Redis.from_url(url, **options)
        subscriber = self._server.pubsub()
        await subscriber.psubscribe("md.*")
        assert (await subscriber.get_message(timeout=5))["type"] == "psubscribe"

        async def read() -> None:
            async for message in subscriber.listen():
                self.received.append((message["channel"].decode(), message["data"]))

        self._task = asyncio.create_task(read())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        if self._server is not None:
            await self._server.aclose()
            self._server = None


@pytest.fixture
async def consumer() -> AsyncIterator[Consumer]:
    consumer = Consumer()
    yield consumer
    await consumer.stop()
