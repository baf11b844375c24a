from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from typing import Literal

import pytest
import trustme
from sockets import Bed, Heard, Way, bed
from waiting import until
from websockets.asyncio.server import ServerConnection

from marketfeed.proxies import ProxyUrl
from marketfeed_shard.connection.ports import Disconnect
from marketfeed_shard.secrets import SecretError

PROXIED = [
    *(Way(library, tls, proxy) for library in ("picows", "websockets") for tls in (False, True) for proxy in ("http", "https")),
    *(Way("websockets", tls, proxy) for tls in (False, True) for proxy in ("socks5", "socks5h")),
]


@pytest.fixture(params=PROXIED, ids=str)
async def proxied(request: pytest.FixtureRequest, server_tls: ssl.SSLContext, test_ca: trustme.CA) -> AsyncIterator[Bed]:
    """A way through a proxy that wants credentials."""
    async with bed(request.param, server_tls, test_ca) as made:
        assert made.proxy is not None
        made.proxy.credentials = "user:p@ss word"
        made.credentials = ("user", "p@ss word")
        yield made


async def echo(connection: ServerConnection) -> None:
    """A server that sends back what it gets."""
    async for message in connection:
        await connection.send(message)


def words(why: Disconnect, caplog: pytest.LogCaptureFixture) -> str:
    """All that is told about a loss."""
    return why.reason + caplog.text


async def test_a_proxy_carries_messages_both_ways_for_who_knows_the_password(proxied: Bed) -> None:
    assert proxied.proxy is not None
    heard = Heard()
    opened = proxied.sockets(heard)
    url = await proxied.exchange(echo)
    opened.open(1, url)
    await until(lambda: "opened" in heard.told, "the opening")
    for size in (1, 1000, 100_000):
        opened.send(1, "x" * size)
    await until(lambda: len(heard.frames) == 3, "the echoes")
    assert [len(frame) for frame in heard.frames] == [1, 1000, 100_000]
    (asked,) = proxied.proxy.asked
    host, _, port = asked.rpartition(":")
    assert port == url.split(":")[2].split("/")[0]
    assert (host == "localhost") is (proxied.way.proxy != "socks5"), "only socks5 looks the name up itself"
    opened.close(1)


async def test_a_wrong_password_is_told_and_never_shown(proxied: Bed, caplog: pytest.LogCaptureFixture) -> None:
    assert proxied.proxy is not None
    proxied.credentials = ("user", "hunter2")
    heard = Heard()
    proxied.sockets(heard).open(1, await proxied.exchange(echo))
    (why,) = await until(lambda: heard.losses, "the loss")
    assert why.reason.startswith("proxy: ")
    assert (why.http_status, why.close_code) == (None, None), "it was not the exchange that refused"
    assert "hunter2" not in words(why, caplog)
    assert proxied.proxy.asked == []


async def test_what_a_proxy_does_not_connect_to_is_no_refusal_of_the_exchange(proxied: Bed) -> None:
    """An exchange's 403 is a ban; a proxy's is not."""
    assert proxied.proxy is not None
    proxied.proxy.refuses_with = 5 if (proxied.way.proxy or "").startswith("socks") else 403
    heard = Heard()
    proxied.sockets(heard).open(1, await proxied.exchange(echo))
    (why,) = await until(lambda: heard.losses, "the loss")
    assert why.reason.startswith("proxy: ")
    assert why.http_status is None


async def test_a_proxy_that_never_answers_is_given_up(proxied: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = asyncio.Event()

    async def ignore(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()  # until the client ends it
        ended.set()

    assert proxied.proxy is not None
    monkeypatch.setattr(proxied.proxy, "speak", ignore)
    heard = Heard()
    proxied.sockets(heard, timeout_s=0.3).open(1, await proxied.exchange(echo))
    await until(lambda: heard.losses, "the loss")
    assert heard.losses == [Disconnect("no connection within 0.3 s")]
    await asyncio.wait_for(ended.wait(), 10)


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-OpenSSH_9.2\r\n\r\n", b"HTTP/1.1 200"])
async def test_what_is_no_proxy_is_told_in_words(proxied: Bed, monkeypatch: pytest.MonkeyPatch, answer: bytes) -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(3)
        writer.write(answer)
        await writer.drain()

    assert proxied.proxy is not None
    monkeypatch.setattr(proxied.proxy, "speak", babble)
    heard = Heard()
    proxied.sockets(heard).open(1, await proxied.exchange(echo))
    (why,) = await until(lambda: heard.losses, "the loss")
    assert why.reason != "a fault of this program"


async def test_a_proxy_that_is_not_there_is_a_loss(proxied: Bed, caplog: pytest.LogCaptureFixture) -> None:
    assert proxied.proxy is not None
    proxied.proxy.port = 1
    heard = Heard()
    proxied.sockets(heard).open(1, await proxied.exchange(echo))
    (why,) = await until(lambda: heard.losses, "the loss")
    assert why.reason
    assert "fault" not in words(why, caplog)
    assert "p@ss word" not in words(why, caplog)


@pytest.mark.parametrize("library", ["picows", "websockets"])
@pytest.mark.parametrize(("tls", "proxy"), [(False, "https"), (True, None), (True, "http")], ids=str)
async def test_certificates_of_the_exchange_and_of_the_proxy_are_checked(
    server_tls: ssl.SSLContext, test_ca: trustme.CA, library: Literal["picows", "websockets"], tls: bool, proxy: str | None
) -> None:
    async with bed(Way(library, tls, proxy), server_tls, test_ca) as made:
        made.client_tls = ssl.create_default_context()  # without the test's authority
        heard = Heard()
        made.sockets(heard).open(1, await made.exchange(echo))
        (why,) = await until(lambda: heard.losses, "the loss")
        assert "CERTIFICATE_VERIFY_FAILED" in why.reason


async def test_the_address_is_asked_for_again_for_each_connection(proxied: Bed, server_tls: ssl.SSLContext) -> None:
    addresses: list[ProxyUrl | None] = []
    heard = Heard()
    opened = proxied.sockets(heard, proxy=lambda: addresses.pop(0))
    url = await proxied.exchange(echo)
    addresses.append(None)
    opened.open(1, url)
    await until(lambda: heard.told.count("opened") == 1, "the first")
    assert proxied.proxy is not None
    assert proxied.proxy.asked == []
    addresses.append(proxied.proxy_url())
    opened.open(2, url)
    await until(lambda: heard.told.count("opened") == 2, "the second")
    assert len(proxied.proxy.asked) == 1
    opened.close(1)
    opened.close(2)


async def test_without_an_address_there_is_no_attempt_at_the_exchange(way: Bed) -> None:
    def missing() -> ProxyUrl:
        raise SecretError("key url of Secret proxy: there is no file")

    asked = []

    async def note(connection: ServerConnection) -> None:
        asked.append(connection)

    heard = Heard()
    way.sockets(heard, proxy=missing).open(1, await way.exchange(note))
    await until(lambda: heard.losses, "the loss")
    assert heard.losses == [Disconnect("key url of Secret proxy: there is no file")]
    assert asked == []
