from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import orjson
import pytest

from marketfeed.exchanges import catalogue
from marketfeed.exchanges.exchange import Call, InstrumentList
from marketfeed.listing import PAGES, InstrumentsError, addresses, gather, wants_volumes
from marketfeed.resource import MarketFeed
from marketfeed.selection import ListAddress
from marketfeed.symbols import Instrument
from marketfeed.validation import parse

ADDRESS = ListAddress("binance", "spot", "http://exchange")


def parsed(body: Any) -> list[Instrument]:
    return [Instrument(f"{c}-USDT", f"{c}USDT", c, "USDT", "TRADING", True) for c in body["rows"]]


def next_page(call: Call, body: Any) -> Call | None:
    return Call(f"{call.path.partition('?')[0]}?after={body['next']}") if body["next"] else None


@pytest.fixture(autouse=True)
def market(monkeypatch: pytest.MonkeyPatch) -> None:
    """One whose list comes by two calls, in pages, and its volumes by two more."""
    lists = InstrumentList(
        (Call("/perpetual"), Call("/dated")),
        parsed,
        next_page,
        (Call("/volumes/perpetual"), Call("/volumes/dated")),
        lambda body: {row: Decimal(volume) for row, volume in body.items()},
    )
    monkeypatch.setitem(catalogue.MARKETS, ("binance", "spot"), replace(catalogue.market("binance", "spot"), instruments=lists))


class Exchange:
    """Answers as it is told; a path without an answer is refused."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: list[str] = []

    async def get(self, url: str) -> bytes:
        path = url.removeprefix("http://exchange/")
        self.asked.append(path)
        if path not in self.answers:
            raise InstrumentsError(f"{url}: answered 404")
        answer = self.answers[path]
        return answer if isinstance(answer, bytes) else orjson.dumps(answer)


def page(rows: str, then: str = "") -> dict[str, str]:
    return {"rows": rows, "next": then}


async def test_a_list_is_all_pages_of_all_calls() -> None:
    exchange = Exchange(perpetual=page("AB", "B"), **{"perpetual?after=B": page("C")}, dated=page("D"))
    told: list[int] = []
    listing = await gather(ADDRESS, exchange.get, told=told.append)
    assert list(listing.instruments) == ["A-USDT", "B-USDT", "C-USDT", "D-USDT"]
    assert exchange.asked == ["perpetual", "perpetual?after=B", "dated"]
    assert told == [2, 3, 4]


async def test_one_of_the_calls_may_list_nothing_but_not_all_of_them() -> None:
    listing = await gather(ADDRESS, Exchange(perpetual=page(""), dated=page("D")).get)
    assert list(listing.instruments) == ["D-USDT"]
    with pytest.raises(InstrumentsError, match="http://exchange/perpetual: lists no instrument"):
        await gather(ADDRESS, Exchange(perpetual=page(""), dated=page("")).get)


async def test_a_call_that_fails_fails_the_list() -> None:
    with pytest.raises(InstrumentsError, match="/dated: answered 404"):
        await gather(ADDRESS, Exchange(perpetual=page("A")).get)


async def test_pages_without_end_are_not_followed() -> None:
    exchange = Exchange(perpetual=page("A", "A"), **{"perpetual?after=A": page("A", "A")})
    with pytest.raises(InstrumentsError, match=f"more than {PAGES} pages"):
        await gather(ADDRESS, exchange.get)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"<html>", "answered no JSON"),
        ({}, "is no instrument list: KeyError 'rows'"),
        ({"rows": "A"}, "does not tell its next page: KeyError 'next'"),
    ],
)
async def test_what_is_no_list_is_told(answer: Any, words: str) -> None:
    with pytest.raises(InstrumentsError, match=words):
        await gather(ADDRESS, Exchange(perpetual=answer).get)


async def test_an_error_is_told_in_the_exchange_s_own_words() -> None:
    with pytest.raises(InstrumentsError, match=r"^http://exchange/perpetual: -1003: Too many requests queued\.$"):
        await gather(ADDRESS, Exchange(perpetual={"code": -1003, "msg": "Too many requests queued."}).get)


async def test_volumes_come_from_all_their_calls_and_only_where_they_are_wanted() -> None:
    lists = {"perpetual": page("A"), "dated": page("D")}
    volumes = {"volumes/perpetual": {"AUSDT": "12.50"}, "volumes/dated": {"DUSDT": "1"}}
    exchange = Exchange(**lists, **volumes)
    listing = await gather(ADDRESS, exchange.get, volumes=True)
    assert listing.volumes == {"AUSDT": Decimal("12.50"), "DUSDT": Decimal(1)}
    assert (await gather(ADDRESS, Exchange(**lists).get)).volumes == {}


@pytest.mark.parametrize("answer", [b"no JSON", {"DUSDT": "x"}, [], None])
async def test_without_all_volumes_there_are_none_and_the_list_is_a_list_all_the_same(answer: Any) -> None:
    exchange = Exchange(perpetual=page("A"), dated=page("D"), **{"volumes/perpetual": {"AUSDT": "1"}})
    if answer is not None:
        exchange.answers["volumes/dated"] = answer
    listing = await gather(ADDRESS, exchange.get, volumes=True)
    assert list(listing.instruments) == ["A-USDT", "D-USDT"]
    assert listing.volumes == {}


def feed(*sources: dict[str, Any]) -> MarketFeed:
    whole = [{"exchange": "binance", "market": "spot", "channels": ["trades"], **source} for source in sources]
    spec = {"sources": whole, "publishers": {"grpc": {}}}
    return parse({"apiVersion": "marketfeed.dev/v1alpha1", "kind": "MarketFeed", "metadata": {"name": "feed"}, "spec": spec})


def test_sources_of_one_address_share_a_list() -> None:
    own, other = {"rest": "https://api.binance.com/"}, {"rest": "http://localhost:1"}
    found = addresses(
        feed({"symbols": ["A-B"]}, {"symbols": ["C-D"], "endpoint": own}, {"symbols": ["E-F"], "endpoint": other})
    )
    assert [address.rest for address in found] == ["https://api.binance.com", "http://localhost:1"]


def test_volumes_are_wanted_by_a_selector_with_a_limit() -> None:
    asked = feed({"symbolSelector": {"limit": 5}, "endpoint": {"rest": "http://a"}}, {"symbolSelector": {"quote": ["A"]}})
    assert [wants_volumes(asked, address) for address in addresses(asked)] == [True, False]
