"""tardis-node: its numbers are floats; a derivative's ticker adds up what its messages told so far."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

from marketfeed.exchanges.catalogue import MARKETS
from outcomes.compared import Case, Compared

_TYPES = {"trade": "trade", "book_change": "book", "book_ticker": "bbo", "liquidation": "liquidation",
          "derivative_ticker": "derivative"}  # fmt: skip
_TOLD = {"lastPrice": ("ticker", "last"), "openInterest": ("derivative", "open_interest"),
         "fundingRate": ("derivative", "funding_rate"), "fundingTimestamp": ("derivative", "next_funding_time"),
         "indexPrice": ("derivative", "index_price"), "markPrice": ("derivative", "mark_price")}  # fmt: skip


def compare(case: Case, events: list[dict[str, Any]], known: dict[str, Any]) -> Iterator[Compared]:
    items = case.expect["items"]
    for theirs, ours in _TYPES.items():
        of_them = [item for item in items if item["type"] == theirs]
        of_us = [event for event in events if event["type"] == ours]
        if theirs == "derivative_ticker":
            yield from _added_up(case, of_them, events, known)
            continue
        yield Compared(theirs, len(of_them), len(of_us))
        for item, event in zip(of_them, of_us, strict=False):
            for name, their_value, our_value in _fields(item, event):
                yield Compared(f"{theirs}.{name}", their_value, our_value)
            yield Compared(f"{theirs}.symbol", item["symbol"], MARKETS[case.exchange, case.market].native(event["symbol"]))
            yield Compared(f"{theirs}.timestamp", *_times(item["timestamp"], event["ts"]))


def _fields(item: dict[str, Any], event: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    if item["type"] == "book_change":
        yield "isSnapshot", item["isSnapshot"], event["snapshot"]
        for side in ("bids", "asks"):
            levels = [[level["price"], level["amount"]] for level in item[side]]
            yield side, levels, [[float(price), float(size)] for price, size in event[side]]
    elif item["type"] == "book_ticker":
        for side in ("bid", "ask"):
            yield f"{side}Price", item[f"{side}Price"], float(event[f"{side}_price"])
            yield f"{side}Amount", item[f"{side}Amount"], float(event[f"{side}_size"])
    else:
        yield "price", item["price"], float(event["price"])
        yield "amount", item["amount"], float(event["size"])
        yield "side", item["side"], event["side"]
        yield "id", item["id"], event["id"]


def _added_up(
    case: Case, items: list[dict[str, Any]], events: list[dict[str, Any]], known: dict[str, Any]
) -> Iterator[Compared]:
    """Whatever ours told so far of each symbol; where it is new, the other one has an item."""
    for event in events:
        last = known.setdefault(event["symbol"], {})
        before = dict(last)
        told = {name: event.get(key) for name, (kind, key) in _TOLD.items() if event["type"] == kind}
        last.update({name: value for name, value in told.items() if value is not None})
        if any(told.values()) and case.market != "spot":
            yield Compared("derivative_ticker", len(items), int(last != before))
    for item in items:
        native = MARKETS[case.exchange, case.market].native
        last = next((last for symbol, last in known.items() if native(symbol) == item["symbol"]), {})
        for name in _TOLD:
            value = last.get(name)
            if name == "fundingTimestamp":
                yield Compared(f"derivative_ticker.{name}", *(_times(item[name], value) if item[name] else (None, value)))
            else:
                yield Compared(f"derivative_ticker.{name}", item[name], None if value is None else float(value))
        own = [event["ts"] for event in events if event["type"] == "derivative"]
        if own:
            yield Compared("derivative_ticker.timestamp", *_times(item["timestamp"], own[-1]))


def _times(theirs: str, ours_ns: int | None) -> tuple[int, int | None]:
    """Both as exact as the other one tells it, in µs."""
    theirs_us = round(dt.datetime.fromisoformat(theirs).timestamp() * 10**6)
    step_us = 1 if len(theirs.partition(".")[2]) > 4 else 1000
    return theirs_us // step_us, None if ours_ns is None else ours_ns // 1000 // step_us
