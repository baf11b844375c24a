"""OKX v5: spot, linear and inverse (perpetual swaps and dated futures).

Sources: OKX's documentation as of 2026-07 (docs-v5: overview-websocket, close-frame, error-codes, one page a channel). Sizes of
the derivatives count contracts. Candles, and `trades-all`, come from `/business`, everything else from `/public`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from marketfeed.exchanges import okx_rest
from marketfeed.exchanges.exchange import (
    Closing,
    Control,
    ControlKind,
    Endpoints,
    Heartbeat,
    Limit,
    Limits,
    Market,
    Topic,
    Window,
)
from marketfeed.exchanges.message import Hook, Levels, Message, Numbering, OneOf, Wire, message

_SIDE = OneOf("side", {"buy": "buy", "sell": "sell"})
_DAY = {"ts": "ts", "last": "last?", "open": "open24h?", "high": "high24h?", "low": "low24h?", "volume": "vol24h?"}

# Recorded messages of 2022 and before lack seqId, count, and the last columns of candles.
_TRADE = message("trades", "trades:{symbol}", "trades-all:{symbol}", at="data", numbering=Numbering.RISING,
                 ts="ts", id="tradeId", price="px", size="sz", side=_SIDE, count="count?")  # fmt: skip
_BBO = message("bbo", "bbo-tbt:{symbol}", at="data", numbering=Numbering.RISING,
               ts="ts", bid_price="bids/0/0?", bid_size="bids/0/1?", ask_price="asks/0/0?", ask_size="asks/0/1?",
               seq="seqId?")  # fmt: skip
_BOOK = message("book", "books:{symbol}", at="data", numbering=Numbering.CHAINED, hook=Hook("texts_checksum", ("checksum",)),
                ts="ts", snapshot=OneOf("../action", {"snapshot": True, "update": False}),
                bids=Levels("bids"), asks=Levels("asks"), seq="seqId?", prev_seq="prevSeqId?")  # fmt: skip
_CANDLE = message("candles", "candle{interval}:{symbol}", at="data",
                  open_time="0", open="1", high="2", low="3", close="4", volume="5", quote_volume="7?",
                  closed=OneOf("8?", {"1": True, "0": False}))  # fmt: skip
_COMMON = (_TRADE, _BBO, _BOOK, _CANDLE)
_SPOT = (*_COMMON, Message("ticker", ("tickers:{symbol}",), "data", {**_DAY, "quote_volume": "volCcy24h?"}))
_DERIVATIVES = (
    *_COMMON,
    Message("ticker", ("tickers:{symbol}",), "data", _DAY),  # volCcy24h is in the base currency here
    message("derivative", "mark-price:{symbol}", at="data", ts="ts", mark_price="markPx"),
    message("derivative", "index-tickers:{symbol}", at="data", of_index=True, ts="ts", index_price="idxPx"),
    message("derivative", "open-interest:{symbol}", at="data", ts="ts", open_interest="oi"),
    message("derivative", "funding-rate:{symbol}", at="data", ts="ts?", funding_rate="fundingRate?",
            next_funding_time="fundingTime"),
    message("liquidations", "liquidation-orders:SWAP", "liquidation-orders:FUTURES", at="data/details", symbol="../instId",
            ts="ts", price="bkPx", size="sz", side=_SIDE),
)  # fmt: skip

_FIXED = {"1s": "1s", "1m": "1m", "3m": "3m", "5m": "5m", "15m": "15m", "30m": "30m", "1H": "1h", "2H": "2h", "4H": "4h"}
_LONG = {"6H": "6h", "12H": "12h", "1D": "1d", "2D": "2d", "3D": "3d", "5D": "5d", "1W": "1w", "1M": "1M", "3M": "3M"}
"""Those that begin at midnight of UTC+8; with `utc` behind they begin at midnight of UTC, as everywhere else."""
_INTERVALS = {**_FIXED, **{f"{name}utc": ours for name, ours in _LONG.items()}, **_LONG}
_SUBSCRIBED = {ours: name for name, ours in _INTERVALS.items() if name not in _LONG}
_CHANNELS = {"trades": "trades", "bbo": "bbo-tbt", "book": "books", "ticker": "tickers"}
_DEPTH = 400

_BY_TYPE = "liquidation-orders"
"""Its topic names a type of instrument, and so does each of its requests."""
_REFUSED_ARG = re.compile(r"channel:\s*([A-Za-z0-9-]+),\s*inst(?:Id|Type):\s*([^\s,]+)").search


# ---- topics and requests -------------------------------------------------------------------------------------------------


def _public(name: str, native: str, deep: bool = False) -> Topic:
    return Topic(name, native, "wsPublic", "/ws/v5/public", deep=deep)


def _topics(channel: str, native: str, depth: int | None) -> tuple[Topic, ...]:
    kind, _, interval = channel.partition(".")
    if kind == "candles":
        return (Topic(f"candle{_SUBSCRIBED[interval]}:{native}", native, "wsBusiness", "/ws/v5/business"),)
    swap = native.endswith("-SWAP")
    if kind == "liquidations":
        return (_public(f"{_BY_TYPE}:{'SWAP' if swap else 'FUTURES'}", ""),)
    if kind == "derivative":
        own = ("mark-price", "open-interest", *(("funding-rate",) if swap else ()))
        index = _public(f"index-tickers:{okx_rest.index(native)}", "")
        return (*(_public(f"{name}:{native}", native) for name in own), index)
    return (_public(f"{_CHANNELS[kind]}:{native}", native, deep=kind == "book"),)


def _request(op: str, topics: Sequence[Topic], request: int) -> str:
    return orjson.dumps({"id": str(request), "op": op, "args": [_arg(topic.name) for topic in topics]}).decode()


def _arg(name: str) -> dict[str, str]:
    channel, _, what = name.partition(":")
    return {"channel": channel, "instType" if channel == _BY_TYPE else "instId": what}


# ---- answers and ends ----------------------------------------------------------------------------------------------------


def _control(body: Any) -> Control | None:
    """One acknowledgement a topic, errors (by id, and by the topic where the text names it), notices and the pong."""
    if body == _HEARTBEAT.answer:
        return Control(ControlKind.ALIVE)
    if not isinstance(body, Mapping):
        return None
    event, reason = str(body.get("event")), str(body.get("msg", ""))
    if event in {"subscribe", "unsubscribe"}:
        return Control(ControlKind.ACKNOWLEDGED, _number(body), topics=_names(body.get("arg")))
    if event == "error":
        return _error(str(body.get("code")), reason, _number(body))
    if event == "notice" and body.get("code") == "64008":
        return Control(ControlKind.CLOSING, reason=f"64008: {reason}")
    if event in {"notice", "channel-conn-count", "channel-conn-count-error"}:  # the last two are about private channels
        return Control(ControlKind.HEARTBEAT, reason=reason)
    arg = body.get("arg")
    if isinstance(arg, Mapping) and arg.get("channel") == "status":  # maintenance that is planned; it names no instrument
        return Control(ControlKind.HEARTBEAT)
    return None


def _error(code: str, reason: str, request: int | None) -> Control:
    told = f"{code}: {reason}"
    if code in _PACED:
        return Control(ControlKind.PACED, request, told)
    found = _REFUSED_ARG(reason) if code == "60018" else None
    return Control(ControlKind.REJECTED, request, told, topics=(f"{found[1]}:{found[2]}",) if found else ())


_PACED = {"60014", *okx_rest.PACED}
"""Requests too frequent; the REST codes for the same stand beside it in the list of error-codes."""


def _number(body: Mapping[str, Any]) -> int | None:
    told = body.get("id")
    return int(told) if isinstance(told, str) and re.fullmatch("[0-9]{1,18}", told) else None


def _names(arg: Any) -> tuple[str, ...]:
    """The topic that an acknowledgement repeats."""
    if not isinstance(arg, Mapping):
        return ()
    channel, what = arg.get("channel"), arg.get("instId") or arg.get("instType")
    return (f"{channel}:{what}",) if isinstance(channel, str) and isinstance(what, str) else ()


_CLOSED = {
    4001: "login failed",
    4002: "invalid request",
    4004: "no ping for 30 s",
    4005: "we read too slowly",
    4006: "abnormal disconnection",
    4008: "too many subscribed channels",
    4009: "too many subscribed channels on this connection",
}
"""Close codes (docs-v5 close-frame, 2026-07)."""


def _closing(code: int, reason: str) -> Closing:
    told = _CLOSED.get(code, "")
    return Closing(paced=code in {4008, 4009}, reason=": ".join(part for part in (told, reason) if part))


# ---- the markets ---------------------------------------------------------------------------------------------------------

_OVERVIEW = "docs-v5 overview-websocket, 2026-07"
_LIMITS = Limits(
    # No number is published. With 480, a connection could still ask for each of its topics by itself within the hour's 480
    # requests; codes 4008 and 4009 say that a number exists.
    streams_per_connection=Limit(240, 480, "not published: 480 requests an hour, docs-v5 overview-websocket, 2026-07"),
    messages_per_second=Limit(5, 10, "not published; own choice: what is counted is requests by the hour"),
    connects_per_5_minutes=Limit(900, 900, _OVERVIEW),
    connections_per_shard=Limit(16, 1000, "own choice: 464 deep books, or 3,840 others, keep one core busy on a lively day"),
    request_topics=Limit(240, 480, "not counted: a connection's topics fit one request"),
    request_bytes=Limit(65_536, 65_536, _OVERVIEW),
    # Each call has a window of its own; the smallest of those that are used (instruments, tickers, history-trades) is kept
    # over all of them.
    rest=Window(20, 2.0, "docs-v5 get-instruments, 2026-07"),
    requests=Window(480, 3600.0, _OVERVIEW),
    connects=Window(3, 1.0, _OVERVIEW),
    deep_books=Limit(29, 29, "advised: fewer than 30, docs-v5 overview-websocket, 2026-07"),
)
_HEARTBEAT = Heartbeat(interval_s=20.0, timeout_s=10.0, payload="ping", answer="pong")
"""Cut after 30 s without anything sent (docs-v5 overview-websocket, 2026-07)."""
_WS = "wss://ws.okx.com"  # port 443: 8443 is retired since 2026-10-31
_RATES = {"trades": 2.0, "bbo": 12.0, "book": 6.0, "candles": 0.5, "ticker": 3.0, "derivative": 5.0, "liquidations": 0.01}


def _market(name: str) -> Market:
    spot = name == "spot"
    candles = (f"candles.{interval}" for interval in _SUBSCRIBED)
    return Market(
        exchange="okx",
        name=name,
        wire=Wire(("arg/channel", "arg/instId|arg/instType"), _SPOT if spot else _DERIVATIVES, _INTERVALS, contracts=not spot),
        limits=_LIMITS,
        endpoints=Endpoints(ws=_WS, rest="https://www.okx.com", others={"wsPublic": _WS, "wsBusiness": _WS}),
        heartbeat=_HEARTBEAT,
        channels=("trades", "bbo", "book", *candles, "ticker", *(() if spot else ("derivative", "liquidations"))),
        rates=_RATES,
        topics=_topics,
        subscribe=lambda topics, request: _request("subscribe", topics, request),
        unsubscribe=lambda topics, request: _request("unsubscribe", topics, request),
        control=_control,
        closing=_closing,
        native=lambda symbol: okx_rest.native(symbol, name),
        symbol=lambda native: okx_rest.symbol(native, name),
        instruments=okx_rest.instruments(name),
        index=(lambda native: None) if spot else okx_rest.index,
        depths=(_DEPTH,),
        default_depth=_DEPTH,
        fault=okx_rest.fault,
        snapshot=okx_rest.SNAPSHOT,
        history=okx_rest.HISTORY,
        compression=True,  # okx.com/learn, "complete guide to OKEx API v5 upgrade"
    )


SPOT, LINEAR, INVERSE = _market("spot"), _market("linear"), _market("inverse")
MARKETS = (SPOT, LINEAR, INVERSE)
