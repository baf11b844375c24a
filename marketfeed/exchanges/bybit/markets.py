"""Bybit's markets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from marketfeed.exchanges.bybit import frames, rest, symbols, wire
from marketfeed.exchanges.exchange import Endpoints, Heartbeat, Limit, Limits, Market, Topic, TradeHistory, Window

_PAGE = "websocket/wss-authentication.mdx, 2026-07-24"
_RATES = "rate-limit/rate-limit.mdx, 2026-07-24"
_PREFIX = {"trades": "publicTrade", "bbo": "orderbook.1", "ticker": "tickers", "derivative": "tickers",
           "liquidations": "allLiquidation"}  # fmt: skip
_INTERVALS = {ours: theirs for theirs, ours in wire.INTERVALS.items()}

_LIMITS = Limits(
    # The page has no number: 21,000 characters are about 1,000 topics.
    streams_per_connection=Limit(10, 1000, f"own choice, of what 21,000 characters hold: {_PAGE}"),
    messages_per_second=Limit(5, 10, "own choice: not published"),
    connects_per_5_minutes=Limit(500, 500, _PAGE),
    connections_per_shard=Limit(100, 1000, "own choice: 1,000 streams of 10 a connection keep one core busy on a lively day"),
    request_topics=Limit(200, 200, "own choice: requests of more than 500 closed connections in reports"),
    request_bytes=Limit(21_000, 21_000, _PAGE),
    rest=Window(600, 5.0, _RATES),
    connections_per_address=Limit(1000, 1000, _RATES),
    topic_bytes=Limit(21_000, 21_000, _PAGE),
)
_CHANNELS = ("trades", "bbo", "book", *(f"candles.{i}" for i in _INTERVALS), "ticker")


def _topics(category: str) -> Callable[[str, str, int | None], tuple[Topic, ...]]:
    path = f"/v5/public/{category}"

    def topics(channel: str, native: str, depth: int | None) -> tuple[Topic, ...]:
        kind, _, interval = channel.partition(".")
        if kind == "candles":
            prefix = f"kline.{_INTERVALS[interval]}"
        else:
            prefix = f"orderbook.{SPOT.depth(depth)}" if kind == "book" else _PREFIX[kind]
        return (Topic(f"{prefix}.{native}", native, path=path),)

    return topics


SPOT = Market(
    exchange="bybit",
    name="spot",
    wire=wire.SPOT,
    limits=replace(_LIMITS, request_topics=Limit(10, 10, _PAGE)),
    endpoints=Endpoints(ws="wss://stream.bybit.com", rest="https://api.bybit.com"),
    heartbeat=Heartbeat(interval_s=20.0, timeout_s=20.0, payload=frames.PING),
    channels=_CHANNELS,
    rates={"trades": 2.0, "bbo": 10.0, "book": 8.0, "candles": 0.5, "ticker": 2.0},
    topics=_topics("spot"),
    subscribe=frames.subscribe,
    unsubscribe=frames.unsubscribe,
    control=frames.control,
    closing=frames.closing,
    native=symbols.spot_native,
    symbol=symbols.spot_symbol,
    instruments=rest.instruments("spot"),
    fault=rest.fault,
    refusal=frames.refusal,
    depths=wire.DEPTHS,
    default_depth=200,
    history=TradeHistory(
        rest.history("spot", rest.SPOT_ROWS), wire.SPOT_HISTORY, rows=rest.SPOT_ROWS, newest_first=True, pages=False
    ),
)

LINEAR = replace(
    SPOT,
    name="linear",
    wire=wire.LINEAR,
    limits=_LIMITS,
    channels=(*_CHANNELS, "derivative", "liquidations"),
    rates={"trades": 3.0, "bbo": 20.0, "book": 9.0, "candles": 0.5, "ticker": 4.0, "derivative": 4.0, "liquidations": 0.01},
    topics=_topics("linear"),
    native=symbols.linear_native,
    symbol=symbols.linear_symbol,
    instruments=rest.instruments("linear"),
    history=TradeHistory(rest.history("linear", rest.ROWS), wire.HISTORY, rows=rest.ROWS, newest_first=True, pages=False),
)

INVERSE = replace(
    LINEAR,
    name="inverse",
    wire=wire.INVERSE,
    topics=_topics("inverse"),
    native=symbols.inverse_native,
    symbol=symbols.inverse_symbol,
    instruments=rest.instruments("inverse"),
    history=TradeHistory(rest.history("inverse", rest.ROWS), wire.HISTORY, rows=rest.ROWS, newest_first=True, pages=False),
)
