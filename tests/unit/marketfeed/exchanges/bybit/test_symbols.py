from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketfeed.exchanges.bybit import INVERSE, LINEAR, SPOT
from marketfeed.exchanges.exchange import Market


@pytest.mark.parametrize(
    ("market", "symbol", "native"),
    [
        (SPOT, "BTC-USDT", "BTCUSDT"),
        (SPOT, "USDT-BRL", "USDTBRL"),
        (SPOT, "BBSOL-SOL", "BBSOLSOL"),
        (SPOT, "MNT-USD1", "MNTUSD1"),
        (LINEAR, "BTC-USDT-PERP", "BTCUSDT"),
        (LINEAR, "BTC-USDC-PERP", "BTCPERP"),
        (LINEAR, "PERP-USDT-PERP", "PERPUSDT"),
        (LINEAR, "PERP-USDC-PERP", "PERPPERP"),
        (LINEAR, "BTC-USDT-261225", "BTCUSDT-25DEC26"),
        (LINEAR, "BTC-USDT-250404", "BTCUSDT-04APR25"),
        (LINEAR, "BTC-USDC-230324", "BTC-24MAR23"),
        (INVERSE, "BTC-USD-PERP", "BTCUSD"),
        (INVERSE, "BTC-USD-261225", "BTCUSDZ26"),
        (INVERSE, "BTC-USD-230331", "BTCUSDH23"),
        (INVERSE, "BTC-USD-230929", "BTCUSDU23"),
    ],
)
def test_symbols_go_both_ways(market: Market, symbol: str, native: str) -> None:
    assert market.native(symbol) == native
    assert market.symbol(native) == symbol


@pytest.mark.parametrize(
    ("market", "native"),
    [(SPOT, "USDT"), (LINEAR, "BTCUSD"), (LINEAR, "USDT"), (LINEAR, "PERP"), (LINEAR, "BTCUSDT-25XXX26"),
     (LINEAR, "BTC-4APR25"), (LINEAR, "BTC-6JAN23-18000-C"), (INVERSE, "BTCUSDT"), (INVERSE, "USD"), (INVERSE, "BTCUSDF26")],
)  # fmt: skip
def test_a_symbol_of_another_form_is_not_known(market: Market, native: str) -> None:
    assert market.symbol(native) is None


def test_a_day_on_which_no_future_can_end_is_left_for_the_exchange_to_refuse() -> None:
    assert INVERSE.native("BTC-USD-261030") == "BTCUSD261030"
    assert LINEAR.native("BTC-USDT-261331") == "BTCUSDT-261331"


@given(st.dates(date(2020, 1, 1), date(2099, 12, 31)), st.sampled_from(["USDT", "USDC"]))
def test_every_day_goes_both_ways(day: date, quote: str) -> None:
    symbol = f"BTC-{quote}-{day:%y%m%d}"
    assert LINEAR.symbol(LINEAR.native(symbol)) == symbol


@given(st.integers(0, 99), st.sampled_from("HMUZ"))
def test_a_quarter_ends_on_its_last_friday(year: int, letter: str) -> None:
    symbol = INVERSE.symbol(f"BTCUSD{letter}{year:02}")
    assert symbol is not None
    form = symbol.rpartition("-")[2]
    day = date(2000 + int(form[:2]), int(form[2:4]), int(form[4:]))
    assert (day.weekday(), (day + timedelta(weeks=1)).month == day.month) == (4, False)
    assert INVERSE.native(symbol) == f"BTCUSD{letter}{year:02}"
