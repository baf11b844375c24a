"""A client of a simulated exchange: WebSocket and HTTP, with deadlines."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from marketfeed_simulator.server import Simulator


def client(sim: Simulator, path: str = "/stream", **options: Any) -> connect:
    return connect(sim.ws_url + path, compression=None, max_size=None, **options)


async def request(ws: ClientConnection, method: str, params: Sequence[Any] = (), number: int = 1) -> Any:
    """Ask, and read up to the answer, which is returned."""
    await ws.send(json.dumps({"method": method, "params": list(params), "id": number}))
    while True:
        body = json.loads(await asyncio.wait_for(ws.recv(), 10))
        if "result" in body or "error" in body:
            return body


async def closing(ws: ClientConnection) -> tuple[int | None, str | None]:
    """Read to the end: code and reason of the close frame."""
    async with asyncio.timeout(10):
        while ws.close_code is None:
            with suppress(ConnectionClosed):
                await ws.recv()
    return ws.close_code, ws.close_reason


async def received(ws: ClientConnection, count: int) -> list[str]:
    return [str(await asyncio.wait_for(ws.recv(), 10)) for _ in range(count)]


async def fetch(url: str, **options: Any) -> tuple[int, Any, dict[str, str]]:
    def get() -> tuple[int, Any, dict[str, str]]:
        try:
            with urllib.request.urlopen(url, timeout=10, **options) as reply:
                return reply.status, json.load(reply), dict(reply.headers)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error), dict(error.headers)

    return await asyncio.to_thread(get)
