"""Frames that Binance's stream servers understand and send, the same in all of its markets."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from marketfeed.exchanges.exchange import Closing, Control, ControlKind, Topic

_RAW = {
    "trade": "trade",
    "aggTrade": "aggTrade",
    "bookTicker": "bookTicker",
    "depthUpdate": "depth",
    "24hrTicker": "ticker",
    "markPriceUpdate": "markPrice",
    "forceOrder": "forceOrder",
}
"""The type that a message names → the end of its stream's name."""
_ARRAYS = {"24hrTicker": "!ticker@arr", "markPriceUpdate": "!markPrice@arr"}


def lower(native: str) -> str:
    """As stream names have it: only ASCII letters are lower-cased."""
    return "".join(c.lower() if c.isascii() else c for c in native)


def stream(channel: str, native: str, suffixes: Mapping[str, str]) -> str:
    """A stream's name. `suffixes`: its end by channel; candles have their interval in it."""
    kind, _, interval = channel.partition(".")
    return f"{lower(native)}@" + (f"kline_{interval}" if kind == "candles" else suffixes[channel])


def subscribe(topics: Sequence[Topic], request: int) -> str:
    return _request("SUBSCRIBE", topics, request)


def unsubscribe(topics: Sequence[Topic], request: int) -> str:
    return _request("UNSUBSCRIBE", topics, request)


def _request(method: str, topics: Sequence[Topic], request: int) -> str:
    return orjson.dumps({"method": method, "params": [topic.name for topic in topics], "id": request}).decode()


def control(body: Any) -> Control | None:
    """Replies, errors (flat or wrapped: both are seen) and `serverShutdown`."""
    if not isinstance(body, Mapping):
        return None
    data = body.get("data", body)
    if isinstance(data, Mapping) and data.get("e") == "serverShutdown":
        return Control(ControlKind.CLOSING, reason="serverShutdown")
    request = body.get("id")
    number = int(request) if isinstance(request, int | str) and re.fullmatch("[0-9]{1,18}", str(request)) else None
    error = body.get("error", body if "code" in body and "msg" in body else None)
    if isinstance(error, Mapping):
        reason = str(error.get("msg", error))
        paced = "too many requests" in reason.lower()
        return Control(ControlKind.PACED if paced else ControlKind.REJECTED, number, reason)
    if "result" in body and "id" in body:
        return Control(ControlKind.ACKNOWLEDGED, number)
    return None


def closing(code: int, reason: str) -> Closing:
    """1008 with "Too many requests" is what a broken pace looks like."""
    return Closing(paced=code == 1008 and "too many requests" in reason.lower(), reason=reason)


def envelope(body: Any) -> Any:
    """A message of a raw stream (`/ws`) in the form of a combined one, or unchanged where it is none.

    Its stream's name has to be told from its keys. What lacks a symbol gets a name without a real one, so that it is found
    malformed; what is none of ours gets one with `!`, which no channel has.
    """
    if isinstance(body, list):
        kinds = [event.get("e") if isinstance(event, Mapping) else None for event in body]
        kind = kinds[0] if kinds and kinds.count(kinds[0]) == len(kinds) else None
        if not isinstance(kind, str):
            return body
        return {"stream": _ARRAYS.get(kind) or f"!{kind.replace('@', '')}[]", "data": body}
    if not isinstance(body, Mapping) or "stream" in body:
        return body
    if (name := _stream(body)) is None:
        return body
    return {"stream": name, "data": body}


def _stream(body: Mapping[str, Any]) -> str | None:
    """The name of the stream that a raw message is of. `bookTicker` and partial depth name no type: their keys tell it."""
    kind = body.get("e")
    if kind is None and body.keys() >= {"b", "B", "a", "A"}:
        kind = "bookTicker"
    if kind is None and body.keys() >= {"lastUpdateId", "bids", "asks"}:
        return "!partialDepth"
    if not isinstance(kind, str):
        return None
    native = _symbol(body, "o" if kind == "forceOrder" else None)
    if kind == "kline":
        candle = body.get("k")
        interval = candle.get("i") if isinstance(candle, Mapping) else None
        return f"{native}@kline_{interval}" if isinstance(interval, str) else None
    if kind in _RAW:
        return f"{native}@{_RAW[kind]}"
    return f"!{kind.replace('@', '')}"


def _symbol(body: Mapping[str, Any], inside: str | None) -> str:
    """The symbol of a raw message, lower case, or one that is none."""
    holder = body if inside is None else body.get(inside)
    symbol = holder.get("s") if isinstance(holder, Mapping) else None
    return lower(symbol) if isinstance(symbol, str) and symbol else "?"
