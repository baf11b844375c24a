"""The collector that `marketfeed bench` measures beside the shard: the usual straightforward one, one connection, one loop.

`websockets` reads, `orjson` decodes, a dict becomes the same event that the shard publishes (`recv` and `n` included), `orjson`
encodes, a redis-py pipeline publishes: 100 commands a round trip, and what waits is sent after 10 ms at the latest. The
event loop is uvloop, compression is off. No books, no gaps, no watchdog, no metrics: less than the shard does.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import orjson
import redis.asyncio as redis
import uvloop
from redis.asyncio.client import Pipeline
from websockets.asyncio.client import ClientConnection, connect

BATCH = 100
FLUSH_S = 0.01
REPORT_S = 0.1
TOPICS_PER_REQUEST = 200


def trade(data: dict[str, Any], symbol: str, recv: int, n: int) -> dict[str, Any]:
    """A message of `<symbol>@trade` as our event."""
    return {
        "type": "trade", "exchange": "binance", "market": "spot", "channel": "trades", "symbol": symbol,
        "ts": data["T"] * 1_000_000, "recv": recv, "n": n,
        "id": str(data["t"]), "price": data["p"], "size": data["q"], "side": "sell" if data["m"] else "buy",
    }  # fmt: skip


def bbo(data: dict[str, Any], symbol: str, recv: int, n: int) -> dict[str, Any]:
    """A message of `<symbol>@bookTicker` as our event."""
    return {
        "type": "bbo", "exchange": "binance", "market": "spot", "channel": "bbo", "symbol": symbol,
        "ts": None, "recv": recv, "n": n,
        "bid_price": data["b"], "bid_size": data["B"], "ask_price": data["a"], "ask_size": data["A"], "seq": data["u"],
    }  # fmt: skip


NORMALISE: dict[str, tuple[str, Callable[[dict[str, Any], str, int, int], dict[str, Any]]]] = {
    "trades": ("trade", trade),
    "bbo": ("bookTicker", bbo),
}


class Collector:
    """From one WebSocket to Redis."""

    def __init__(self, channel: str, symbols: list[str], server: redis.Redis) -> None:
        self.published = 0
        self._channel = channel
        self._suffix, self._normalise = NORMALISE[channel]
        self._symbols = {symbol.replace("-", ""): symbol for symbol in symbols}
        self._counts: Counter[str] = Counter()
        self._server = server
        self._pipeline: Pipeline = server.pipeline(transaction=False)

    async def run(self, ws: ClientConnection) -> None:
        """Subscribe, then read until the connection ends."""
        topics = [f"{native.lower()}@{self._suffix}" for native in self._symbols]
        for at in range(0, len(topics), TOPICS_PER_REQUEST):
            request = {"method": "SUBSCRIBE", "params": topics[at : at + TOPICS_PER_REQUEST], "id": at + 1}
            await ws.send(orjson.dumps(request).decode())
        async for message in ws:
            recv = time.time_ns()
            body = orjson.loads(message)
            data = body.get("data")
            if data is None:  # the acknowledgement
                continue
            symbol = self._symbols[data["s"]]
            self._counts[symbol] += 1
            event = self._normalise(data, symbol, recv, self._counts[symbol])
            self._pipeline.publish(f"md.binance.spot.{self._channel}.{symbol}", orjson.dumps(event))
            if len(self._pipeline) >= BATCH:
                await self.flush()

    async def flush(self) -> None:
        """Send what waits, and read the answers."""
        pipeline, self._pipeline = self._pipeline, self._server.pipeline(transaction=False)
        self.published += len(await pipeline.execute())

    async def flush_often(self) -> None:
        """What waits when the market is quiet leaves too."""
        while True:
            await asyncio.sleep(FLUSH_S)
            if len(self._pipeline):
                await self.flush()

    async def report(self) -> None:
        """How many Redis answered and the CPU time so far, one line each time."""
        while True:
            await asyncio.sleep(REPORT_S)
            sys.stdout.write(f"published {self.published} cpu_s {time.process_time():.6f}\n")
            sys.stdout.flush()


async def collect(arguments: argparse.Namespace) -> None:
    """All of it, until the connection ends."""
    async with (
        redis.Redis.from_url(arguments.redis) as server,
        connect(f"{arguments.ws}/stream", compression=None, max_size=None) as ws,
        asyncio.TaskGroup() as tasks,
    ):
        collector = Collector(arguments.channel, arguments.symbols.split(","), server)
        others = [tasks.create_task(collector.flush_often()), tasks.create_task(collector.report())]
        await collector.run(ws)
        for other in others:
            other.cancel()


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description="A straightforward collector, for comparison.")
    parser.add_argument("--ws", required=True, help="the exchange's address, without a path")
    parser.add_argument("--redis", required=True, help="redis://…")
    parser.add_argument("--channel", required=True, choices=sorted(NORMALISE))
    parser.add_argument("--symbols", required=True, help="BTC-USDT,ETH-USDT,…")
    uvloop.run(collect(parser.parse_args()))


if __name__ == "__main__":
    main()
