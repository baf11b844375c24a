"""The status of all shards at one address: `/status`, `/metrics`, `/healthz`, `/readyz`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

import aiohttp
import orjson
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from marketfeed.assignment import Assignment
from marketfeed.report import BooksReport, PublisherReport, PublisherState, ShardReport, StreamsReport
from marketfeed_cli.merged_metrics import merge

TIMEOUT_S: Final = 2.0
"""For one shard's answer: on loopback, a shard that is well takes milliseconds."""


class ShardStatus:
    """Asks shards how they are."""

    def __init__(self, addresses: Callable[[], Mapping[str, str]], assigned: Callable[[str], Assignment]) -> None:
        """`addresses`: shard → base URL, of those that run now. `assigned`: what one of them shall hold."""
        self.addresses = addresses
        self._assigned = assigned
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S))

    async def close(self) -> None:
        await self._session.close()

    def of(self, shard: str) -> Coroutine[Any, Any, dict[str, Any]]:
        """One shard's `/status`; without an answer one of the same form, in which `ready` is false and `error` says why."""
        return self._of(shard, self._assigned(shard))  # looked up now: when the answer is there, the shard may be gone

    async def _of(self, shard: str, assigned: Assignment) -> dict[str, Any]:
        try:
            found = orjson.loads(await self._get(self.addresses()[shard], "/status"))
        except (aiohttp.ClientError, TimeoutError, KeyError, orjson.JSONDecodeError) as error:
            return _silent(assigned, f"no answer: {type(error).__name__} {error}".strip())
        return found if isinstance(found, dict) else _silent(assigned, "its status is no object")

    async def all_of_them(self) -> dict[str, dict[str, Any]]:
        """By shard."""
        names = list(self.addresses())
        return dict(zip(names, await asyncio.gather(*(self.of(name) for name in names)), strict=True))

    async def metrics(self) -> list[str]:
        """Of those that answer, in Prometheus' text format."""
        pages = [self._get(url, "/metrics") for url in self.addresses().values()]
        answers = await asyncio.gather(*pages, return_exceptions=True)
        return [answer.decode() for answer in answers if isinstance(answer, bytes)]

    async def _get(self, url: str, path: str) -> bytes:
        async with self._session.get(url + path) as answer:
            answer.raise_for_status()
            return await answer.read()


class StatusServer:
    """Serves them until `close`."""

    def __init__(self, status: ShardStatus) -> None:
        self._status = status
        app = web.Application()
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/status", self._all)
        app.router.add_get("/metrics", self._metrics)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False)

    async def start(self, host: str, port: int) -> None:
        """Listen. Raises `OSError` where the address cannot be had."""
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()

    async def close(self) -> None:
        await self._runner.cleanup()

    async def _healthz(self, request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, request: web.Request) -> web.Response:
        reports = await self._status.all_of_them()
        if not reports:
            return web.Response(status=503, text="no shard runs\n")
        unready = [name for name, report in reports.items() if report.get("ready") is not True]
        if not unready:
            return web.Response(text="ready\n")
        return web.Response(status=503, text="".join(f"{name} is not ready\n" for name in unready))

    async def _all(self, request: web.Request) -> web.Response:
        return web.Response(body=orjson.dumps(await self._status.all_of_them()), content_type="application/json")

    async def _metrics(self, request: web.Request) -> web.Response:
        merged = await asyncio.to_thread(merge, await self._status.metrics())
        return web.Response(body=merged, headers={"Content-Type": CONTENT_TYPE_LATEST})


def _silent(assigned: Assignment, error: str) -> dict[str, Any]:
    """A report in the place of a shard that does not answer: it carries nothing, not even a generation."""
    sinks = assigned.publishers.model_dump(by_alias=True, exclude_none=True)
    report = ShardReport(
        shard=assigned.shard,
        exchange=assigned.exchange,
        market=assigned.market,
        generation=0,
        ready=False,
        streams=StreamsReport(desired=sum(len(symbol.channels) for symbol in assigned.symbols)),
        connections=[],
        books=BooksReport(),
        publishers={name: PublisherReport(PublisherState.CONNECTING, 0, 0, 0, 0.0, error) for name in sinks},
        engine="",
        reasons=[error],
    )
    return {**report.as_dict(), "error": error}
