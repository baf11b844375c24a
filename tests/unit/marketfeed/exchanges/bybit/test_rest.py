from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from bodies import fields, recorded
from recordings import needs_recordings

from marketfeed.exchanges.bybit import INVERSE, LINEAR, MARKETS, SPOT
from marketfeed.exchanges.exchange import Call, Hole, Market
from marketfeed.symbols import Instrument, is_symbol

MS = 1_000_000


def listed(market: Market, **row: Any) -> Instrument:
    common = {"status": "Trading", "baseCoin": "BTC", "priceFilter": {"tickSize": "0.10"}}
    lots = {"lotSizeFilter": {"basePrecision": "0.000001", "qtyStep": "0.001"}}
    (instrument,) = market.instruments.parse({"result": {"list": [{**common, **lots, **row}]}})
    return instrument


def test_a_spot_pair_has_tick_and_lot() -> None:
    found = listed(SPOT, symbol="BTCUSDT", quoteCoin="USDT")
    assert found == Instrument("BTC-USDT", "BTCUSDT", "BTC", "USDT", "Trading", True, "0.10", "0.000001")


def test_a_perpetual_has_no_expiry_even_when_it_is_delisted() -> None:
    found = listed(
        LINEAR,
        symbol="BTCPERP",
        quoteCoin="USDC",
        contractType="LinearPerpetual",
        deliveryTime="1786694400000",
        status="PreLaunch",
    )
    assert (found.symbol, found.lot_size, found.expiry_ns, found.contract_size) == ("BTC-USDC-PERP", "0.001", None, None)
    assert (found.status, found.trading) == ("PreLaunch", False)


def test_a_future_ends_at_its_delivery() -> None:
    found = listed(
        LINEAR, symbol="BTCUSDT-25DEC26", quoteCoin="USDT", contractType="LinearFutures", deliveryTime="1798185600000"
    )
    assert (found.symbol, found.expiry_ns) == ("BTC-USDT-261225", 1798185600000 * MS)


def test_an_inverse_contract_is_worth_a_dollar() -> None:
    found = listed(INVERSE, symbol="BTCUSDZ26", quoteCoin="USD", contractType="InverseFutures", deliveryTime="1798185600000")
    assert (found.symbol, found.contract_size, found.contract_currency) == ("BTC-USD-261225", "1", "USD")


def test_a_list_is_asked_for_in_every_status_and_page_by_page() -> None:
    assert [call.path.partition("?")[2] for call in SPOT.instruments.calls] == ["category=spot&status=Trading&limit=1000"]
    assert [call.path.partition("status=")[2] for call in LINEAR.instruments.calls] == [
        "Trading&limit=1000", "PreLaunch&limit=1000", "Delivering&limit=1000",
    ]  # fmt: skip
    first = LINEAR.instruments.calls[0]
    second = LINEAR.instruments.next_page(first, {"result": {"list": [], "nextPageCursor": "first%3DA&b"}})
    assert second == Call(f"{first.path}&cursor=first%253DA%26b")
    third = LINEAR.instruments.next_page(second, {"result": {"list": [], "nextPageCursor": "c"}})
    assert third == Call(f"{first.path}&cursor=c")
    assert LINEAR.instruments.next_page(second, {"result": {"list": [], "nextPageCursor": ""}}) is None
    assert SPOT.instruments.next_page(first, {"result": {"list": []}}) is None


@needs_recordings
@pytest.mark.parametrize(("market", "most"), [(SPOT, 557), (LINEAR, 800)], ids=["spot", "linear"])
def test_recorded_symbols_have_the_form_that_both_ways_go_by(market: Market, most: int) -> None:
    found = [i for body in recorded("bybit", market.name, "instruments-info") for i in market.instruments.parse(body)]
    assert len(found) == most
    for instrument in found:
        assert is_symbol(instrument.symbol)
        assert market.symbol(instrument.native) == instrument.symbol
        assert market.native(instrument.symbol) == instrument.native
        assert instrument.tick_size
        assert instrument.lot_size
        assert instrument.trading
        assert (instrument.expiry_ns is not None) == ("-" in instrument.native)


def test_volumes_are_in_the_quote_asset() -> None:
    body = {"result": {"list": [{"symbol": "BTCUSD", "turnover24h": "3.5", "volume24h": "200000"}]}}
    assert LINEAR.instruments.volumes(body) == {"BTCUSD": Decimal("3.5")}
    assert INVERSE.instruments.volumes(body) == {"BTCUSD": Decimal(200000)}


@pytest.mark.parametrize(("market", "rows"), [(SPOT, 60), (LINEAR, 1000), (INVERSE, 1000)], ids=["spot", "linear", "inverse"])
def test_only_the_latest_trades_can_be_had(market: Market, rows: int) -> None:
    history = market.history
    assert history is not None
    assert history.call("BTCUSDT", Hole(5, 7, 0)).path == (
        f"/v5/market/recent-trade?category={market.name}&symbol=BTCUSDT&limit={rows}"
    )
    assert (history.rows, history.newest_first, history.pages) == (rows, True, False)


def test_trades_over_rest_have_the_ids_of_the_stream() -> None:
    body = ('{"retCode":0,"retMsg":"OK","result":{"category":"spot","list":[{"execId":"2100000000007764263","symbol":"BTCUSDT",'
            '"price":"16618.49","size":"0.00012","side":"Buy","time":"1672052955758","isBlockTrade":false}]},"retExtInfo":{},'
            '"time":1672053054358}')  # fmt: skip
    trade = {"ts": 1672052955758 * MS, "id": "2100000000007764263", "price": "16618.49", "size": "0.00012", "side": "buy"}
    for market in MARKETS:
        assert market.history is not None
        assert fields(market, market.history.message, body) == [trade]
