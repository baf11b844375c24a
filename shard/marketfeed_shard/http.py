"""The four addresses at which a process tells how it is: `/healthz`, `/readyz`, `/status`, `/metrics`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import orjson
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST


class Health(Protocol):
    """What is told there."""

    async def unready(self) -> Sequence[str]:
        """Why it is not ready, a line each; empty when it is."""
        ...

    async def status(self) -> dict[str, Any]:
        """The JSON object of `/status`."""
        ...

    async def metrics(self) -> bytes:
        """The metrics in Prometheus' text format."""
        ...


class HttpServer:
    """Answers until `close`."""

    def __init__(self, health: Health) -> None:
        self._health = health
        app = web.Application()
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/status", self._status)
        app.router.add_get("/metrics", self._metrics)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False)

    async def start(self, host: str, port: int) -> None:
        """Listen. Raises `OSError` where the address cannot be had."""
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()

    async def close(self) -> None:
        """Listen no more."""
        await self._runner.cleanup()

    async def _healthz(self, request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, request: web.Request) -> web.Response:
        reasons = await self._health.unready()
        if not reasons:
            return web.Response(text="ready\n")
        return web.Response(status=503, text="".join(f"{reason}\n" for reason in reasons))

    async def _status(self, request: web.Request) -> web.Response:
        return web.Response(body=orjson.dumps(await self._health.status()), content_type="application/json")

    async def _metrics(self, request: web.Request) -> web.Response:
        return web.Response(body=await self._health.metrics(), headers={"Content-Type": CONTENT_TYPE_LATEST})
