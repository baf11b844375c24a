"""OKX over REST: symbols by their form, recorded instrument lists, volumes, books and trades."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from recordings import RECORDINGS, needs_recordings

from marketfeed.declared import Declared
from marketfeed.exchanges import okx, okx_rest
from marketfeed.exchanges.exchange import Hole, Market
from marketfeed.exchanges.message import Message
from marketfeed.reading import records

SWAP = {"instId": "BTC-USD-SWAP", "instType": "SWAP", "uly": "BTC-USD", "instFamily": "BTC-USD", "ctType": "inverse",
        "ctVal": "100", "ctValCcy": "USD", "ctMult": "1", "settleCcy": "BTC", "tickSz": "0.1", "lotSz": "1", "state": "live",
        "baseCcy": "", "quoteCcy": "", "expTime": ""}  # fmt: skip
MARGINED = {**SWAP, "instId": "BTC-USD_UM-SWAP", "instFamily": "BTC-USD_UM", "ctType": "linear", "ctVal": "0.0001",
            "ctMult": "100", "ctValCcy": "BTC", "settleCcy": "USD"}  # fmt: skip


def body(*rows: dict[str, Any], code: str = "0", msg: str = "") -> dict[str, Any]:
    return {"code": code, "msg": msg, "data": list(rows)}


@pytest.mark.parametrize(
    ("market", "name", "native"),
    [
        ("spot", "BTC-USDT", "BTC-USDT"),
        ("linear", "BTC-USDT-PERP", "BTC-USDT-SWAP"),
        ("linear", "BTC-USDC-250808", "BTC-USDC-250808"),
        ("linear", "BTC-USD-PERP", "BTC-USD_UM-SWAP"),
        ("linear", "BTC-USD-250808", "BTC-USD_UM-250808"),
        ("inverse", "BTC-USD-PERP", "BTC-USD-SWAP"),
        ("inverse", "BTC-USD-250328", "BTC-USD-250328"),
    ],
)
def test_symbols_follow_from_their_form_both_ways(market: str, name: str, native: str) -> None:
    assert okx_rest.native(name, market) == native
    assert okx_rest.symbol(native, market) == name
    elsewhere = {"spot", "linear", "inverse"} - {market}
    assert not any(okx_rest.symbol(native, other) for other in elsewhere)


@pytest.mark.parametrize("native", ["BTC-USD-241013-70000-P", "BTC", "", "BTC-USDT-SWAP-X", "btc-usdt"])
def test_other_forms_have_no_symbol(native: str) -> None:
    assert not any(okx_rest.symbol(native, market) for market in ("spot", "linear", "inverse"))


@pytest.mark.parametrize(
    ("native", "index"),
    [
        ("BTC-USDT-SWAP", "BTC-USDT"),
        ("BTC-USD-250328", "BTC-USD"),
        ("BTC-USD_UM-SWAP", "BTC-USD"),
        ("BTC-USD_UM-250808", "BTC-USD"),
    ],
)
def test_a_derivative_follows_the_index_of_its_pair(native: str, index: str) -> None:
    assert okx.LINEAR.index(native) == index


def test_spot_follows_no_index() -> None:
    assert okx.SPOT.index("BTC-USDT") is None


def test_swaps_of_both_kinds_come_in_one_list_and_are_told_apart() -> None:
    (inverse,), (linear,) = (m.instruments.parse(body(SWAP, MARGINED)) for m in (okx.INVERSE, okx.LINEAR))
    assert (inverse.symbol, inverse.native, inverse.contract_size, inverse.contract_currency) == (
        "BTC-USD-PERP",
        "BTC-USD-SWAP",
        "100",
        "USD",
    )
    assert (linear.symbol, linear.native, linear.base, linear.quote) == ("BTC-USD-PERP", "BTC-USD_UM-SWAP", "BTC", "USD")
    assert linear.contract_size == "0.01"  # exact: 0.0001 × 100


def test_a_suspended_instrument_is_not_traded() -> None:
    (found,) = okx.INVERSE.instruments.parse(body({**SWAP, "state": "suspend", "tickSz": ""}))
    assert (found.status, found.trading, found.tick_size) == ("suspend", False, None)


def test_a_refused_call_is_no_list() -> None:
    with pytest.raises(ValueError, match="50011: Too Many Requests"):
        okx.SPOT.instruments.parse(body(code="50011", msg="Too Many Requests"))


def test_volumes_are_in_the_quote_currency() -> None:
    row = {"instId": "X", "last": "20", "volCcy24h": "3.5"}
    assert okx.SPOT.instruments.volumes(body(row)) == {"X": Decimal("3.5")}
    assert okx.LINEAR.instruments.volumes(body(row, {"instId": "Y", "last": "", "volCcy24h": ""})) == {
        "X": Decimal("70.0"),
        "Y": Decimal(0),
    }


@needs_recordings
@pytest.mark.parametrize(
    ("market", "files", "count", "symbol", "contract"),
    [
        (okx.SPOT, ("spot",), 513, "BTC-USDT", (None, None, None)),
        (okx.LINEAR, ("swap", "futures"), 126 + 52, "BTC-USDT-PERP", ("0.01", "BTC", None)),
        (okx.INVERSE, ("swap", "futures"), 40 + 52, "BTC-USD-220520", ("100", "USD", 1_653_033_600_000_000_000)),
    ],
    ids=["spot", "linear", "inverse"],
)
def test_recorded_lists(
    market: Market, files: tuple[str, ...], count: int, symbol: str, contract: tuple[str | None, str | None, int | None]
) -> None:
    folder = RECORDINGS / "okx" / ("spot" if market is okx.SPOT else "inverse")
    paths = [folder / f"cryptofeed-20220513-instruments-{name}.rest.jsonl" for name in files]
    found = [i for path in paths for i in market.instruments.parse(json.loads(path.read_text())["body"])]
    assert len(found) == count
    assert len({instrument.symbol for instrument in found}) == count
    for instrument in found:
        assert (market.native(instrument.symbol), market.symbol(instrument.native)) == (instrument.native, instrument.symbol)
        assert instrument.symbol.startswith(f"{instrument.base}-{instrument.quote}")
        assert instrument.trading
    (one,) = (instrument for instrument in found if instrument.symbol == symbol)
    assert (one.contract_size, one.contract_currency, one.expiry_ns) == contract
    assert one.tick_size == "0.1"


def own(market: Market, message: Message, content: Any) -> list[dict[str, Any]]:
    """The fields of each record of a body, its numbers kept as text."""
    read = Declared(0, message, market)
    decoded = json.loads(json.dumps(content), parse_int=str, parse_float=str)
    return [read.own(record, around) for record, around in records(decoded, read.at)]


def test_a_book_can_begin_with_what_rest_has() -> None:
    snapshot = okx.SPOT.snapshot
    assert snapshot is not None
    assert snapshot.call("BTC-USDT", 25).path == "/api/v5/market/books?instId=BTC-USDT&sz=400"
    assert snapshot.after_s == 3.0
    levels = {"asks": [["41006.8", "0.6", "0", "1"]], "bids": [["41006.3", "0.3", "0", "2"]]}
    content = body({**levels, "ts": "1629966436396", "seqId": 3235851742})
    (book,) = own(okx.SPOT, snapshot.message, content)
    assert book == {
        "ts": 1_629_966_436_396_000_000,
        "snapshot": True,
        "bids": [["41006.3", "0.3"]],
        "asks": [["41006.8", "0.6"]],
        "seq": 3_235_851_742,
    }


@pytest.mark.parametrize(
    ("hole", "query"),
    [
        (Hole(500, 599, 0), "instId=BTC-USDT&type=1&after=600&limit=100"),
        (Hole(500, None, 0), "instId=BTC-USDT&type=1&limit=100"),
    ],
)
def test_missed_trades_are_asked_for_from_the_holes_end_backwards(hole: Hole, query: str) -> None:
    history = okx.SPOT.history
    assert history is not None
    assert history.newest_first
    assert history.call("BTC-USDT", hole).path == f"/api/v5/market/history-trades?{query}"


def test_rows_of_a_history_become_trades() -> None:
    history = okx.SPOT.history
    assert history is not None
    row = {"instId": "BTC-USDT", "side": "sell", "sz": "0.00001", "px": "29963.2", "source": "0", "tradeId": "242720720",
           "ts": "1654161646974"}  # fmt: skip
    (trade,) = own(okx.SPOT, history.message, body(row))
    assert trade == {
        "ts": 1_654_161_646_974_000_000,
        "id": "242720720",
        "price": "29963.2",
        "size": "0.00001",
        "side": "sell",
    }
