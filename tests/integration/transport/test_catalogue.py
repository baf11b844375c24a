from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import sockets
from aiohttp import web
from aiohttp.test_utils import RawTestServer
from assignments import assignment
from proxies import HttpProxy
from waiting import until
from websockets.asyncio.server import ServerConnection, serve

from marketfeed.clock import SystemClock
from marketfeed.exchanges import catalogue as exchanges
from marketfeed.exchanges.exchange import Call
from marketfeed.resource import Endpoint, FromSecret, Proxy, SecretKeyRef
from marketfeed_shard.kernel.plain import PlainEngine
from marketfeed_shard.recovery.ports import Answer
from marketfeed_shard.secrets import Secrets
from marketfeed_shard.transport import catalogue


@pytest.mark.parametrize(
    ("exchange", "transport", "offers"),
    [("okx", "websockets", True), ("binance", "websockets", False), ("okx", "picows", False)],
)
async def test_the_transport_is_the_manifest_s_and_compression_the_exchange_s(
    exchange: str, transport: str, offers: bool
) -> None:
    offered: list[bool] = []

    async def note(connection: ServerConnection) -> None:
        assert connection.request is not None
        offered.append("permessage-deflate" in connection.request.headers.get("Sec-WebSocket-Extensions", ""))
        await connection.wait_closed()

    wanted = assignment().model_copy(update={"transport": transport})
    market, tls = exchanges.market(exchange, "spot"), ssl.create_default_context()
    opened = catalogue.sockets(wanted, market, PlainEngine(()), sockets.Heard(), Secrets(None), SystemClock(), tls)
    async with serve(note, "127.0.0.1", 0) as server:
        opened.open(1, f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        await until(lambda: offered, "the connection")
        opened.close(1)
    assert offered == [offers]


class Answers:
    """What became of REST calls."""

    def __init__(self) -> None:
        self.all: list[Answer | str] = []

    def answered(self, number: int, answer: Answer) -> None:
        self.all.append(answer)

    def failed(self, number: int, reason: str) -> None:
        self.all.append(reason)


@pytest.mark.parametrize("transport", ["picows", "websockets"])
async def test_sockets_and_rest_calls_go_through_the_proxy_that_a_secret_names(tmp_path: Path, transport: str) -> None:
    async def remain(connection: ServerConnection) -> None:
        await connection.wait_closed()

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text=request.path)

    proxy, heard, answers = HttpProxy("user:hunter2"), sockets.Heard(), Answers()
    async with proxy.serving(), serve(remain, "127.0.0.1", 0) as server, RawTestServer(answer) as rest:
        (tmp_path / "proxy").mkdir()
        (tmp_path / "proxy" / "url").write_text(f"http://user:hunter2@127.0.0.1:{proxy.port}\n")
        reference = FromSecret(secret_key_ref=SecretKeyRef(name="proxy", key="url"))
        ws, base = f"127.0.0.1:{server.sockets[0].getsockname()[1]}", f"127.0.0.1:{rest.port}"
        changes = {"transport": transport, "proxy": Proxy(url_from=reference), "endpoint": Endpoint(rest=f"http://{base}")}
        wanted = assignment().model_copy(update=changes)
        market, secrets, tls = exchanges.market("binance", "spot"), Secrets(tmp_path), ssl.create_default_context()
        opened = catalogue.sockets(wanted, market, PlainEngine(()), heard, secrets, SystemClock(), tls)
        client = catalogue.rest(wanted, market, answers, secrets, SystemClock(), tls)
        opened.open(1, f"ws://{ws}/stream")
        client.get(1, Call("/api/v3/ping"))
        await until(lambda: "opened" in heard.told and answers.all, "both")
        opened.close(1)
        await client.close()
    (got,) = answers.all
    assert isinstance(got, Answer)
    assert got.body == b"/api/v3/ping"
    assert sorted(proxy.asked) == sorted((ws, base))
