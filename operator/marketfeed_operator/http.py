"""The operator's own HTTP server: `/healthz`, `/readyz`, `/metrics`."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from marketfeed_operator.metrics import Metrics


class HttpServer:
    """Answers until `close`."""

    def __init__(self, metrics: Metrics, unready: Callable[[], str]) -> None:
        """`unready`: why the operator can do nothing; empty when it acts or stands by."""
        self._metrics = metrics
        self._unready = unready
        app = web.Application()
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._page)
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
        reason = self._unready()
        return web.Response(status=503, text=f"{reason}\n") if reason else web.Response(text="ready\n")

    async def _page(self, request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(self._metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})
