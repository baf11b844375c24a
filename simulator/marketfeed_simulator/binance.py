"""Binance spot as a server: paths, streams, payloads and REST.

Sources: the pages "WebSocket Streams for Binance" (web-socket-streams.md) and "General REST API information" (rest-api.md),
2026-07-21. What a client may send and is answered is in `binance_control`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from marketfeed.exchanges import catalogue
from marketfeed.exchanges.exchange import Window
from marketfeed_simulator.binance_control import TOO_MANY_STREAMS, Control, ErrorForm
from marketfeed_simulator.exchange import Answer, Closings, Feed, HttpReply, Limits, Recorded, Session, Source, Timer
from marketfeed_simulator.symbol import Candle, Ids, Levels, Symbol

SPOT = catalogue.market("binance", "spot")
LIMITS: Final = Limits(
    client_messages=Window(5, 1.0),
    streams_per_connection=1024,
    connects=Window(300, 300.0),
    rest_weight=Window(6000, 60.0),
    warnings=10,  # how many 429 make a 418 is not published
    ban_s=120.0,
    ping_interval_s=20.0,
    ping_timeout_s=60.0,
    lifetime_s=86_400.0,
)
CLOSINGS: Final = Closings(
    flood=(1008, "Too many requests"),
    streams=TOO_MANY_STREAMS,
    pong=(1008, "Pong timeout"),  # this and the next: no document at hand tells the code
    lifetime=(1001, ""),
)
DEPTH_S: Final = {"depth": 1.0, "depth@1000ms": 1.0, "depth@100ms": 0.1}
_INTERVAL_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_WEIGHTS: Final = ((100, 5), (500, 25), (1000, 50), (5000, 250))
_WINDOW_STEPS: Final = 500
"""Steps that the 24 h ticker covers."""
_enveloped = re.compile(r'\{"stream":"([^"\\]*)","data":(.*)\}', re.DOTALL).fullmatch
_LEVELS: Final = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class BinanceSpot:
    """See `Exchange`."""

    limits: Limits = LIMITS
    errors: ErrorForm = "flat"
    """How errors are printed: as on the page, or wrapped as seen in the field."""
    closings: Closings = field(default=CLOSINGS, init=False)
    name: str = field(default="binance", init=False)
    market: str = field(default="spot", init=False)

    def open(self, path: str, query: Mapping[str, str]) -> Session | None:
        if path == "/stream":
            names = query.get("streams", "").split("/")
        elif path == "/ws" or path.startswith("/ws/"):
            names = path.removeprefix("/ws").split("/")
        else:
            return None
        return Session(topics=dict.fromkeys(name for name in names if name), combined=path == "/stream")

    def receive(self, session: Session, text: str, refusal: Callable[[], str | None]) -> Answer:
        return Control(self.limits.streams_per_connection, self.errors).receive(session, text, refusal)

    def envelope(self, session: Session, topic: str, payload: str) -> str:
        return f'{{"stream":"{topic}","data":{payload}}}' if session.combined else payload

    def shutdown_notice(self, session: Session, now_ms: int) -> str:
        return self.envelope(session, "!serverShutdown", f'{{"e":"serverShutdown","E":{now_ms}}}')

    # ---- streams -----------------------------------------------------------------------------------------------------

    def feed(self, topic: str, index: Mapping[str, int]) -> Feed | None:
        name, _, kind = topic.partition("@")
        at = index.get(name.upper())
        if at is None or name != name.lower():  # a name in upper case is acknowledged and silent
            return None
        if kind in _LIVE:
            return Feed(at, kind)
        if kind in DEPTH_S:
            return Feed(at, "depth", DEPTH_S[kind])
        if kind == "ticker":
            return Feed(at, kind, 1.0)
        head, _, label = kind.partition("_")
        if head == "kline" and label in SPOT.wire.intervals and label[-1] in _INTERVAL_S:
            return Feed(at, "kline", 1.0 if label == "1s" else 2.0, int(label[:-1]) * _INTERVAL_S[label[-1]], label)
        return None

    def live(self, kind: str, symbol: Symbol, step: int, ids: Ids, now_ms: str) -> str:
        return _LIVE[kind](symbol, step, ids, now_ms)

    def timed(self, feed: Feed, symbol: Symbol, step: int, timer: Timer, now_ms: int) -> list[str]:
        if feed.kind == "ticker":
            return [_ticker(symbol, step, now_ms)]
        if feed.kind == "kline":
            return _klines(feed, symbol, step, timer, now_ms)
        if step == timer.step:
            return []
        changes = symbol.changes(timer.step, step)
        first = symbol.update_id(timer.step) + 1
        timer.step = step
        return [
            f'{{"e":"depthUpdate","E":{now_ms},"s":"{symbol.native}","U":{first},"u":{changes.update_id},'
            f'"b":{_LEVELS(changes.bids)},"a":{_LEVELS(changes.asks)}}}'
        ]

    def recorded(self, line: str) -> Recorded | None:
        found = _enveloped(line)
        body = json.loads(line)
        payload = found[2] if found else line
        if not isinstance(body, dict):
            return None
        named = SPOT.envelope(body)
        topic, data = named.get("stream"), named.get("data")
        if not isinstance(topic, str) or not isinstance(data, dict):
            return None
        native = data.get("s")
        native = native if isinstance(native, str) else topic.partition("@")[0].upper()
        if "stream" in body:
            return Recorded((topic,), native, payload if found else json.dumps(data, separators=(",", ":")))
        name, _, kind = topic.partition("@")
        return Recorded(tuple(f"{name}@{k}" for k in (DEPTH_S if kind == "depth" else (kind,))), native, payload)

    # ---- REST --------------------------------------------------------------------------------------------------------

    def http(self, path: str, query: Mapping[str, str], source: Source) -> HttpReply | None:
        if path == "/api/v3/ping":
            return HttpReply(200, "{}")
        if path == "/api/v3/exchangeInfo":
            return HttpReply(200, _exchange_info(source), weight=20)
        if path == "/api/v3/depth":
            return _depth(query, source)
        return None

    def refused(self, status: int, until_ms: int) -> str:
        reason = "Too many requests." if status == 429 else f"Way too many requests; IP banned until {until_ms}."
        return f'{{"code":-1003,"msg":"{reason}"}}'


def _trade(symbol: Symbol, step: int, ids: Ids, now_ms: str) -> str:
    price, size, maker = symbol.trade(step)
    return (
        f'{{"e":"trade","E":{now_ms},"s":"{symbol.native}","t":{ids.trade},"p":"{price}","q":"{size}","T":{now_ms},'
        f'"m":{_BOOL[maker]},"M":true}}'
    )


def _agg_trade(symbol: Symbol, step: int, ids: Ids, now_ms: str) -> str:
    price, size, maker = symbol.trade(step)
    return (
        f'{{"e":"aggTrade","E":{now_ms},"s":"{symbol.native}","a":{ids.aggregate},"p":"{price}","q":"{size}",'
        f'"f":{ids.trade},"l":{ids.trade},"T":{now_ms},"m":{_BOOL[maker]},"M":true}}'
    )


def _book_ticker(symbol: Symbol, step: int, ids: Ids, now_ms: str) -> str:
    bid, bid_size, ask, ask_size = symbol.best(step)
    return f'{{"u":{ids.update},"s":"{symbol.native}","b":"{bid}","B":"{bid_size}","a":"{ask}","A":"{ask_size}"}}'


_LIVE: Final = {"trade": _trade, "aggTrade": _agg_trade, "bookTicker": _book_ticker}
_BOOL: Final = {True: "true", False: "false"}


def _klines(feed: Feed, symbol: Symbol, step: int, timer: Timer, now_ms: int) -> list[str]:
    """The candle so far; before it the end of the one before, once. A feed's first candle begins with the feed."""
    span_ms = round(feed.interval_s * 1000)
    opened_ms = now_ms - now_ms % span_ms
    out = []
    if timer.opened_ms != opened_ms:
        if timer.opened_ms >= 0:
            out.append(_kline(feed, symbol, step, timer, now_ms, closed=True))
        timer.opened_ms, timer.first_step = opened_ms, (step if timer.opened_ms >= 0 else timer.step) + 1
    out.append(_kline(feed, symbol, step, timer, now_ms, closed=False))
    return out


