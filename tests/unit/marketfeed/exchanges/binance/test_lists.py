from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from bodies import recorded
from recordings import needs_recordings

from marketfeed.exchanges.binance import INVERSE, LINEAR, MARKETS, lists
from marketfeed.exchanges.exchange import Market
from marketfeed.symbols import Instrument, is_symbol

NS = 1_000_000
FILTERS = [{"filterType": "PRICE_FILTER", "tickSize": "0.10"}, {"filterType": "LOT_SIZE", "stepSize": "0.001"}]


def row(symbol: str, **more: Any) -> dict[str, Any]:
    return {"symbol": symbol, "baseAsset": "BTC", "quoteAsset": "USDT", "status": "TRADING", "filters": FILTERS, **more}


def one(parse: Any, listed: dict[str, Any]) -> Instrument:
    (instrument,) = parse({"symbols": [listed]})
    assert isinstance(instrument, Instrument)
    return instrument


def test_a_spot_pair_has_tick_and_lot() -> None:
    found = one(lists.spot_instruments, row("BTCUSDT"))
    assert found == Instrument("BTC-USDT", "BTCUSDT", "BTC", "USDT", "TRADING", True, "0.10", "0.001")


@pytest.mark.parametrize("status", ["HALT", "BREAK", "CANCEL_ONLY"])
def test_what_does_not_trade_is_listed_all_the_same(status: str) -> None:
    found = one(lists.spot_instruments, row("BTCUSDT", status=status))
    assert (found.status, found.trading) == (status, False)


@pytest.mark.parametrize("contract", ["PERPETUAL", "TRADIFI_PERPETUAL", ""])
def test_a_contract_without_a_date_is_a_perpetual(contract: str) -> None:
    found = one(lists.linear_instruments, row("BTCUSDT", contractType=contract, deliveryDate=4133404800000))
    assert (found.symbol, found.expiry_ns, found.contract_size) == ("BTC-USDT-PERP", None, None)


@pytest.mark.parametrize("contract", ["CURRENT_QUARTER", "NEXT_QUARTER", "CURRENT_QUARTER DELIVERING", ""])
def test_a_future_ends_at_its_delivery(contract: str) -> None:
    found = one(lists.linear_instruments, row("BTCUSDT_261225", contractType=contract, deliveryDate=1798185600000))
    assert (found.symbol, found.expiry_ns) == ("BTC-USDT-261225", 1798185600000 * NS)


def test_an_inverse_contract_is_worth_its_size_in_the_quote_asset() -> None:
    listed = row("BTCUSD_PERP", quoteAsset="USD", contractStatus="PENDING_TRADING", contractSize=100, deliveryDate=0)
    found = one(lists.inverse_instruments, listed)
    assert (found.symbol, found.status, found.trading) == ("BTC-USD-PERP", "PENDING_TRADING", False)
    assert (found.contract_size, found.contract_currency) == ("100", "USD")


def test_volumes_are_in_the_quote_asset() -> None:
    assert lists.quote_volumes([{"symbol": "BTCUSDT", "quoteVolume": "18.50"}]) == {"BTCUSDT": Decimal("18.50")}
    told = [{"symbol": "BTCUSD_PERP", "volume": "1000", "baseVolume": "2", "weightedAvgPrice": "50000.0"}]
    assert lists.inverse_volumes(told) == {"BTCUSD_PERP": Decimal(100000)}


@needs_recordings
@pytest.mark.parametrize("market", MARKETS, ids=lambda market: market.name)
def test_recorded_symbols_have_the_form_that_both_ways_go_by(market: Market) -> None:
    found = [i for body in recorded("binance", market.name, "exchangeInfo") for i in market.instruments.parse(body)]
    assert len(found) > 30
    for instrument in found:
        assert is_symbol(instrument.symbol)
        assert market.symbol(instrument.native) == instrument.symbol
        assert market.native(instrument.symbol) == instrument.native
        assert instrument.tick_size
        assert instrument.lot_size
        assert (instrument.expiry_ns is not None) == instrument.symbol[-6:].isdigit()
        assert (instrument.contract_size is not None) == (market is INVERSE)


@needs_recordings
def test_a_recorded_contract_before_its_trading_is_listed() -> None:
    found = [i for body in recorded("binance", "linear", "exchangeInfo") for i in LINEAR.instruments.parse(body)]
    assert [(i.symbol, i.status) for i in found if not i.trading] == [("BTCST-USDT-PERP", "PENDING_TRADING")]
