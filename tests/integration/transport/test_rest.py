from __future__ import annotations

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from time import time_ns
from typing import Any

import pytest
import trustme
from aiohttp import web
from aiohttp.test_utils import RawTestServer
from proxies import HttpProxy, Proxy, SocksProxy
from waiting import until

from marketfeed.clock import SystemClock
from marketfeed.exchanges.exchange import Call
from marketfeed.proxies import ProxyUrl
from marketfeed_shard.recovery.ports import Answer
from marketfeed_shard.secrets import SecretError
from marketfeed_shard.transport.rest import LARGEST_ANSWER_BYTES, MOST_CONNECTIONS, RestClient

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Heard:
    """What became of the calls."""

    def __init__(self) -> None:
        self.answers: dict[int, Answer] = {}
        self.failures: dict[int, str] = {}

    def answered(self, number: int, answer: Answer) -> None:
        self.answers[number] = answer

    def failed(self, number: int, reason: str) -> None:
        self.failures[number] = reason


class Bed:
    """An exchange's REST address, and a client of it."""

    def __init__(self, stack: AsyncExitStack, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
        self.heard = Heard()
        self.base = ""
        """Of the last server."""
        self.proxy: Callable[[], ProxyUrl | None] = lambda: None
        self._stack = stack
        self._server_tls = server_tls
        self._client_tls = client_tls

    async def client(self, handler: Handler, tls: bool = False, timeout_s: float = 20.0) -> RestClient:
        """A client of a server that answers every path so, until the end of the test."""
        server = RawTestServer(handler)
        self._stack.push_async_callback(server.close)
        await server.start_server(ssl=self._server_tls if tls else None)
        self.base = f"http{'s' if tls else ''}://localhost:{server.port}"
        return self.client_of(self.base, timeout_s)

    def client_of(self, base: str, timeout_s: float = 20.0) -> RestClient:
        client = RestClient(base, self.heard, SystemClock(), self._client_tls, lambda: self.proxy(), timeout_s)
        self._stack.push_async_callback(client.close)
        return client

    async def through(self, scheme: str) -> Proxy:
        """From now on calls go through a proxy that wants credentials."""
        proxy = (SocksProxy if scheme.startswith("socks") else HttpProxy)("user:p@ss")
        await self._stack.enter_async_context(proxy.serving(self._server_tls if scheme == "https" else None))
        self.proxy = lambda: ProxyUrl(scheme, "localhost", proxy.port, "user", "p@ss")
        return proxy

    async def over(self, number: int) -> None:
        """Wait until a call is."""
        await until(lambda: number in self.heard.answers or number in self.heard.failures, f"call {number} is over")


@pytest.fixture
async def bed(server_tls: ssl.SSLContext, test_ca: trustme.CA) -> AsyncIterator[Bed]:
    client_tls = ssl.create_default_context()
    test_ca.configure_trust(client_tls)
    async with AsyncExitStack() as stack:
        yield Bed(stack, server_tls, client_tls)


async def echo(request: web.BaseRequest) -> web.StreamResponse:
    """A server that answers with what it was asked."""
    return web.Response(text=str(request.raw_path))


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_an_answer_comes_with_its_status_its_body_and_its_time(bed: Bed, tls: bool) -> None:
    client = await bed.client(echo, tls)
    before_ns = time_ns()
    client.get(1, Call("/api/v3/depth?symbol=BTCUSDT&limit=5000"))
    assert bed.heard.answers == {}
    await bed.over(1)
    answer = bed.heard.answers[1]
    assert (answer.status, answer.body, answer.retry_after_s) == (200, b"/api/v3/depth?symbol=BTCUSDT&limit=5000", None)
    assert before_ns <= answer.received_ns <= time_ns()


async def test_names_are_written_as_urls_have_them_and_what_is_so_written_stays(bed: Bed) -> None:
    client = await bed.client(echo)
    client.get(1, Call("/klines?symbol=币安USDT"))
    client.get(2, Call("/klines?symbol=%E5%B8%81%E5%AE%89USDT"))
    await bed.over(1)
    await bed.over(2)
    assert bed.heard.answers[1].body == bed.heard.answers[2].body == b"/klines?symbol=%E5%B8%81%E5%AE%89USDT"


async def test_a_refusal_is_an_answer_with_how_long_to_wait(bed: Bed) -> None:
    async def refuse(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=429, text='{"code":-1003}', headers={"Retry-After": "17"})

    client = await bed.client(refuse)
    client.get(1, Call("/"))
    await bed.over(1)
    answer = bed.heard.answers[1]
    assert (answer.status, answer.body, answer.retry_after_s) == (429, b'{"code":-1003}', 17.0)


async def test_a_redirect_is_not_followed(bed: Bed) -> None:
    asked: list[str] = []

    async def redirect(request: web.BaseRequest) -> web.StreamResponse:
        asked.append(request.path)
        return web.Response(status=302, headers={"Location": "/elsewhere"})

    client = await bed.client(redirect)
    client.get(1, Call("/here"))
    await bed.over(1)
    assert bed.heard.answers[1].status == 302
    assert asked == ["/here"]


@pytest.mark.parametrize("packed", [False, True], ids=["as it is", "compressed"])
async def test_an_answer_beyond_the_bound_is_not_taken(bed: Bed, packed: bool) -> None:
    async def pour(request: web.BaseRequest) -> web.StreamResponse:
        body = bytes(LARGEST_ANSWER_BYTES + (request.path == "/more"))
        headers = {"Content-Encoding": "gzip"} if packed else {}
        return web.Response(body=gzip.compress(body, 1) if packed else body, headers=headers)

    client = await bed.client(pour)
    client.get(1, Call("/just"))
    client.get(2, Call("/more"))
    await bed.over(1)
    await bed.over(2)
    assert len(bed.heard.answers[1].body) == LARGEST_ANSWER_BYTES
    assert bed.heard.failures == {2: f"an answer of more than {LARGEST_ANSWER_BYTES} bytes"}


async def test_an_answer_that_does_not_come_is_given_up(bed: Bed) -> None:
    async def wait(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        if request.path == "/begun":
            await response.prepare(request)
            await response.write(b"[")
        await asyncio.sleep(60)
        return response

    client = await bed.client(wait, timeout_s=0.3)
    client.get(1, Call("/"))
    client.get(2, Call("/begun"))
    await bed.over(1)
    await bed.over(2)
    assert bed.heard.failures == dict.fromkeys((1, 2), "no answer within 0.3 s")


async def test_an_answer_that_is_cut_short_is_none(bed: Bed) -> None:
    async def cut(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"[1,2")
        assert request.transport is not None
        request.transport.abort()
        return response

    client = await bed.client(cut)
    client.get(1, Call("/"))
    await bed.over(1)
    assert bed.heard.answers == {}
    assert bed.heard.failures[1]


async def test_what_cannot_be_reached_is_told_in_words(bed: Bed) -> None:
    client = bed.client_of("http://localhost:1")
    client.get(1, Call("/"))
    await bed.over(1)
    assert "localhost:1" in bed.heard.failures[1]


async def test_a_certificate_that_nobody_vouches_for_is_refused(bed: Bed) -> None:
    bed._client_tls = ssl.create_default_context()
    client = await bed.client(echo, tls=True)
    client.get(1, Call("/"))
    await bed.over(1)
    assert "CERTIFICATE_VERIFY_FAILED" in bed.heard.failures[1]


async def test_a_call_that_is_let_go_of_is_not_heard_of_again(bed: Bed) -> None:
    asked, ended = asyncio.Event(), asyncio.Event()

    async def wait(request: web.BaseRequest) -> web.StreamResponse:
        asked.set()
        try:
            await asyncio.sleep(60)
        finally:  # cancelled, for the client is gone
            ended.set()
        return web.Response()

    client = await bed.client(wait)
    client.get(1, Call("/"))
    await asyncio.wait_for(asked.wait(), 10)
    client.cancel(1)
    client.cancel(1)
    client.cancel(2)
    await asyncio.wait_for(ended.wait(), 10)
    assert (bed.heard.answers, bed.heard.failures) == ({}, {})


async def test_the_end_lets_go_of_all_calls(bed: Bed) -> None:
    asked = asyncio.Event()

    async def wait(request: web.BaseRequest) -> web.StreamResponse:
        asked.set()
        await asyncio.sleep(60)
        return web.Response()

    client = await bed.client(wait)
    client.get(1, Call("/"))
    await asyncio.wait_for(asked.wait(), 10)
    await client.close()
    await client.close()
    assert (bed.heard.answers, bed.heard.failures) == ({}, {})


async def test_no_more_calls_are_under_way_at_a_time_than_the_bound(bed: Bed) -> None:
    under_way = most = 0
    go = asyncio.Event()

    async def hold(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal under_way, most
        if request.path == "/held":
            under_way += 1
            most = max(most, under_way)
            await go.wait()
            under_way -= 1
        return web.Response()

    client = await bed.client(hold)
    other = bed.client_of(bed.base)
    for number in range(3 * MOST_CONNECTIONS):
        client.get(number, Call("/held"))
    await until(lambda: under_way == MOST_CONNECTIONS, "as many as there may be")
    for number in (100, 101, 102):  # time enough for those that may not be
        other.get(number, Call("/"))
        await bed.over(number)
    go.set()
    await until(lambda: len(bed.heard.answers) == 3 * MOST_CONNECTIONS + 3, "all answers")
    assert most == MOST_CONNECTIONS


async def test_a_fault_of_ours_is_shown_and_the_call_is_over(
    bed: Bed, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*arguments: Any) -> None:
        raise ZeroDivisionError("a fault of ours")

    monkeypatch.setattr("marketfeed_shard.transport.rest.retry_after.seconds", fail)
    client = await bed.client(echo)
    client.get(1, Call("/"))
    await bed.over(1)
    assert bed.heard.failures == {1: "a fault of this program"}
    assert "ZeroDivisionError" in caplog.text


# ---- proxies ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("scheme", ["http", "https", "socks5", "socks5h"])
async def test_calls_go_through_the_proxy(bed: Bed, scheme: str, tls: bool) -> None:
    client = await bed.client(echo, tls)
    proxy = await bed.through(scheme)
    client.get(1, Call("/path?query=1"))
    await bed.over(1)
    assert bed.heard.failures == {}
    assert bed.heard.answers[1].body == b"/path?query=1"
    (asked,) = proxy.asked
    assert asked.startswith("localhost:") is (scheme != "socks5"), "only socks5 looks the name up itself"


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("scheme", ["http", "https", "socks5", "socks5h"])
async def test_a_proxy_that_wants_another_password_is_told_and_the_password_is_not(
    bed: Bed, scheme: str, tls: bool, caplog: pytest.LogCaptureFixture
) -> None:
    client = await bed.client(echo, tls)
    proxy = await bed.through(scheme)
    bed.proxy = lambda: ProxyUrl(scheme, "localhost", proxy.port, "user", "hunter2")
    client.get(1, Call("/"))
    await bed.over(1)
    assert bed.heard.answers == {}, "a proxy's refusal is not the exchange's"
    assert bed.heard.failures[1].startswith("proxy: ")
    assert "hunter2" not in bed.heard.failures[1] + caplog.text
    assert proxy.asked == []


@pytest.mark.parametrize("scheme", ["http", "https", "socks5", "socks5h"])
@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-OpenSSH_9.2\r\n\r\n", b"HTTP/1.1 200"])
async def test_what_is_no_proxy_is_told_in_words(bed: Bed, monkeypatch: pytest.MonkeyPatch, scheme: str, answer: bytes) -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(3)
        writer.write(answer)
        await writer.drain()

    client = await bed.client(echo)
    proxy = await bed.through(scheme)
    monkeypatch.setattr(proxy, "speak", babble)
    client.get(1, Call("/"))
    await bed.over(1)
    assert bed.heard.failures[1] != "a fault of this program"


@pytest.mark.parametrize(("before", "after"), [("http", "socks5h"), ("socks5h", "http")])
async def test_the_address_is_asked_for_again_for_each_call(bed: Bed, before: str, after: str) -> None:
    client = await bed.client(echo)
    client.get(1, Call("/"))
    await bed.over(1)
    first = await bed.through(before)
    client.get(2, Call("/"))
    await bed.over(2)
    second = await bed.through(after)
    client.get(3, Call("/"))
    await bed.over(3)
    assert set(bed.heard.answers) == {1, 2, 3}
    assert (len(first.asked), len(second.asked)) == (1, 1)


async def test_without_an_address_no_call_is_made(bed: Bed) -> None:
    def missing() -> ProxyUrl:
        raise SecretError("key url of Secret proxy: there is no file")

    bed.proxy = missing
    client = await bed.client(echo)
    client.get(1, Call("/"))
    await bed.over(1)
    assert bed.heard.failures == {1: "key url of Secret proxy: there is no file"}
