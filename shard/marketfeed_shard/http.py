"""The shard's HTTP server: `/healthz`, `/readyz`, `/status`, `/metrics`."""

from __future__ import annotations

import orjson
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from marketfeed_shard.observe import Metrics, Observer


class HttpServer:
    """Answers from the observer; runs until `close`."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(Metrics(observer))
        app = web.Application()
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/status", self._status)
        app.router.add_get("/metrics", self._metrics)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False)

    async def start(self, host: str, port: int) -> None:
        """Listen. Raises `OSError` where the address is taken."""
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()

    async def close(self) -> None:
        """Listen no more."""
        await self._runner.cleanup()

    async def _healthz(self, request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, request: web.Request) -> web.Response:
        report = self._observer.report()
        if report.ready:
            return web.Response(text="ready\n")
        return web.Response(status=503, text="".join(f"{reason}\n" for reason in report.reasons))

    async def _status(self, request: web.Request) -> web.Response:
        return web.Response(body=orjson.dumps(self._observer.report().as_dict()), content_type="application/json")

    async def _metrics(self, request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})
