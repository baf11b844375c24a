from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketfeed.exchanges.catalogue import MARKETS
from marketfeed.exchanges.exchange import Fault, FaultKind, Market
from marketfeed.faults import LONGEST_BYTES, SHOWN_CHARACTERS, fault, words

BINANCE, BYBIT, OKX, KRAKEN = (MARKETS[exchange, "spot"] for exchange in ("binance", "bybit", "okx", "kraken"))
PACED, REFUSED, FAILED = FaultKind.PACED, FaultKind.REFUSED, FaultKind.FAILED


@pytest.mark.parametrize(
    ("market", "body", "kind", "reason"),
    [
        (BINANCE, {"code": -1121, "msg": "Invalid symbol."}, REFUSED, "-1121: Invalid symbol."),
        (BINANCE, {"code": -1003, "msg": "Too much request weight used"}, PACED, "-1003: Too much request weight used"),
        (BINANCE, {"code": -1007, "msg": "Timeout"}, FAILED, "-1007: Timeout"),
        (BYBIT, {"retCode": 10001, "retMsg": "params error", "result": {}}, REFUSED, "10001: params error"),
        (BYBIT, {"retCode": 10006, "retMsg": "Too many visits!"}, PACED, "10006: Too many visits!"),
        (BYBIT, {"retCode": 10016, "retMsg": "Server error"}, FAILED, "10016: Server error"),
        (
            OKX,
            {"code": "51001", "data": [], "msg": "Instrument ID doesn't exist."},
            REFUSED,
            "51001: Instrument ID doesn't exist.",
        ),
        (OKX, {"code": "50011", "data": [], "msg": "Too Many Requests"}, PACED, "50011: Too Many Requests"),
        (OKX, {"code": "50061", "data": [], "msg": "Too Many Requests"}, PACED, "50061: Too Many Requests"),
        (OKX, {"code": "50001", "data": [], "msg": "Unavailable"}, FAILED, "50001: Unavailable"),
        (KRAKEN, {"error": ["EQuery:Unknown asset pair"]}, REFUSED, "EQuery:Unknown asset pair"),
        (KRAKEN, {"error": ["EGeneral:Too many requests"]}, PACED, "EGeneral:Too many requests"),
        (KRAKEN, {"error": ["EService: Throttled"]}, FAILED, "EService: Throttled"),
        (KRAKEN, {"error": ["WGeneral:Old", "EService:Unavailable"]}, FAILED, "EService:Unavailable"),
    ],
)
def test_an_error_is_told_in_the_exchange_s_words(market: Market, body: Any, kind: FaultKind, reason: str) -> None:
    assert fault(market, json.dumps(body).encode()) == Fault(kind, reason)


@pytest.mark.parametrize(
    ("market", "body"),
    [
        (BINANCE, [{"id": 1}]),
        (BINANCE, {"lastUpdateId": 1, "bids": [], "asks": []}),
        (BYBIT, {"retCode": 0, "retMsg": "OK", "result": {"list": []}}),
        (OKX, {"code": "0", "data": [], "msg": ""}),
        (KRAKEN, {"error": [], "result": {}}),
        (KRAKEN, {"error": ["WGeneral:Deprecated"], "result": {}}),
    ],
)
def test_an_answer_is_no_error_however_empty_it_is(market: Market, body: Any) -> None:
    assert fault(market, json.dumps(body).encode()) is None


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["code", "msg", "retCode", "retMsg", "error", "x"]), inner, max_size=4)
    ),
    max_leaves=8,
)


@given(st.sampled_from(list(MARKETS.values())), _JSON)
def test_whatever_an_exchange_answers_is_understood_or_not_but_breaks_nothing(market: Market, body: Any) -> None:
    found = fault(market, json.dumps(body).encode())
    assert found is None or isinstance(found.reason, str)


def test_what_is_not_understood_is_shown_in_its_first_words() -> None:
    assert words(BINANCE, b"<html>\n  Bad   gateway") == "<html> Bad gateway"
    assert words(BINANCE, b"\xff" * 1000) == "\N{REPLACEMENT CHARACTER}" * SHOWN_CHARACTERS
    assert words(BINANCE, b"") == ""
    assert words(OKX, b'{"code":"51001","msg":"no such\\nthing"}') == "51001: no such thing"


def test_data_without_end_is_not_read_twice() -> None:
    assert fault(BINANCE, b'{"code":-1121,"msg":"' + b"x" * LONGEST_BYTES + b'"}') is None
