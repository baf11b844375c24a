"""Binance spot."""

from __future__ import annotations

from functools import partial

from marketfeed.exchanges.binance import calls, faults, frames, lists, wire
from marketfeed.exchanges.exchange import (
    BookSnapshot,
    Call,
    Endpoints,
    Heartbeat,
    Hole,
    InstrumentList,
    Limit,
    Limits,
    Market,
    Topic,
    TradeHistory,
    Window,
)
from marketfeed.symbols import split_by_quote

_STREAMS = "web-socket-streams.md, 2026-07-21"
_REST = "rest-api.md, 2026-07-21"
_SUFFIX = {"trades": "trade", "bbo": "bookTicker", "book": "depth@100ms", "ticker": "ticker"}
_QUOTES = tuple(
    (
        "USDT USDC FDUSD TUSD USD1 USDP BUSD USDS PAX UST DAI EURI GYEN BIDR BKRW BVND IDRT BTC ETH BNB XRP TRX DOGE "
        "RLUSD U DOT SOL EUR GBP AUD TRY RUB UAH NGN ZAR BRL PLN RON ARS JPY MXN CZK COP VAI USDE XUSD BFUSD IDR KZT INR"
    ).split()
)
_DEPTHS = {100: 5, 500: 25, 1000: 50, 5000: 250}
"""Levels of a book over REST → weight (rest-api.md, 2026-07-21)."""


def _topics(channel: str, native: str, depth: int | None) -> tuple[Topic, ...]:
    return (Topic(frames.stream(channel, native, _SUFFIX), native, path="/stream"),)


def _native(symbol: str) -> str:
    base, quote_asset = symbol.split("-")
    return base + quote_asset


def _history(native: str, hole: Hole) -> Call:
    """Without a key: its security type is NONE (rest-api.md and CHANGELOG.md, 2026-07-21)."""
    return calls.trades("/api/v3/historicalTrades", 25, native, hole)


SPOT = Market(
    exchange="binance",
    name="spot",
    wire=wire.SPOT,
    limits=Limits(
        # 1024 by the page; packed to 900, so that a connection has room for what is added later.
        streams_per_connection=Limit(900, 1024, _STREAMS),
        # 5 by the page, pings and pongs included; measured: one request every 250 ms was closed, one every 500 ms held.
        messages_per_second=Limit(2, 5, _STREAMS),
        connects_per_5_minutes=Limit(300, 300, _STREAMS),
        connections_per_shard=Limit(4, 1000, "own choice: 3,600 streams keep one core busy on a lively day"),
        request_topics=Limit(
            200, 200, "not published: 200 names are known to work, more than 400 were ignored in older reports"
        ),
        request_bytes=Limit(4096, 4096, "not published: older reports of connections closed above it"),
        rest=Window(6000, 60.0, _REST),
        lifetime_s=Limit(86_400, 86_400, _STREAMS),
    ),
    endpoints=Endpoints(ws="wss://stream.binance.com:9443", rest="https://api.binance.com"),
    heartbeat=Heartbeat(interval_s=20.0, timeout_s=20.0),
    channels=("trades", "bbo", "book", *(f"candles.{i}" for i in wire.SPOT_INTERVALS), "ticker"),
    rates={"trades": 3.0, "bbo": 15.0, "book": 8.0, "candles": 0.5, "ticker": 1.0},
    topics=_topics,
    subscribe=frames.subscribe,
    unsubscribe=frames.unsubscribe,
    control=frames.control,
    closing=frames.closing,
    native=_native,
    symbol=lambda native: split_by_quote(native, _QUOTES),
    instruments=InstrumentList(
        (Call("/api/v3/exchangeInfo", 20),),
        lists.spot_instruments,
        volumes_calls=(Call("/api/v3/ticker/24hr?type=MINI", 80),),
        volumes=lists.quote_volumes,
    ),
    envelope=frames.envelope,
    fault=faults.fault,
    snapshot=BookSnapshot(partial(calls.book, "/api/v3/depth", _DEPTHS), wire.SNAPSHOT),
    history=TradeHistory(_history, wire.SPOT_HISTORY, rows=calls.ROWS),
)
