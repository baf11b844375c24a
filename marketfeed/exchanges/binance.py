"""Binance: spot, on its combined streams (`/stream`).

Sources, read 2026-11: the page "WebSocket Streams for Binance" (web-socket-streams.md) and its changelog, the page "General
REST API information" (rest-api.md). Where a measurement is stricter than the page, it is the measurement that is kept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import orjson

from marketfeed.exchanges.exchange import (
    Call,
    Closing,
    Control,
    ControlKind,
    Endpoints,
    Heartbeat,
    InstrumentList,
    Limit,
    Limits,
    Market,
    Topic,
    Window,
)
from marketfeed.exchanges.message import Before, Levels, Numbering, OneOf, Wire, message
from marketfeed.symbols import Instrument, split_by_quote

_FLAG = {"true": True, "false": False}
_TAKER = OneOf("m", {"true": "sell", "false": "buy"})  # m: the buyer was the maker
_INTERVALS = {i: i for i in ["1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w", "1M"]}

# The symbol is taken from the record: a stream's name can disagree with it. Older messages lack some fields: those of 2017
# U, recorded ones of 2019 the trade's id.
_TRADE = message("trades", "{symbol}@trade", at="data", symbol="s", numbering=Numbering.CONSECUTIVE,
                 ts="T|E?", id="t?", price="p", size="q", side=_TAKER)  # fmt: skip
_AGG_TRADE = message("trades", "{symbol}@aggTrade", at="data", symbol="s", numbering=Numbering.CONSECUTIVE,
                     ts="T|E?", id="a?", price="p", size="q", side=_TAKER)  # fmt: skip
_BBO = message("bbo", "{symbol}@bookTicker", "!bookTicker", at="data", symbol="s", numbering=Numbering.RISING,
               ts="T|E?", bid_price="b", bid_size="B", ask_price="a", ask_size="A", seq="u?")  # fmt: skip
_BOOK = message("book", "{symbol}@depth@100ms", "{symbol}@depth@{any}", "{symbol}@depth", at="data", symbol="s",
                numbering=Numbering.RISING, ts="E?", snapshot=False, bids=Levels("b"), asks=Levels("a"),
                seq="u", prev_seq=Before("U?"))  # fmt: skip
_CANDLE = message("candles", "{symbol}@kline_{interval}", at="data/k", symbol="s", ts="../E?", open_time="t", close_time="T?",
                  open="o", high="h", low="l", close="c", volume="v", quote_volume="q?",
                  closed=OneOf("x?", _FLAG))  # fmt: skip
_TICKER = message("ticker", "{symbol}@ticker", "!ticker@arr", at="data", symbol="s",
                  ts="E?", last="c?", open="o?", high="h?", low="l?", volume="v?", quote_volume="q?")  # fmt: skip

_SUFFIX = {"trades": "trade", "bbo": "bookTicker", "book": "depth@100ms", "ticker": "ticker"}
_RAW = {
    "trade": "trade",
    "aggTrade": "aggTrade",
    "bookTicker": "bookTicker",
    "depthUpdate": "depth",
    "24hrTicker": "ticker",
}


_QUOTES = tuple(
    (
        "USDT USDC FDUSD TUSD USD1 USDP BUSD USDS PAX UST DAI EURI GYEN BIDR BKRW BVND IDRT BTC ETH BNB XRP TRX DOGE "
        "RLUSD U DOT SOL EUR GBP AUD TRY RUB UAH NGN ZAR BRL PLN RON ARS JPY MXN CZK COP VAI USDE XUSD BFUSD IDR KZT INR"
    ).split()
)


def _lower(native: str) -> str:
    """As stream names have it: only ASCII letters are lower-cased."""
    return "".join(c.lower() if c.isascii() else c for c in native)


def _topics(channel: str, native: str, depth: int | None) -> tuple[Topic, ...]:
    name = _lower(native)
    kind, _, interval = channel.partition(".")
    stream = f"{name}@kline_{interval}" if kind == "candles" else f"{name}@{_SUFFIX[channel]}"
    return (Topic(stream, native, path="/stream"),)


def _request(method: str, topics: Sequence[Topic], request: int) -> str:
    return orjson.dumps({"method": method, "params": [topic.name for topic in topics], "id": request}).decode()


def _control(body: Any) -> Control | None:
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


def _closing(code: int, reason: str) -> Closing:
    return Closing(paced=code == 1008 and "too many requests" in reason.lower(), reason=reason)


def _native(symbol: str) -> str:
    base, quote = symbol.split("-")
    return base + quote


def _text(row: Mapping[str, Any], key: str) -> str:
    value = row[key]
    if not isinstance(value, str):
        raise TypeError(f"{key} is no text")
    return value


def _size(row: Mapping[str, Any], filter_type: str, key: str) -> str | None:
    return next((f[key] for f in row.get("filters", ()) if f.get("filterType") == filter_type and key in f), None)


def _instruments(body: Any) -> list[Instrument]:
    return [_instrument(row) for row in body["symbols"]]


def _instrument(row: Mapping[str, Any]) -> Instrument:
    base, quote, status = _text(row, "baseAsset"), _text(row, "quoteAsset"), _text(row, "status")
    return Instrument(
        symbol=f"{base}-{quote}",
        native=_text(row, "symbol"),
        base=base,
        quote=quote,
        status=status,
        trading=status == "TRADING",
        tick_size=_size(row, "PRICE_FILTER", "tickSize"),
        lot_size=_size(row, "LOT_SIZE", "stepSize"),
    )


def _volumes(body: Any) -> dict[str, Decimal]:
    return {row["symbol"]: Decimal(row["quoteVolume"]) for row in body}


def _envelope(body: Any) -> Any:
    """A message of a raw stream (`/ws`) in the form of a combined one, or unchanged where it is none.

    Its stream's name has to be told from its keys. What lacks a symbol gets a name without a real one, so that it is found
    malformed; what is none of ours gets one with `!`, which no channel has.
    """
    if isinstance(body, list):
        kinds = [event.get("e") if isinstance(event, Mapping) else None for event in body]
        kind = kinds[0] if kinds and kinds.count(kinds[0]) == len(kinds) else None
        if not isinstance(kind, str):
            return body
        return {"stream": "!ticker@arr" if kind == "24hrTicker" else f"!{kind.replace('@', '')}[]", "data": body}
    if not isinstance(body, Mapping) or "stream" in body:
        return body
    if (name := _stream(body)) is None:
        return body
    return {"stream": name, "data": body}


def _stream(body: Mapping[str, Any]) -> str | None:
    """The name of the stream that a raw message is of. `bookTicker` and partial depth name no type: their keys tell it."""
    kind, symbol = body.get("e"), body.get("s")
    if kind is None and body.keys() >= {"b", "B", "a", "A"}:
        kind = "bookTicker"
    if kind is None and body.keys() >= {"lastUpdateId", "bids", "asks"}:
        return "!partialDepth"
    if not isinstance(kind, str):
        return None
    native = _lower(symbol) if isinstance(symbol, str) and symbol else "?"
    if kind == "kline":
        candle = body.get("k")
        interval = candle.get("i") if isinstance(candle, Mapping) else None
        return f"{native}@kline_{interval}" if isinstance(interval, str) else None
    if kind in _RAW:
        return f"{native}@{_RAW[kind]}"
    return f"!{kind.replace('@', '')}"


SPOT = Market(
    exchange="binance",
    name="spot",
    wire=Wire(("stream",), (_TRADE, _AGG_TRADE, _BBO, _BOOK, _CANDLE, _TICKER), _INTERVALS),
    limits=Limits(
        # 1024 by the page; packed to 900, so that a connection has room for what is added later.
        streams_per_connection=Limit(900, 1024, "web-socket-streams.md, 2026-07-21"),
        # 5 by the page, pings and pongs included; measured: one request every 250 ms was closed, one every 500 ms held.
        messages_per_second=Limit(2, 5, "web-socket-streams.md, 2026-07-21"),
        connects_per_5_minutes=Limit(300, 300, "web-socket-streams.md, 2026-07-21"),
        connections_per_shard=Limit(4, 1000, "own choice: 3,600 streams keep one core busy on a lively day"),
        request_topics=Limit(
            200, 200, "not published: 200 names are known to work, more than 400 were ignored in older reports"
        ),
        request_bytes=Limit(4096, 4096, "not published: older reports of connections closed above it"),
        rest=Window(6000, 60.0, "rest-api.md, 2026-07-21"),
        lifetime_s=Limit(86_400, 86_400, "web-socket-streams.md, 2026-07-21"),
    ),
    endpoints=Endpoints(ws="wss://stream.binance.com:9443", rest="https://api.binance.com"),
    heartbeat=Heartbeat(interval_s=20.0, timeout_s=20.0),
    channels=("trades", "bbo", "book", *(f"candles.{i}" for i in _INTERVALS), "ticker"),
    rates={"trades": 3.0, "bbo": 15.0, "book": 8.0, "candles": 0.5, "ticker": 1.0},
    topics=_topics,
    subscribe=lambda topics, request: _request("SUBSCRIBE", topics, request),
    unsubscribe=lambda topics, request: _request("UNSUBSCRIBE", topics, request),
    control=_control,
    closing=_closing,
    native=_native,
    symbol=lambda native: split_by_quote(native, _QUOTES),
    instruments=InstrumentList(
        (Call("/api/v3/exchangeInfo", 20),),
        _instruments,
        volumes_calls=(Call("/api/v3/ticker/24hr?type=MINI", 80),),
        volumes=_volumes,
    ),
    envelope=_envelope,
)

MARKETS = (SPOT,)
