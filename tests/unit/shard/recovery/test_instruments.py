from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

import pytest
from rest_double import BansDouble, RestDouble

from marketfeed.exchanges.catalogue import MARKETS
from marketfeed.exchanges.exchange import Market
from marketfeed.report import CatalogueState
from marketfeed_shard.recovery.budget import Weights
from marketfeed_shard.recovery.calls import Calls
from marketfeed_shard.recovery.instruments import EVERY_S, STALE_S, Facts, Instruments

SPOT = MARKETS["binance", "spot"]
PAGED = MARKETS["bybit", "linear"]


class Bed:
    """The list of a market, with two symbols carried."""

    def __init__(self, market: Market = SPOT, known: Mapping[str, Facts] | None = None) -> None:
        self.rest = RestDouble()
        self.calls = Calls(market, self.rest, BansDouble())
        self.calls.allow(Weights(6000, 60.0))
        self.now_s = 1000.0
        self.instruments = Instruments(market, self.calls, self, lambda: 0.5, known or {}, self.now_s)
        self.instruments.carry(["A-USDT", "B-USDT"])
        self.changes: list[tuple[str, Facts]] = []
        self.remembered: Mapping[str, Facts] = {}
        self.again: list[str] = []

    def reopened(self, symbols: Collection[str], now_s: float) -> None:
        self.again += sorted(symbols)

    def changed(self, symbol: str, facts: Facts, received_ns: int) -> None:
        self.changes.append((symbol, facts))

    def remember(self, known: Mapping[str, Facts]) -> None:
        self.remembered = known

    def run(self, seconds: float) -> None:
        end_s = self.now_s + seconds
        while True:
            due_s = min(self.instruments.tick(self.now_s), self.calls.tick(self.now_s))
            if due_s > end_s:
                self.now_s = end_s
                return
            self.now_s = max(due_s, self.now_s + 0.001)

    def answer(self, body: Any, status: int = 200) -> None:
        self.rest.answer(self.calls, self.now_s, json.dumps(body).encode(), status)
        self.run(0.0)


def listed(*symbols: str, tick: str = "0.01", status: str = "TRADING") -> dict[str, Any]:
    filters = [{"filterType": "PRICE_FILTER", "tickSize": tick}, {"filterType": "LOT_SIZE", "stepSize": "0.1"}]
    rows = [{"symbol": f"{s}USDT", "status": status, "baseAsset": s, "quoteAsset": "USDT", "filters": filters} for s in symbols]
    return {"symbols": rows}


def facts(tick: str = "0.01", status: str = "TRADING") -> Facts:
    return Facts(status, tick, "0.1")


def test_the_first_list_is_what_later_ones_are_held_against() -> None:
    bed = Bed()
    assert bed.instruments.state(bed.now_s) is CatalogueState.UNKNOWN
    bed.run(5.0)
    assert bed.rest.paths == ["/api/v3/exchangeInfo"]
    bed.answer(listed("A", "B", "C"))
    assert bed.changes == []
    assert bed.remembered == {"A-USDT": facts(), "B-USDT": facts()}
    assert bed.instruments.state(bed.now_s) is CatalogueState.CURRENT
    bed.run(EVERY_S + 1.0)
    bed.answer(listed("A", tick="0.001") | {"symbols": [*listed("A", tick="0.001")["symbols"], *listed("B")["symbols"]]})
    assert bed.changes == [("A-USDT", facts("0.001"))]


def test_a_change_while_no_process_ran_is_noticed() -> None:
    bed = Bed(known={"A-USDT": facts("0.1"), "B-USDT": facts(), "GONE-USDT": facts()})
    bed.run(5.0)
    bed.answer(listed("A", "B"))
    assert bed.changes == [("A-USDT", facts())]
    assert set(bed.remembered) == {"A-USDT", "B-USDT"}


def test_a_symbol_that_is_traded_again_is_told_once() -> None:
    bed = Bed()
    bed.run(5.0)
    for answer in (listed("A", status="BREAK"), listed("A"), listed("A", "B"), listed("A", "B")):
        bed.answer(answer)
        bed.run(EVERY_S + 1.0)
    assert bed.again == ["A-USDT", "B-USDT"]


def test_a_symbol_that_is_not_traded_or_not_listed_is_halted_and_told() -> None:
    bed = Bed(known={"A-USDT": facts(), "B-USDT": facts()})
    bed.run(5.0)
    bed.answer(listed("A", status="BREAK"))
    assert bed.changes == [("A-USDT", facts(status="BREAK")), ("B-USDT", Facts())]
    assert bed.instruments.halted == {"A-USDT": "BREAK", "B-USDT": "not listed"}
    bed.instruments.carry(["A-USDT"])
    assert bed.instruments.halted == {"A-USDT": "BREAK"}
    bed.run(EVERY_S)
    bed.answer(listed("A"))
    assert bed.instruments.halted == {}


def test_a_symbol_that_is_new_here_is_no_change() -> None:
    bed = Bed(known={"A-USDT": facts()})
    bed.run(5.0)
    bed.answer(listed("A", "B"))
    assert bed.changes == []


def test_a_list_in_pages_is_one_list() -> None:
    bed = Bed(PAGED)
    bed.instruments.carry(["A-USDT-PERP"])
    bed.run(5.0)

    def page(symbol: str, cursor: str) -> dict[str, Any]:
        row = {
            "symbol": f"{symbol}USDT", "contractType": "LinearPerpetual", "status": "Trading", "baseCoin": symbol,
            "quoteCoin": "USDT", "settleCoin": "USDT", "deliveryTime": "0", "priceFilter": {"tickSize": "0.5"},
            "lotSizeFilter": {"qtyStep": "1"},
        }  # fmt: skip
        return {"retCode": 0, "result": {"category": "linear", "list": [row], "nextPageCursor": cursor}}

    bed.answer(page("B", "more"))
    assert "cursor=more" in bed.rest.paths[0]
    bed.answer(page("A", ""))
    while bed.rest.asked:  # lists of other states, where there are any
        bed.answer(page("C", ""))
    assert bed.remembered["A-USDT-PERP"].status == "Trading"
    assert bed.instruments.halted == {}


@pytest.mark.parametrize("status", [200, 500])
def test_a_list_that_cannot_be_had_is_asked_for_again_and_says_why(status: int) -> None:
    bed = Bed()
    bed.run(5.0)
    bed.answer({"code": -1000}, status)
    assert bed.instruments.error
    assert bed.changes == []
    bed.run(10.0)
    assert len(bed.rest.all) == 2
    bed.answer(listed("A", "B"))
    assert bed.instruments.error == ""


def test_a_list_that_is_old_is_stale() -> None:
    bed = Bed()
    bed.run(5.0)
    bed.answer(listed("A", "B"))
    assert bed.instruments.age_s(bed.now_s + 7.0) == 7.0
    assert bed.instruments.state(bed.now_s + STALE_S - 1.0) is CatalogueState.CURRENT
    assert bed.instruments.state(bed.now_s + STALE_S) is CatalogueState.STALE


def test_without_symbols_nothing_is_asked() -> None:
    bed = Bed()
    bed.instruments.carry([])
    bed.run(1000.0)
    assert bed.rest.all == []