def _kline(feed: Feed, symbol: Symbol, step: int, timer: Timer, now_ms: int, *, closed: bool) -> str:
    count = step - timer.first_step + 1
    candle = symbol.candle(timer.first_step, step) if count else _empty(symbol, step)
    close_ms = timer.opened_ms + round(feed.interval_s * 1000) - 1
    return (
        f'{{"e":"kline","E":{now_ms},"s":"{symbol.native}","k":{{"t":{timer.opened_ms},"T":{close_ms},"s":"{symbol.native}",'
        f'"i":"{feed.label}","f":{candle.first_trade_id},"L":{candle.last_trade_id},"o":"{candle.open}","c":"{candle.close}",'
        f'"h":"{candle.high}","l":"{candle.low}","v":"{candle.volume}","n":{count},"x":{_BOOL[closed]},'
        f'"q":"{candle.quote_volume}","V":"{candle.taker_volume}","Q":"{candle.taker_quote_volume}","B":"0"}}}}'
    )


def _empty(symbol: Symbol, step: int) -> Candle:
    price, zero = symbol.trade(step).price, "0.00000000"
    return Candle(-1, -1, price, price, price, price, zero, zero, zero, zero)


def _ticker(symbol: Symbol, step: int, now_ms: int) -> str:
    day = symbol.candle(step - _WINDOW_STEPS + 1, step)
    best, last = symbol.best(step), symbol.trade(step)
    opened, closed = float(day.open), float(day.close)
    return (
        f'{{"e":"24hrTicker","E":{now_ms},"s":"{symbol.native}","p":"{closed - opened:.8f}",'
        f'"P":"{(closed / opened - 1) * 100:.3f}","w":"{float(day.quote_volume) / float(day.volume):.8f}","x":"{day.open}",'
        f'"c":"{day.close}","Q":"{last.size}","b":"{best.bid_price}","B":"{best.bid_size}","a":"{best.ask_price}",'
        f'"A":"{best.ask_size}","o":"{day.open}","h":"{day.high}","l":"{day.low}","v":"{day.volume}",'
        f'"q":"{day.quote_volume}","O":{now_ms - 86_400_000},"C":{now_ms},"F":{day.first_trade_id},'
        f'"L":{day.last_trade_id},"n":{_WINDOW_STEPS}}}'
    )


