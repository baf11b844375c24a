"""Binance's futures: USD-M (`linear`, split over two paths since 2026-04) and COIN-M (`inverse`, not split)."""

from __future__ import annotations

import re
from functools import partial
from urllib.parse import quote

from marketfeed.exchanges.binance import calls, faults, frames, lists, wire
from marketfeed.exchanges.exchange import (
    BookSnapshot,
    Call,
    Endpoints,
    Heartbeat,
    InstrumentList,
    Limit,
    Limits,
    Market,
    Poll,
    Topic,
    TradeHistory,
    Window,
)
from marketfeed.symbols import is_symbol, split_by_quote

_PAGE = "usds-margined-futures and coin-margined-futures, websocket-market-streams, stored 2026"
_SUFFIX = {
    "trades": "aggTrade",
    "bbo": "bookTicker",
    "book": "depth@100ms",
    "ticker": "ticker",
    "derivative": "markPrice@1s",
    "liquidations": "forceOrder",
}
_PUBLIC = frozenset({"bbo", "book"})
"""Channels of the path `/public`, the others are on `/market`: on the wrong one they are acknowledged and deliver nothing
(Important-WebSocket-Change-Notice, 2026-03; measured, 2026-07-30)."""
_QUOTES = ("USDT", "USDC", "BUSD", "FDUSD", "USD1", "BTC", "ETH")
_DEPTHS = {50: 2, 100: 5, 500: 10, 1000: 20}
"""Levels of a book over REST → weight; fewer than 50 cost as much (Order-Book, stored 2026; measured, 2026-10-07)."""
_parts = re.compile(r"(.+?)(_PERP|_[0-9]{6})?").fullmatch

_LIMITS = Limits(
    # 1024 by the pages, and measured: one more ends the connection. Packed to 900, as on spot.
    streams_per_connection=Limit(900, 1024, _PAGE),
    # 10 by the pages; measured: of 40 at once the 16th was the last. One every 200 ms leaves room for pongs.
    messages_per_second=Limit(5, 10, _PAGE),
    connects_per_5_minutes=Limit(300, 300, "not published: that of spot, web-socket-streams.md, 2026-07-21"),
    connections_per_shard=Limit(4, 1000, "own choice: 3,600 streams keep one core busy on a lively day"),
    request_topics=Limit(200, 200, "not published: 200 names were accepted (measured, 2026-10-07)"),
    request_bytes=Limit(4096, 4096, "not published: older reports of connections closed above it"),
    rest=Window(2400, 60.0, "exchangeInfo, rateLimits; measured, 2026-10-07"),
    lifetime_s=Limit(86_400, 86_400, _PAGE),
)


def _linear_topics(channel: str, native: str, depth: int | None) -> tuple[Topic, ...]:
    endpoint, path = ("wsPublic", "/public/stream") if channel in _PUBLIC else ("wsMarket", "/market/stream")
    return (Topic(frames.stream(channel, native, _SUFFIX), native, endpoint, path),)


def _inverse_topics(channel: str, native: str, depth: int | None) -> tuple[Topic, ...]:
    return (Topic(frames.stream(channel, native, _SUFFIX), native, path="/stream"),)


def _linear_native(symbol: str) -> str:
    """BTC-USDT-PERP → BTCUSDT, BTC-USDT-261225 → BTCUSDT_261225."""
    base, quote_asset, form = symbol.split("-")
    return base + quote_asset + ("" if form == "PERP" else f"_{form}")


def _linear_symbol(native: str) -> str | None:
    found = _parts(native)
    if found is None or found[2] == "_PERP":
        return None
    pair = split_by_quote(found[1], _QUOTES)
    return pair and pair + (found[2] or "_PERP").replace("_", "-")


def _inverse_native(symbol: str) -> str:
    """BTC-USD-PERP → BTCUSD_PERP, BTC-USD-261225 → BTCUSD_261225."""
    base, quote_asset, form = symbol.split("-")
    return f"{base}{quote_asset}_{form}"


def _inverse_symbol(native: str) -> str | None:
    pair, _, form = native.rpartition("_")
    symbol = f"{pair.removesuffix('USD')}-USD-{form}"
    return symbol if pair.endswith("USD") and is_symbol(symbol) else None


def _open_interest(api: str, native: str) -> Call:
    return Call(f"{api}/openInterest?symbol={quote(native)}", 1)


def _polls(api: str) -> tuple[Poll, ...]:
    """There is no stream of the open interest."""
    return (Poll("derivative", partial(_open_interest, api), wire.OPEN_INTEREST, every_s=10.0),)


_CHANNELS = ("trades", "bbo", "book", *(f"candles.{i}" for i in wire.FUTURES_INTERVALS), "ticker", "derivative", "liquidations")
_RATES = {"trades": 3.0, "bbo": 20.0, "book": 10.0, "candles": 2.0, "ticker": 0.5, "derivative": 1.0, "liquidations": 0.01}

LINEAR = Market(
    exchange="binance",
    name="linear",
    wire=wire.LINEAR,
    limits=_LIMITS,
    endpoints=Endpoints(
        ws="wss://fstream.binance.com",
        rest="https://fapi.binance.com",
        others={"wsPublic": "wss://fstream.binance.com", "wsMarket": "wss://fstream.binance.com"},
    ),
    heartbeat=Heartbeat(interval_s=20.0, timeout_s=20.0),
    channels=_CHANNELS,
    rates=_RATES,
    topics=_linear_topics,
    subscribe=frames.subscribe,
    unsubscribe=frames.unsubscribe,
    control=frames.control,
    closing=frames.closing,
    native=_linear_native,
    symbol=_linear_symbol,
    instruments=InstrumentList(
        (Call("/fapi/v1/exchangeInfo", 1),),
        lists.linear_instruments,
        volumes_calls=(Call("/fapi/v1/ticker/24hr", 40),),
        volumes=lists.quote_volumes,
    ),
    envelope=frames.envelope,
    fault=faults.fault,
    snapshot=BookSnapshot(partial(calls.book, "/fapi/v1/depth", _DEPTHS), wire.SNAPSHOT),
    history=TradeHistory(partial(calls.trades, "/fapi/v1/aggTrades", 20), wire.FUTURES_HISTORY, rows=calls.ROWS),
    polls=_polls("/fapi/v1"),
)

INVERSE = Market(
    exchange="binance",
    name="inverse",
    wire=wire.INVERSE,
    limits=_LIMITS,
    endpoints=Endpoints(ws="wss://dstream.binance.com", rest="https://dapi.binance.com"),
    heartbeat=Heartbeat(interval_s=20.0, timeout_s=20.0),
    channels=_CHANNELS,
    rates=_RATES,
    topics=_inverse_topics,
    subscribe=frames.subscribe,
    unsubscribe=frames.unsubscribe,
    control=frames.control,
    closing=frames.closing,
    native=_inverse_native,
    symbol=_inverse_symbol,
    instruments=InstrumentList(
        (Call("/dapi/v1/exchangeInfo", 1),),
        lists.inverse_instruments,
        volumes_calls=(Call("/dapi/v1/ticker/24hr", 40),),
        volumes=lists.inverse_volumes,
    ),
    envelope=frames.envelope,
    fault=faults.fault,
    snapshot=BookSnapshot(partial(calls.book, "/dapi/v1/depth", _DEPTHS), wire.SNAPSHOT),
    history=TradeHistory(partial(calls.trades, "/dapi/v1/aggTrades", 20), wire.FUTURES_HISTORY, rows=calls.ROWS),
    polls=_polls("/dapi/v1"),
)
