from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web
from redis_server import free_port

from marketfeed.assignment import Assignment, EffectiveLimits, Share, SymbolStreams
from marketfeed.resource import Endpoint, Grpc, Publishers
from marketfeed_cli.shard_status import ShardStatus
from marketfeed_shard.http import HttpServer

METRICS = '# TYPE ws_active_connections gauge\nws_active_connections{{exchange="binance"}} {}\n'


def assigned(shard: str) -> Assignment:
    return Assignment(
        generation=7,
        feed="feed",
        shard=shard,
        exchange="binance",
        market="spot",
        symbols=(SymbolStreams(symbol="BTC-USDT", native="BTCUSDT", channels=("trades", "book")),),
        endpoint=Endpoint(),
        limits=EffectiveLimits(streams_per_connection=900, messages_per_second=2.0),
        connects=Share(count=300, seconds=300.0),
        publishers=Publishers(grpc=Grpc()),
    )


class Shards:
    """Shards that answer as they are told, and the server in front of them."""

    def __init__(self) -> None:
        self.addresses: dict[str, str] = {}
        self.url = ""
        self._runners: list[web.AppRunner] = []

    async def add(self, name: str, status: Any, connections: int = 1) -> None:
        async def answer(request: web.Request) -> web.Response:
            return web.Response(body=orjson.dumps(status))

        async def metrics(request: web.Request) -> web.Response:
            return web.Response(text=METRICS.format(connections))

        app = web.Application()
        app.router.add_get("/status", answer)
        app.router.add_get("/metrics", metrics)
        runner = web.AppRunner(app)
        self._runners.append(runner)
        await runner.setup()
        port = free_port()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        self.addresses[name] = f"http://127.0.0.1:{port}"

    async def get(self, path: str) -> tuple[int, str]:
        async with aiohttp.ClientSession() as session, session.get(self.url + path) as answer:
            return answer.status, await answer.text()

    async def close(self) -> None:
        for runner in self._runners:
            await runner.cleanup()


@pytest.fixture
async def shards() -> AsyncIterator[Shards]:
    shards, port = Shards(), free_port()
    status = ShardStatus(lambda: shards.addresses, assigned)
    server = HttpServer(status)
    await server.start("127.0.0.1", port)
    shards.url = f"http://127.0.0.1:{port}"
    yield shards
    await server.close()
    await status.close()
    await shards.close()


async def test_status_is_one_object_by_shard_and_a_silent_shard_is_in_it(shards: Shards) -> None:
    await shards.add("a", {"shard": "a", "ready": True})
    shards.addresses["b"] = f"http://127.0.0.1:{free_port()}"
    code, text = await shards.get("/status")
    found = orjson.loads(text)
    assert code == 200
    assert found["a"] == {"shard": "a", "ready": True}
    error = found["b"]["error"]
    assert "no answer" in error
    assert found["b"] == {
        "shard": "b", "exchange": "binance", "market": "spot", "generation": 0, "ready": False,
        "streams": {"desired": 2, "live": 0, "stale": [], "rejected": [], "unproven": []},
        "connections": [],
        "books": {"desired": 1, "synced": 0, "gaps": 0, "resyncs": 0},
        "catalogue": {"state": "unknown", "age": None, "error": None, "halted": []},
        "publishers": {
            "grpc": {"state": "connecting", "queued_bytes": 0, "published": 0, "dropped": 0, "lag": 0.0, "error": error}
        },
        "engine": "", "reasons": [error], "error": error,
    }  # fmt: skip


async def test_a_shard_that_answers_something_else_is_not_ready(shards: Shards) -> None:
    await shards.add("a", ["odd"])
    assert orjson.loads((await shards.get("/status"))[1])["a"]["ready"] is False


async def test_ready_means_that_all_are(shards: Shards) -> None:
    assert await shards.get("/readyz") == (503, "no shard runs\n")
    await shards.add("a", {"ready": True})
    assert (await shards.get("/readyz"))[0] == 200
    await shards.add("b", {"ready": False})
    assert await shards.get("/readyz") == (503, "b is not ready\n")
    assert (await shards.get("/healthz"))[0] == 200


async def test_metrics_are_those_of_the_shards_that_answer_added_up(shards: Shards) -> None:
    await shards.add("a", {}, connections=2)
    await shards.add("b", {}, connections=3)
    shards.addresses["c"] = f"http://127.0.0.1:{free_port()}"
    code, text = await shards.get("/metrics")
    assert code == 200
    assert 'ws_active_connections{exchange="binance"} 5.0' in text
