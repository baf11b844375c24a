"""Outcomes that other projects' tests assert for single messages, beside ours.

Their numbers are floats, and so is the comparison; their times of quotes and liquidations are those of the message.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from typing import Any

import pytest
from engines import Both, needs_kernel
from recordings import RECORDINGS, lines, needs_recordings

from marketfeed.exchanges.catalogue import MARKETS

pytestmark = [needs_recordings, needs_kernel]

TYPES = {"trade": "trade", "book_change": "book", "book_ticker": "bbo", "liquidation": "liquidation"}


def cases(name: str) -> Iterator[dict[str, Any]]:
    path = RECORDINGS / "expect" / f"{name}.jsonl"
    for text in lines(path) if path.exists() else ():
        case = json.loads(text)
        if case["transport"] == "ws" and (case["exchange"], case["market"]) in MARKETS:
            yield case


def parameters(*names: str) -> list[Any]:
    return [pytest.param(case, id=case["id"]) for name in names for case in cases(name)]


def decoded(case: dict[str, Any]) -> list[dict[str, Any]]:
    market = MARKETS[case["exchange"], case["market"]]
    both = Both(market, market.symbol)
    return both.events(case["raw"].encode()) or []


def ms(text: str) -> int:
    return round(dt.datetime.fromisoformat(text).timestamp() * 1000)


def keeps_state(case: dict[str, Any], item: dict[str, Any]) -> bool:
    """Whether the other one puts quotes together from deltas of 2023, as Bybit no longer sends them."""
    return case["channel"] == "orderbook.1" and item["type"] == "book_ticker" and '"type":"delta"' in case["raw"]


def levels(side: list[dict[str, float]]) -> list[list[float]]:
    return [[level["price"], level["amount"]] for level in side]


@pytest.mark.parametrize("case", parameters("tardis-node"))
def test_events_are_those_of_another_normalizer(case: dict[str, Any]) -> None:
    items = [item for item in case["expect"]["items"] if item["type"] in TYPES and not keeps_state(case, item)]
    kinds = {TYPES[item["type"]] for item in items}
    ours = [event for event in decoded(case) if event["type"] in kinds]
    if not ours or not items:  # a channel of only one of us
        return
    assert len(ours) == len(items)
    for event, item in zip(ours, items, strict=True):
        if item["type"] == "book_change":
            assert event["snapshot"] == item["isSnapshot"]
            for side in ("bids", "asks"):
                assert [[float(price), float(size)] for price, size in event[side]] == levels(item[side])
        elif item["type"] == "book_ticker":
            own = [float(event[key]) for key in ("bid_price", "bid_size", "ask_price", "ask_size")]
            assert own == [item[key] for key in ("bidPrice", "bidAmount", "askPrice", "askAmount")]
        else:
            assert float(event["size"]) == item["amount"]
            assert event["side"] == item["side"]
            if item["type"] == "trade":
                assert (event["id"], float(event["price"])) == (item["id"], item["price"])
                assert event["ts"] // 10**6 == ms(item["timestamp"])


@pytest.mark.parametrize("case", parameters("hyperdata"))
def test_liquidations_have_the_side_of_the_order(case: dict[str, Any]) -> None:
    ours = [(event["price"], event["size"], event["side"], event["ts"] // 10**6) for event in decoded(case)]
    items = case["expect"]["items"]
    assert ours == [(item["price"], item["size"], item["liquidation_order_side"], item["ts_ms"]) for item in items]


@pytest.mark.parametrize("case", parameters("crypto-msg-parser"))
def test_trades_have_the_takers_side(case: dict[str, Any]) -> None:
    sides = {event["side"] for event in decoded(case) if event["type"] == "trade"}
    side = case["expect"]["asserts"].get("trade.side")
    if side is not None and len(sides) == 1:
        assert sides == {side}


@pytest.mark.parametrize("case", parameters("nautilus"))
def test_engines_agree_on_documented_examples(case: dict[str, Any]) -> None:
    decoded(case)
