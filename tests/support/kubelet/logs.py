"""What `kubectl logs` asks a node for, over TLS with a certificate of the moment: the API server does not check it."""

from __future__ import annotations

import ssl
from pathlib import Path

import trustme
from aiohttp import web


class LogServer:
    """Serves the newest log of each container under the folder of the node's pods."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._runner: web.AppRunner | None = None

    async def start(self, host: str) -> int:
        """The port."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        trustme.CA().issue_cert(host).configure_cert(context)
        app = web.Application()
        app.router.add_get("/containerLogs/{namespace}/{pod}/{container}", self._log)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, 0, ssl_context=context)
        await site.start()
        return int(self._runner.addresses[0][1])

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _log(self, request: web.Request) -> web.Response:
        wanted = request.match_info
        runs = self._folder.glob(f"{wanted['namespace']}_{wanted['pod']}_*/{wanted['container']}/*/log")
        by_time = sorted(runs, key=lambda log: log.stat().st_mtime)
        skipped = 1 if request.query.get("previous") == "true" else 0
        if len(by_time) <= skipped:
            raise web.HTTPNotFound(text="no such container has run here")
        lines = by_time[-1 - skipped].read_bytes().splitlines(keepends=True)
        tail = request.query.get("tailLines")
        return web.Response(body=b"".join(lines[-int(tail) :] if tail else lines))