def _exchange_info(source: Source) -> str:
    symbols: list[dict[str, Any]] = [
        {
            "symbol": listing.native,
            "status": "TRADING",
            "baseAsset": listing.base,
            "baseAssetPrecision": 8,
            "quoteAsset": listing.quote,
            "quoteAssetPrecision": 8,
            "isSpotTradingAllowed": True,
            "filters": [
                {"filterType": "PRICE_FILTER", "tickSize": listing.tick_size},
                {"filterType": "LOT_SIZE", "stepSize": listing.lot_size},
            ],
        }
        for listing in source.listings
    ]
    return json.dumps({"timezone": "UTC", "rateLimits": [], "exchangeFilters": [], "symbols": symbols})


def _depth(query: Mapping[str, str], source: Source) -> HttpReply:
    limit = query.get("limit", "100")
    if not limit.isdecimal() or int(limit) < 1:
        return HttpReply(400, '{"code":-1100,"msg":"Illegal characters found in parameter \'limit\'."}')
    levels = min(int(limit), 5000)  # more than that is not refused
    book: Levels | None = source.book(query.get("symbol", ""), levels)
    if book is None:
        return HttpReply(400, '{"code":-1121,"msg":"Invalid symbol."}')
    body = f'{{"lastUpdateId":{book.update_id},"bids":{_LEVELS(book.bids)},"asks":{_LEVELS(book.asks)}}}'
    return HttpReply(200, body, next(weight for most, weight in _WEIGHTS if levels <= most))
