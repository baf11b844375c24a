"""Kraken over REST: symbols by their form, recorded instrument lists, volumes and trades."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from recordings import RECORDINGS, needs_recordings

from marketfeed.declared import Declared
from marketfeed.exchanges.exchange import Hole
from marketfeed.exchanges.kraken import SPOT
from marketfeed.reading import records

PAIR = {"altname": "XBTUSDT", "wsname": "XBT/USDT", "base": "XXBT", "quote": "USDT", "pair_decimals": 1, "lot_decimals": 8,
        "cost_decimals": 5, "ordermin": "0.00005", "costmin": "0.5", "tick_size": "0.1", "status": "online"}  # fmt: skip


def body(result: dict[str, Any], *errors: str) -> dict[str, Any]:
    return {"error": list(errors), "result": result}


@pytest.mark.parametrize(
    ("native", "name"),
    [("BTC/USD", "BTC-USD"), ("XBT/USD", "BTC-USD"), ("XDG/EUR", "DOGE-EUR"), ("ETH/XBT", "ETH-BTC"), ("DOGE/USD", "DOGE-USD")],
)
def test_symbols_have_the_common_names(native: str, name: str) -> None:
    assert SPOT.symbol(native) == name
    assert SPOT.symbol(SPOT.native(name)) == name


@pytest.mark.parametrize("native", ["", "BTC", "BTC/USD/EUR", "AAPLx/USD", "BTC-USD", "BTC/USD-PERP"])
def test_other_forms_have_no_symbol(native: str) -> None:
    assert SPOT.symbol(native) is None


def test_what_is_subscribed_to_has_the_names_of_v2() -> None:
    assert SPOT.native("BTC-USD") == "BTC/USD"


def test_an_instrument_is_named_as_the_socket_names_it() -> None:
    (found,) = SPOT.instruments.parse(body({"BTC/USDT": PAIR}))
    assert (found.symbol, found.native, found.base, found.quote) == ("BTC-USDT", "BTC/USDT", "BTC", "USDT")
    assert (found.tick_size, found.lot_size, found.trading) == ("0.1", "0.00000001", True)


def test_pairs_that_the_socket_does_not_have_are_left_out() -> None:
    dark = {name: value for name, value in PAIR.items() if name != "wsname"}
    assert SPOT.instruments.parse(body({"XXBTZUSD.d": dark})) == []


@pytest.mark.parametrize("status", ["cancel_only", "post_only", "reduce_only", "maintenance"])
def test_a_restricted_pair_is_not_traded(status: str) -> None:
    (found,) = SPOT.instruments.parse(body({"BTC/USDT": {**PAIR, "status": status}}))
    assert (found.status, found.trading) == (status, False)


def test_a_refused_call_is_no_list() -> None:
    with pytest.raises(ValueError, match="EGeneral:Too many requests"):
        SPOT.instruments.parse(body({}, "EGeneral:Too many requests"))


def test_volumes_are_in_the_quote_currency() -> None:
    ticker = {"a": ["30300.1", "1", "1.0"], "v": ["4083.6", "4412.7"], "p": ["30706.7", "30689.1"], "o": "30502.8"}
    assert SPOT.instruments.volumes(body({"BTC/USD": ticker})) == {"BTC/USD": Decimal("4412.7") * Decimal("30689.1")}


@needs_recordings
def test_recorded_list() -> None:
    path = RECORDINGS / "kraken-v1" / "spot" / "cryptofeed-20210417-AssetPairs.rest.jsonl"
    content = json.loads(path.read_text())["body"]
    found = SPOT.instruments.parse(content)
    named = {row["wsname"] for row in content["result"].values() if "wsname" in row}
    assert len(found) == len(named - {"ETH2.S/ETH"}) > 250  # a point is in no symbol of ours
    assert len({instrument.symbol for instrument in found}) == len(found)
    assert all(SPOT.symbol(instrument.native) == instrument.symbol for instrument in found)
    (doge,) = (instrument for instrument in found if instrument.symbol == "DOGE-USD")
    assert (doge.native, doge.tick_size, doge.lot_size) == ("DOGE/USD", "0.0000001", "0.00000001")


@needs_recordings
def test_recorded_snapshot_of_the_instrument_channel() -> None:
    path = RECORDINGS / "kraken" / "spot" / "kdr-instrument.jsonl"
    found = SPOT.instruments.parse(json.loads(path.read_text()))
    assert len({instrument.symbol for instrument in found}) == len(found) > 600
    (pound,) = (instrument for instrument in found if instrument.symbol == "GBP-USD")
    assert (pound.native, pound.tick_size, pound.lot_size, pound.trading) == ("GBP/USD", "0.00001", "0.00000001", True)
    assert {instrument.status for instrument in found if not instrument.trading} == {"reduce_only", "cancel_only"}


def test_missed_trades_are_asked_for_by_time() -> None:
    assert SPOT.history is not None
    asked = parse_qs(urlsplit(SPOT.history.call("BTC/USD", Hole(5, 9, 1_688_669_597_827_736_900)).path).query)
    assert asked == {"pair": ["BTC/USD"], "assetVersion": ["1"], "since": ["1688669597827735900"], "count": ["1000"]}
    assert "since" not in parse_qs(urlsplit(SPOT.history.call("BTC/USD", Hole(None, None, 0)).path).query)


@pytest.mark.parametrize("key", ["XXBTZUSD", "BTC/USD"])
def test_rows_of_a_history_become_trades_whatever_the_pair_is_called(key: str) -> None:
    assert SPOT.history is not None
    rows = '["30243.4","0.34507674",1688669597.8277369,"b","m","",61044952],["30243.3","0.1",1688669602.69,"s","l","",61044953]'
    content = json.loads(f'{{"error":[],"result":{{"{key}":[{rows}],"last":"1"}}}}', parse_float=str, parse_int=str)
    read = Declared(0, SPOT.history.message, SPOT)
    first, second = (read.own(record, around) for record, around in records(content, read.at))
    assert first == {
        "ts": 1_688_669_597_827_736_900,
        "id": "61044952",
        "price": "30243.4",
        "size": "0.34507674",
        "side": "buy",
    }
    assert (second["id"], second["side"]) == ("61044953", "sell")
