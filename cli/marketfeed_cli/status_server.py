"""The status of all shards at one address: `/status`, `/metrics`, `/healthz`, `/readyz`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

import aiohttp
import orjson
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from marketfeed_cli.merged_metrics import merge

TIMEOUT_S: Final = 2.0
"""For one shard's answer: on loopback, a shard that is well takes milliseconds."""


class ShardStatus:
    """Asks shards how they are."""

    def __init__(self, addresses: Callable[[], Mapping[str, str]]) -> None:
        """`addresses`: shard → base URL, of those that run now."""
        self.addresses = addresses
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S))

    async def close(self) -> None:
        await self._session.close()

    async def of(self, shard: str) -> dict[str, Any]:
        """One shard's `/status`; without an answer `ready` is false, and `error` says why."""
        try:
            found = orjson.loads(await self._get(self.addresses()[shard], "/status"))
        except (aiohttp.ClientError, TimeoutError, KeyError, orjson.JSONDecodeError) as error:
            return {"shard": shard, "ready": False, "error": f"no answer: {type(error).__name__} {error}".strip()}
        return found if isinstance(found, dict) else {"shard": shard, "ready": False, "error": "its status is no object"}

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
        unready = [name for name, report in (await self._status.all_of_them()).items() if report.get("ready") is not True]
        if not unready:
            return web.Response(text="ready\n")
        return web.Response(status=503, text="".join(f"{name} is not ready\n" for name in unready))

    async def _all(self, request: web.Request) -> web.Response:
        return web.Response(body=orjson.dumps(await self._status.all_of_them()), content_type="application/json")

    async def _metrics(self, request: web.Request) -> web.Response:
        merged = await asyncio.to_thread(merge, await self._status.metrics())
        return web.Response(body=merged, headers={"Content-Type": CONTENT_TYPE_LATEST})
