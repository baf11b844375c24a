"""What recorded messages must become, written by hand from the raw JSON: nothing of the product is used.

Numbers are kept as text by the JSON parser, so decimals compare to the character.
"""

from __future__ import annotations

import json
from typing import Any

from expected import binance, bybit, kraken, okx

_EXCHANGES = {"binance": binance.found, "bybit": bybit.found, "okx": okx.found, "kraken": kraken.found}
_SYMBOLS = {"binance": binance.symbol, "bybit": bybit.symbol, "okx": okx.symbol, "kraken": kraken.symbol}
_TYPES = {"trades": "trade", "bbo": "bbo", "book": "book", "ticker": "ticker", "derivative": "derivative",
          "liquidations": "liquidation"}  # fmt: skip


def events(exchange: str, market: str, frame: bytes) -> list[dict[str, Any]] | None:
    """The events of a message, keys in their order; None where it is not data of ours."""
    message = json.loads(frame, parse_float=str, parse_int=str)
    found = _EXCHANGES[exchange](message, market)
    if found is None:
        return None
    whole = []
    for channel, native, ts, own in found:
        kind = _TYPES.get(channel, "candle")
        head = {"type": kind, "exchange": exchange, "market": market, "channel": channel}
        event = {**head, "symbol": _SYMBOLS[exchange](native, market), "ts": ts, "recv": None, "n": None, **own}
        if kind != "derivative" and (market == "inverse" or (exchange, market) == ("okx", "linear")):
            count = {"count": event.pop("count")} if "count" in event else {}
            event |= {"size_unit": "contracts", **count}
        whole.append(event)
    return whole


def lines(exchange: str, market: str, frame: bytes) -> list[bytes]:
    """The same as `marketfeed normalize` writes them."""
    return [
        json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode() for event in events(exchange, market, frame) or ()
    ]
