from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import orjson
import pytest
from aiohttp import web
from proxies import HOST, HttpProxy, SocksProxy
from redis_server import free_port

from marketfeed.listing import InstrumentsError
from marketfeed.resource import FromSecret, Proxy, SecretKeyRef
from marketfeed.selection import ListAddress
from marketfeed_operator import fetch
from marketfeed_operator.fetch import ask

ROW = {"symbol": "BTCUSDT", "status": "TRADING", "baseAsset": "BTC", "quoteAsset": "USDT", "filters": []}


class Rest:
    """An exchange's REST server that answers as it is told."""

    def __init__(self, port: int) -> None:
        self.address = ListAddress("binance", "spot", f"http://127.0.0.1:{port}")
        self.answer_with = web.Response(body=orjson.dumps({"symbols": [ROW]}))
        self.asked: list[str] = []

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.path_qs)
        return self.answer_with


@pytest.fixture
async def rest() -> AsyncIterator[Rest]:
    rest, app = Rest(port := free_port()), web.Application()
    app.router.add_get("/{path:.*}", rest.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield rest
    await runner.cleanup()


async def test_a_list_is_asked_for_at_the_market_s_path(rest: Rest) -> None:
    listing = await ask(rest.address, volumes=False)
    assert list(listing.instruments) == ["BTC-USDT"]
    assert rest.asked == ["/api/v3/exchangeInfo"]


@pytest.mark.parametrize("status", [404, 301, 500])
async def test_any_other_answer_is_told(rest: Rest, status: int) -> None:
    rest.answer_with = web.Response(status=status, headers={"Location": "/elsewhere"})
    with pytest.raises(InstrumentsError, match=f"/api/v3/exchangeInfo: answered {status}"):
        await ask(rest.address, volumes=False)
    assert len(rest.asked) == 1


async def test_why_it_is_refused_is_told_in_the_exchange_s_own_words(rest: Rest) -> None:
    rest.answer_with = web.Response(status=400, body=b'{"code":-1130,"msg":"Data sent is not valid."}')
    with pytest.raises(InstrumentsError, match=r"answered 400: -1130: Data sent is not valid\.$"):
        await ask(rest.address, volumes=False)


async def test_an_answer_without_end_is_not_kept(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "MOST_BYTES", 1 << 20)
    rest.answer_with = web.Response(body=bytes((1 << 20) + 1))
    with pytest.raises(InstrumentsError, match="longer than 1 MiB"):
        await ask(rest.address, volumes=False)


async def test_an_exchange_that_is_away_is_told() -> None:
    with pytest.raises(InstrumentsError, match="Cannot connect"):
        await ask(ListAddress("binance", "spot", f"http://127.0.0.1:{free_port()}"), volumes=False)


# ---- proxies -------------------------------------------------------------------------------------------------------------

SECRET = FromSecret(secret_key_ref=SecretKeyRef(name="proxy", key="url"))


@pytest.mark.parametrize(("kind", "scheme"), [(HttpProxy, "http"), (SocksProxy, "socks5h")])
async def test_a_list_comes_through_the_proxy_that_the_source_names(
    rest: Rest, kind: type[HttpProxy | SocksProxy], scheme: str
) -> None:
    proxy = kind()
    async with proxy.serving():
        address = replace(rest.address, proxy=Proxy(url=f"{scheme}://{HOST}:{proxy.port}"))
        listing = await ask(address, volumes=False)
    assert list(listing.instruments) == ["BTC-USDT"]
    assert proxy.asked == [rest.address.rest.removeprefix("http://")]


async def test_the_address_of_a_proxy_may_stand_in_a_secret(rest: Rest) -> None:
    proxy = HttpProxy("user:hunter2")
    async with proxy.serving():
        address = replace(rest.address, proxy=Proxy(url_from=SECRET))
        await ask(address, volumes=False, secrets=lambda reference: f"http://user:hunter2@{HOST}:{proxy.port}")
    assert len(proxy.asked) == 1


async def test_what_a_proxy_refuses_is_told_without_its_credentials(rest: Rest) -> None:
    proxy = HttpProxy("user:hunter2")
    async with proxy.serving():
        address = replace(rest.address, proxy=Proxy(url_from=SECRET))
        with pytest.raises(InstrumentsError, match="answered 407") as caught:
            await ask(address, volumes=False, secrets=lambda reference: f"http://user:hunter3@{HOST}:{proxy.port}")
    assert "hunter" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_a_proxy_that_is_away_is_told(rest: Rest, scheme: str) -> None:
    address = replace(rest.address, proxy=Proxy(url=f"{scheme}://{HOST}:{free_port()}"))
    with pytest.raises(InstrumentsError, match=f"exchangeInfo: proxy {scheme}://{HOST}:"):
        await ask(address, volumes=False)
    assert rest.asked == []


async def test_who_may_read_no_secret_asks_without_the_proxy_and_says_so_where_that_fails(rest: Rest) -> None:
    address = replace(rest.address, proxy=Proxy(url_from=SECRET))
    assert list((await ask(address, volumes=False)).instruments) == ["BTC-USDT"]
    rest.answer_with = web.Response(status=451)
    with pytest.raises(InstrumentsError, match=r"answered 451 \(asked without the proxy: its address is in a Secret"):
        await ask(address, volumes=False)
