"""crypto-msg-parser: sizes in base, quote and contracts, of which ours has one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from marketfeed.exchanges.catalogue import MARKETS
from outcomes.compared import ABSENT, Case, Compared, Vocabulary, asserted, level, worded

_TYPES = {"trade": "trade", "l2_event": "book", "l2_snapshot": "book", "bbo": "bbo", "candlestick": "candle",
          "funding_rate": "derivative", "open_interest": "derivative", "ticker": "ticker"}  # fmt: skip
_NO_TIME = ("received_at", "received_at.unwrap()")


def _in(unit: str, event: dict[str, Any], size: Any) -> Any:
    """A size of ours, if it counts in this unit."""
    return size if (unit == "contract") == (event.get("size_unit") == "contracts") else ABSENT


def _ms(ns: int | None) -> int | None:
    return None if ns is None else ns // 10**6


_VOCABULARY: Vocabulary = (
    (r".*\.(?:msg_type|\w+_quote|estimated_rate)", None),
    (r"(?:trades|funding_rates|arr)\.len\(\)", lambda e, events: len(events)),
    (r".*\.timestamp", lambda e, events: _ms(e["ts"])),
    (r".*\.(symbol|pair)", lambda e, events, name: e[name]),
    (r"trade\.(price|side)", lambda e, events, name: e[name]),
    (r"trade\.quantity_(base|contract)", lambda e, events, unit: _in(unit, e, e["size"])),
    (r"orderbook\.(bids|asks)\.len\(\)", lambda e, events, side: len(e[side])),
    (r"orderbook\.(bids|asks)\[(\d+)\]\.price", lambda e, events, side, at: level(e, side, at)[0]),
    (
        r"orderbook\.(bids|asks)\[(\d+)\]\.quantity_(base|contract)(?:\.unwrap\(\))?",
        lambda e, events, side, at, unit: _in(unit, e, level(e, side, at)[1]),
    ),
    (r"orderbook\.snapshot", lambda e, events: e["snapshot"]),
    (r"(?:orderbook\.seq_|bbo_msg\.)id", lambda e, events: e["seq"]),
    (r"orderbook\.prev_seq_id", lambda e, events: e["prev_seq"]),
    (r"bbo_msg\.(bid|ask)_price", lambda e, events, side: e[f"{side}_price"]),
    (r"bbo_msg\.(bid|ask)_quantity_(base|contract)", lambda e, events, side, unit: _in(unit, e, e[f"{side}_size"])),
    (r"candlestick_msg\.begin_time", lambda e, events: e["open_time"] // 10**9),
    (r"candlestick_msg\.period", lambda e, events: e["interval"]),
    (r"candlestick_msg\.(open|high|low|close|volume|quote_volume)", lambda e, events, name: e[name]),
    (r"funding_rates\[0\]\.funding_rate", lambda e, events: e["funding_rate"]),
    (r"funding_rates\[0\]\.funding_time", lambda e, events: _ms(e["next_funding_time"])),
)


def compare(case: Case, events: list[dict[str, Any]], known: dict[str, Any]) -> Iterator[Compared]:
    told, native = case.expect, MARKETS[case.exchange, case.market].native
    yield Compared("type", {_TYPES.get(told["type"])}, {event["type"] for event in events})
    ours = [{**event, "pair": _pair(event["symbol"]), "symbol": native(event["symbol"])} for event in events]
    head = {f"message.{name}": told[name] for name in ("pair", "symbol") if told[name] not in {None, "NONE", "ALL"}}
    time = {} if told["timestamp_ms"] is None else {"message.timestamp": told["timestamp_ms"]}
    asserts = dict(_path_first(path, value) for path, value in told["asserts"].items())
    for one in asserted(head | time | asserts, _VOCABULARY, ours, worded):
        if one.theirs not in _NO_TIME:
            yield one


def _pair(symbol: str) -> str:
    return "/".join(symbol.split("-")[:2])


def _path_first(path: str, value: Any) -> tuple[str, Any]:
    """Some tests assert a value against its path."""
    return (value, path.strip('"')) if re.fullmatch(r"\w+_msg\.\w+", str(value)) else (path, value)
