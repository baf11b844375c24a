"""A shard's worth of events to publish, and a subscriber to Redis apart from the product's own."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
from redis import asyncio as redis

from marketfeed.clock import SystemClock
from marketfeed_shard.publishers.context import Context
from marketfeed_shard.publishers.publisher import Loss
from marketfeed_shard.secrets import Secrets
from marketfeed_shard.streams.batch import DATA, Batch
from marketfeed_shard.streams.table import Stream


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


class Consumer:
    """A Redis subscriber to everything, apart from the product's own."""

    def __init__(self) -> None:
        self.received: list[tuple[str, bytes]] = []
        self._task: asyncio.Task[None] | None = None
        self._server: redis.Redis | None = None

    async def start(self, url: str, **options: Any) -> None:
        self._server = redis.Redis.from_url(url, **options)
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
