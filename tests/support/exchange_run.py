"""A feed on a simulated exchange: `marketfeed run` with its shards, a real Redis, a consumer and its judge."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

from feed_run import FeedRun, manifest
from received import Consumer, assert_counted
from redis_server import RedisServer
from simulated import simulated
from verdict import Event, Judge
from waiting import until

from marketfeed.exchanges.catalogue import MARKETS
from marketfeed_simulator.server import Simulator

CHANNELS = ("trades", "bbo", "book")
SYMBOLS = {
    "spot": ("BTC-USDT", "ETH-USDT"),
    "linear": ("BTC-USDT-PERP", "ETH-USDT-PERP"),
    "inverse": ("BTC-USD-PERP", "ETH-USD-PERP"),
}


class ExchangeRun:
    """All parts of it; `running` starts and ends them."""

    def __init__(self, sim: Simulator, feed: FeedRun, consumer: Consumer, channels: Sequence[str]) -> None:
        self.sim, self.feed, self.consumer = sim, feed, consumer
        exchange = sim.exchange
        market = MARKETS[exchange.name, exchange.market]
        numbering = next(message.numbering for message in market.wire.messages if message.channel == "trades")
        self.judge = Judge(sim, channels, market.depth(None) if market.cuts_books else None, numbering)
        self.streams = len(channels) * len(sim.source.listings)

    @property
    def events(self) -> list[dict[str, Any]]:
        """All that the consumer has got."""
        return self.consumer.events

    async def live(self, deadline_s: float = 40.0) -> None:
        """Wait until the shards are ready, with all streams live and all books in step."""
        end = time.monotonic() + deadline_s
        while not (reports := await asyncio.to_thread(self.feed.status)) or not self._well(reports):
            assert time.monotonic() < end, f"not live: {reports}; {self.feed.err[-3000:]}"
            await asyncio.sleep(0.02)

    def _well(self, reports: Mapping[str, Any]) -> bool:
        books = [report["books"] for report in reports.values()]
        live = sum(report["streams"]["live"] for report in reports.values())
        ready = all(report["ready"] for report in reports.values())
        return ready and live == self.streams and all(kept["synced"] == kept["desired"] for kept in books)

    async def flow(self, events: int = 60) -> None:
        """Let the market run, and wait until so many more events have come."""
        self.sim.resume()
        before = len(self.events)
        await until(lambda: len(self.events) >= before + events, f"{events} more events; {self.feed.err[-2000:]}")

    async def gap(self, reason: str, deadline_s: float = 20.0) -> Event:
        """Wait for the next gap of a reason."""
        before = len(self.events)
        return dict(
            await until(
                lambda: next((e for e in self.events[before:] if e["type"] == "gap" and e["reason"] == reason), None),
                f"a gap of reason {reason}",
                deadline_s,
            )
        )

    async def settle(self, deadline_s: float = 20.0) -> None:
        """The market stands still; wait until the consumer has all, and assert that nothing is wrong with what it got."""
        self.sim.pause()
        await self.sim.emit(self.streams)
        end = time.monotonic() + deadline_s
        for turn in count(1):
            if turn % 10 == 0:
                await self.sim.emit(1)  # it may stand in the middle of a step, of which the truth has all
            self.sim.tell()
            self.judge.hear(self.events)
            assert not self.judge.wrong, "\n".join(self.judge.wrong[:10])
            lacks = self.judge.lacks()
            if not lacks:
                break
            assert time.monotonic() < end, f"not received: {lacks}; {self.feed.err[-2000:]}"
            await asyncio.sleep(0.05)
        assert_counted(self.events)
        assert not self.sim.violations, self.sim.violations


@asynccontextmanager
async def running(
    folder: Path,
    exchange: str,
    market: str,
    symbols: int | Sequence[str] | None = None,
    channels: Sequence[str] = CHANNELS,
    *,
    source: Mapping[str, Any] | None = None,
    spec: Mapping[str, Any] | None = None,
    env: Mapping[str, str] | None = None,
    before: Callable[[Simulator], None] | None = None,
    strangers: Sequence[str] = (),
    **options: Any,
) -> AsyncIterator[ExchangeRun]:
    """`source` and `spec` add to the manifest, `options` are those of `simulated`; `before`: done before the feed starts.

    `strangers`: symbols of the manifest that the exchange does not list.
    """
    wanted = SYMBOLS[market] if symbols is None else symbols
    redis_server = RedisServer(folder)
    redis_server.start()
    consumer, feed = Consumer(redis_server.port), FeedRun(folder)
    try:
        consumer.start()
        async with simulated(exchange, market, wanted, **{"rate": 200.0} | options) as sim:
            if before is not None:
                before(sim)
            place = {"exchange": exchange, "market": market, **(source or {})}
            names = [*(listing.symbol for listing in sim.source.listings), *strangers]
            sinks = {"redisPubSub": {"url": redis_server.url, "maxAge": "1m"}}
            feed.start(manifest(sim.ws_url, sim.rest_url, names, channels, sinks, source=place, **(spec or {})), env)
            yield ExchangeRun(sim, feed, consumer, channels)
            assert await asyncio.to_thread(feed.stop) == 0
    finally:
        await asyncio.to_thread(feed.close)
        consumer.stop()
        redis_server.kill()
