"""Kraken: spot, on its WebSocket API v2.

Sources: docs.kraken.com as of 2026-11 (spot-websocket-v2: ticker, book, trade, ohlc, heartbeat, status, ping; the guide
"Spot WebSocket introduction"). Numbers stay the text that Kraken sends: its checksum is made of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from marketfeed.exchanges import kraken_rest
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
    http_refusal,
)
from marketfeed.exchanges.message import Hook, Levels, Numbering, OneOf, Wire, message

_INTERVALS = {"1": "1m", "5": "5m", "15": "15m", "30": "30m", "60": "1h", "240": "4h", "1440": "1d", "10080": "1w",
              "21600": "15d"}  # fmt: skip
_MINUTES = {ours: minutes for minutes, ours in _INTERVALS.items()}

_TRADE = message("trades", "trade", at="data", symbol="symbol", numbering=Numbering.CONSECUTIVE,
                 ts="timestamp", id="trade_id", price="price", size="qty",
                 side=OneOf("side", {"buy": "buy", "sell": "sell"}))  # fmt: skip
# One subscription, with `event_trigger: bbo`, feeds two channels.
_BBO = message("bbo", "ticker", at="data", symbol="symbol",
               ts="timestamp?", bid_price="bid", bid_size="bid_qty", ask_price="ask", ask_size="ask_qty")  # fmt: skip
_TICKER = message("ticker", "ticker", at="data", symbol="symbol",
                  ts="timestamp?", last="last?", high="high?", low="low?", volume="volume?")  # fmt: skip
_BOOK = message("book", "book", at="data", symbol="symbol", numbering=Numbering.CHAINED,
                hook=Hook("digits_checksum", ("checksum",)), ts="timestamp?",
                snapshot=OneOf("../type", {"snapshot": True, "update": False}),
                bids=Levels("bids", "price", "qty"), asks=Levels("asks", "price", "qty"))  # fmt: skip
_CANDLE = message("candles", "ohlc", at="data", symbol="symbol", hook=Hook("candle_end"),
                  ts="timestamp?", interval=OneOf("interval", _INTERVALS), open_time="interval_begin",
                  open="open", high="high", low="low", close="close", volume="volume")  # fmt: skip

_CHANNELS = {"trades": "trade", "bbo": "ticker", "ticker": "ticker"}
_TRIGGER: Mapping[str, Mapping[str, Any]] = {"ticker": {"event_trigger": "bbo"}}
_NO_NEWS = {"snapshot": False}
"""Of trades and candles a snapshot is what was before the subscription."""
_SUBSCRIBE: Mapping[str, Mapping[str, Any]] = {**_TRIGGER, "trade": _NO_NEWS, "ohlc": _NO_NEWS, "book": {"snapshot": True}}
_DEPTHS = (10, 25, 100, 500, 1000)
_DEFAULT_DEPTH = 100

# ---- topics and requests -------------------------------------------------------------------------------------------------


def _topics(channel: str, native: str, depth: int | None) -> tuple[Topic, ...]:
    """Named `book/100:BTC/USD`: the channel with what tells its subscriptions apart, then the symbol."""
    kind, _, interval = channel.partition(".")
    if kind == "candles":
        group = f"ohlc/{_MINUTES[interval]}"
    elif kind == "book":
        group = f"book/{SPOT.depth(depth)}"
    else:
        group = _CHANNELS[kind]
    return (Topic(f"{group}:{native}", native, path="/v2", group=group),)


def _request(method: str, more: Mapping[str, Mapping[str, Any]], topics: Sequence[Topic], request: int) -> str:
    """One channel with its parameters a request: that is what a group is. `more`: parameters by channel."""
    group = topics[0].name.partition(":")[0] if topics else ""
    channel, _, variant = group.partition("/")
    symbols = [topic.name.partition(":")[2] for topic in topics]
    parameters = {"channel": channel, "symbol": symbols, **more.get(channel, {})}
    if variant:
        parameters["depth" if channel == "book" else "interval"] = int(variant)
    return orjson.dumps({"method": method, "params": parameters, "req_id": request}).decode()


# ---- answers and ends ----------------------------------------------------------------------------------------------------


def _control(body: Any) -> Control | None:
    """One acknowledgement a symbol, errors that name the symbol alone, heartbeats, the status and the pong."""
    if not isinstance(body, Mapping):
        return None
    if str(body.get("channel")) in {"heartbeat", "status"}:
        return Control(ControlKind.HEARTBEAT)
    method, told = str(body.get("method")), body.get("req_id")
    request = told if isinstance(told, int) and not isinstance(told, bool) else None
    if method == "pong":
        return Control(ControlKind.ALIVE)
    if body.get("success") is True and method in {"subscribe", "unsubscribe"}:
        return Control(ControlKind.ACKNOWLEDGED, request, topics=_names(body.get("result")))
    if "error" in body:
        return _error(str(body["error"]), request, body.get("symbol"))
    return None


def _error(reason: str, request: int | None, symbol: Any) -> Control:
    paced = "exceeded msg rate" in reason.lower()
    native = symbol if isinstance(symbol, str) else ""
    return Control(ControlKind.PACED if paced else ControlKind.REJECTED, request, reason, native=native)


def _names(result: Any) -> tuple[str, ...]:
    """The topic that an acknowledgement repeats."""
    if not isinstance(result, Mapping):
        return ()
    channel, symbol = result.get("channel"), result.get("symbol")
    variant = result.get("depth", 10) if channel == "book" else result.get("interval", 1) if channel == "ohlc" else None
    return (f"{channel}:{symbol}" if variant is None else f"{channel}/{variant}:{symbol}",)


_BAN_S = 600.0
"""Of an address that tried to connect too often (the guide's introduction, 2026-11)."""


def _refusal(status: int, retry_after_s: float | None) -> Closing:
    """Cloudflare stands before Kraken: what it answers to too many attempts is a ban of the address."""
    if status in {403, 429}:
        return Closing(paced=status == 429, banned_s=max(retry_after_s or 0.0, _BAN_S), reason=f"Banned (HTTP {status})")
    return http_refusal(status, retry_after_s)


_GUIDE = "guides/websockets/introduction, 2026-11"
_OWN = "not published; own choice: "

SPOT = Market(
    exchange="kraken",
    name="spot",
    wire=Wire(("channel",), (_TRADE, _BBO, _TICKER, _BOOK, _CANDLE)),
    limits=Limits(
        # Kraken names no number and says that all pairs fit one connection. After a cut each symbol is answered by itself, and
        # too fast a burst is refused at random: 250 are back within a second, and their snapshots are a few MB.
        streams_per_connection=Limit(250, 1000, _OWN + "what a cut costs is back within a second"),
        # The limit moves with Kraken's load; others send 20 a second.
        messages_per_second=Limit(10, 20, _OWN + "half of what other clients send"),
        connects_per_5_minutes=Limit(75, 75, "about 150 in 10 minutes, " + _GUIDE),
        connections_per_shard=Limit(8, 1000, "own choice: 2,000 streams keep one core busy on a lively day"),
        request_topics=Limit(50, 250, _OWN + "a burst of symbols is refused in part"),
        request_bytes=Limit(16_384, 65_536, _OWN + "several times a request of 250 symbols"),
        rest=Window(1, 1.0, "about one a second, support page on REST rate limits; own choice"),
    ),
    endpoints=Endpoints(ws="wss://ws.kraken.com", rest="https://api.kraken.com"),
    heartbeat=Heartbeat(interval_s=20.0, timeout_s=10.0, payload='{"method":"ping"}'),
    channels=("trades", "bbo", "book", *(f"candles.{interval}" for interval in _MINUTES), "ticker"),
    rates={"trades": 0.5, "bbo": 3.0, "book": 15.0, "candles": 0.2, "ticker": 3.0},
    topics=_topics,
    subscribe=lambda topics, request: _request("subscribe", _SUBSCRIBE, topics, request),
    unsubscribe=lambda topics, request: _request("unsubscribe", _TRIGGER, topics, request),
    control=_control,
    closing=lambda code, reason: Closing(reason=reason),
    native=kraken_rest.native,
    symbol=kraken_rest.symbol,
    instruments=kraken_rest.INSTRUMENTS,
    fault=kraken_rest.fault,
    refusal=_refusal,
    depths=_DEPTHS,
    default_depth=_DEFAULT_DEPTH,
    cuts_books=True,
    history=kraken_rest.HISTORY,
)

MARKETS = (SPOT,)
