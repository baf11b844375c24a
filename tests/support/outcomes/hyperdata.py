"""Bybit's liquidations, with the mark price at which they were received: it tells who was liquidated."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from outcomes.compared import Case, Compared


def compare(case: Case, events: list[dict[str, Any]], known: dict[str, Any]) -> Iterator[Compared]:
    items = case.expect["items"]
    yield Compared("items", len(items), len(events))
    for item, event in zip(items, events, strict=False):
        yield Compared("symbol", item["symbol"], event["symbol"].removesuffix("-PERP").replace("-", ""))
        yield Compared("liquidation_order_side", item["liquidation_order_side"], event["side"])
        yield Compared("position_liquidated", item["position_liquidated"], {"sell": "long", "buy": "short"}[event["side"]])
        for name in ("price", "size"):
            yield Compared(name, item[name], event[name])
        yield Compared("ts_ms", item["ts_ms"], event["ts"] // 10**6)
