from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import orjson
import pytest
from aiohttp import web
from redis_server import free_port

from marketfeed.listing import InstrumentsError
from marketfeed.selection import ListAddress
from marketfeed.validation import parse
from marketfeed_cli import instruments
from marketfeed_cli.instruments import ask
from marketfeed_cli.lists import Lists

ROW = {"symbol": "BTCUSDT", "status": "TRADING", "baseAsset": "BTC", "quoteAsset": "USDT", "filters": []}
INFO = orjson.dumps({"symbols": [ROW]})


class Rest:
    """An exchange's REST server that answers as it is told."""

    def __init__(self, port: int) -> None:
        self.address = ListAddress("binance", "spot", f"http://127.0.0.1:{port}")
        self.answers: dict[str, tuple[int, bytes]] = {"/api/v3/exchangeInfo": (200, INFO)}
        self.asked: list[str] = []

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.path_qs)
        status, body = self.answers.get(request.path, (404, b""))
        return web.Response(status=status, body=body)

    def feed(self, **selector: Any) -> Any:
        chosen = {"symbolSelector": selector} if selector else {"symbols": ["BTC-USDT"]}
        source = {"exchange": "binance", "market": "spot", "channels": ["trades"], "endpoint": {"rest": self.address.rest}}
        spec = {"sources": [{**source, **chosen}], "publishers": {"grpc": {}}}
        metadata = {"name": "feed"}
        return parse({"apiVersion": "marketfeed.dev/v1alpha1", "kind": "MarketFeed", "metadata": metadata, "spec": spec})


@pytest.fixture
async def rest() -> AsyncIterator[Rest]:
    rest, app = Rest(port := free_port()), web.Application()
    app.router.add_get("/{path:.*}", rest.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield rest
    await runner.cleanup()


def make_due(lists: Lists) -> None:
    lists._due_s.clear()


async def test_a_list_is_asked_for_at_the_market_s_path(rest: Rest) -> None:
    listing = await ask(rest.address, volumes=False)
    assert list(listing.instruments) == ["BTC-USDT"]
    assert rest.asked == ["/api/v3/exchangeInfo"]


async def test_volumes_come_with_it_where_they_are_wanted(rest: Rest) -> None:
    rest.answers["/api/v3/ticker/24hr"] = (200, b'[{"symbol": "BTCUSDT", "quoteVolume": "12.50"}]')
    assert (await ask(rest.address, volumes=True)).volumes == {"BTCUSDT": Decimal("12.50")}


@pytest.mark.parametrize(
    "answer", [(404, b""), (200, b"[{}]"), (200, b"no JSON"), (200, b'[{"symbol": "A", "quoteVolume": "x"}]')]
)
async def test_without_volumes_the_list_is_a_list_all_the_same(rest: Rest, answer: tuple[int, bytes]) -> None:
    rest.answers["/api/v3/ticker/24hr"] = answer
    listing = await ask(rest.address, volumes=True)
    assert list(listing.instruments) == ["BTC-USDT"]
    assert listing.volumes == {}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((404, b""), "answered 404"),
        ((200, b"<html>"), "answered no JSON"),
        ((200, b"{}"), "is no instrument list"),
        ((200, b'{"symbols": []}'), "lists no instrument"),
    ],
)
async def test_what_is_no_list_is_told(rest: Rest, answer: tuple[int, bytes], words: str) -> None:
    rest.answers["/api/v3/exchangeInfo"] = answer
    with pytest.raises(InstrumentsError, match=words):
        await ask(rest.address, volumes=False)


async def test_an_exchange_that_is_away_is_told() -> None:
    with pytest.raises(InstrumentsError, match="Cannot connect"):
        await ask(ListAddress("binance", "spot", f"http://127.0.0.1:{free_port()}"), volumes=False)


async def test_a_list_that_cannot_be_had_is_told_once_and_asked_for_again(rest: Rest) -> None:
    said: list[str] = []
    lists, feed = Lists(said.append), rest.feed()
    rest.answers["/api/v3/exchangeInfo"] = (404, b"")
    assert not await lists.refresh(feed)
    assert 0 < lists.next_s(feed) <= 10
    make_due(lists)
    assert not await lists.refresh(feed)
    (line,) = said
    assert line.startswith("warning: no instrument list, symbols are taken as they are")
    rest.answers["/api/v3/exchangeInfo"] = (200, INFO)
    make_due(lists)
    assert await lists.refresh(feed)
    assert said[1:] == ["the instrument list of binance spot is at hand again"]
    assert list(lists.listings[rest.address].instruments) == ["BTC-USDT"]


async def test_a_list_that_was_had_is_not_asked_for_until_it_is_due_and_no_news_is_no_change(rest: Rest) -> None:
    lists, feed = Lists(lambda said: None), rest.feed()
    assert await lists.refresh(feed)
    assert not await lists.refresh(feed)
    assert len(rest.asked) == 1
    assert lists.next_s(feed) > 100
    make_due(lists)
    assert not await lists.refresh(feed)
    assert len(rest.asked) == 2


async def test_a_selector_that_begins_to_go_by_volume_does_not_wait(rest: Rest) -> None:
    rest.answers["/api/v3/ticker/24hr"] = (200, b'[{"symbol": "BTCUSDT", "quoteVolume": "1"}]')
    lists = Lists(lambda said: None)
    await lists.refresh(rest.feed(quote=["USDT"]))
    assert await lists.refresh(rest.feed(quote=["USDT"], limit=5))
    assert lists.listings[rest.address].volumes == {"BTCUSDT": Decimal(1)}


def test_sources_of_one_address_share_a_list() -> None:
    source = {"exchange": "binance", "market": "spot", "channels": ["trades"]}
    feed = parse(
        {
            "apiVersion": "marketfeed.dev/v1alpha1",
            "kind": "MarketFeed",
            "metadata": {"name": "feed"},
            "spec": {
                "sources": [
                    {**source, "symbols": ["A-B"]},
                    {**source, "symbols": ["C-D"], "endpoint": {"rest": "https://api.binance.com/"}},
                    {**source, "symbols": ["E-F"], "endpoint": {"rest": "http://localhost:1"}},
                ],
                "publishers": {"grpc": {}},
            },
        }
    )
    assert [address.rest for address in instruments.addresses(feed)] == ["https://api.binance.com", "http://localhost:1"]
