"""nautilus_trader: its parsers' tests, on documented examples for the most part."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from marketfeed.exchanges.catalogue import MARKETS
from outcomes.compared import Case, Compared, Vocabulary, asserted, level, worded

_WORDS = {"Buy": "bids", "Sell": "asks", "Buyer": "buy", "Seller": "sell", "Snapshot": True}
_UNITS = {"Minute": "m", "Hour": "h", "Day": "d"}


def _flat(event: dict[str, Any]) -> list[tuple[str, str, str]]:
    """(side, price, size) of each level, bids first."""
    return [(side, *level) for side in ("bids", "asks") for level in event[side]]


_VOCABULARY: Vocabulary = (
    (r".*(?:flags|_counts?\[?\d*\]?|order\.action|\[\d\]\.action|first_delta\.action)", None),  # its own book-keeping
    (r".*(?:liquidated_orders_count|orders_count|checksum|prev_seq_id|moving_avg.*)", None),
    (r"arg\.(?:channel|inst_type)|spec\.price_type|.*interval(?:\.is_none\(\))?", None),
    (r"trade\.(?:bid|ask)_(?:price|size)|q\.(?:bid|ask)_price", lambda e, events: e.get("bid_price")),
    (r"\w+(?:_vec|okx_books)\.len\(\)|okx_books\.len\(\)", lambda e, events: len(events)),
    (r"(?:data|deltas)(?:\.deltas)?\.is_empty\(\)", lambda e, events: not events),
    (r"data\[0\]\.(bids|asks)\.is_empty\(\)", lambda e, events, side: not e.get(side, e.get(f"{side[:3]}_price"))),
    (r"data\[0\]\.([ohlc])\.is_empty\(\)", lambda e, events, name: not e[_name(name)]),
    (r".*(?:instrument_id|inst_id.*)", lambda e, events: e["native"]),
    (r"data\[0\]\.last_px", lambda e, events: e["last"]),
    (r"bar\.ts_event", lambda e, events: e["close_time"]),
    (r".*\.ts_event", lambda e, events: e["ts"]),
    (r"book_msg\.ts", lambda e, events: e["ts"] // 10**6),
    (r"(?:quote)\.(bid|ask)_(price|size)", lambda e, events, side, what: e[f"{side}_{what}"]),
    (r"(bid|ask)\.(price|size)", lambda e, events, side, what: e[f"{side}_{what}"]),
    (r"book_msg\.(bids|asks)\.len\(\)", lambda e, events, side: int(e[f"{side[:3]}_price"] is not None)),
    (r"(?:\w+\.sequence|book_msg\.seq_id)", lambda e, events: e["seq"]),
    (r"trade\.(price|size)", lambda e, events, name: e[name]),
    (r"trade\.aggressor_side", lambda e, events: e["side"]),
    (r"trade\.trade_id", lambda e, events: e["id"]),
    (r"(?:bar|b)\.(open|high|low|close|volume)", lambda e, events, name: e[name]),
    (r"deltas\.deltas\.len\(\)", lambda e, events: len(_flat(e))),
    (r"deltas\.deltas\[(\d+)\]\.order\.(side|price|size)", lambda e, events, at, what: _part(_flat(e)[int(at)], what)),
    (r"first_delta\.order\.side", lambda e, events: _flat(e)[0][0]),
    (r"\w+\.(bids|asks)\[(\d+)\]\.price", lambda e, events, side, at: level(e, side, at)[0]),
    (r"\w+\.(bids|asks)\[(\d+)\]\.size", lambda e, events, side, at: level(e, side, at)[1]),
    (r"\w+\.(bids|asks)\[\d+\]\.side", lambda e, events, side: side),
    (r"action", lambda e, events: e["snapshot"]),
    (r"mark\.value", lambda e, events: e["mark_price"]),
    (r"index\.value", lambda e, events: e["index_price"]),
    (r"funding(?:_rate)?\.rate(?:\.to_string\(\))?", lambda e, events: e["funding_rate"]),
    (r"funding(?:_rate)?\.next_funding_ns", lambda e, events: e["next_funding_time"]),
    (r"spec\.(step\.get\(\)|aggregation)", lambda e, events, part: _interval(e["interval"], part)),
)


def compare(case: Case, events: list[dict[str, Any]], known: dict[str, Any]) -> Iterator[Compared]:
    native = MARKETS[case.exchange, case.market].native
    ours = [{**event, "native": native(event["symbol"])} for event in events]
    yield from asserted(case.expect["asserts"], _VOCABULARY, ours, _plain)


def _plain(value: Any) -> Any:
    """Without Rust around it."""
    if isinstance(value, str):
        value = re.sub(r'^(?:dec!\(|&Ustr::from\(")|\.OKX$|"?\)$', "", value)
        value = _WORDS.get(value, value)
    return worded(value)


def _name(letter: str) -> str:
    return {"o": "open", "h": "high", "l": "low", "c": "close"}[letter]


def _part(flat: tuple[str, str, str], what: str) -> str:
    return flat[("side", "price", "size").index(what)]


def _interval(interval: str, part: str) -> str:
    return interval[:-1] if part.startswith("step") else {unit: name for name, unit in _UNITS.items()}[interval[-1]]
