"""OKX v5 as a server: spot, linear and inverse; paths, channels and their periods.

Sources: docs-v5 overview-websocket, close-frame, error-codes and one page a channel (2026-07). What a client may send and is
answered is in `okx_control`, REST in `okx_rest`. Instruments of another market are not there at all.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from marketfeed.exchanges.exchange import Window
from marketfeed_simulator import okx_candles as candles
from marketfeed_simulator import okx_derivatives as derivatives
from marketfeed_simulator import okx_fills as fills
from marketfeed_simulator import okx_payloads as payloads
from marketfeed_simulator import okx_rest as rest
from marketfeed_simulator import okx_symbols as symbols
from marketfeed_simulator.exchange import ABNORMAL, Closings, Exchange, HttpReply, Recorded, Source
from marketfeed_simulator.feeds import Feed, Timer
from marketfeed_simulator.limits import Limits
from marketfeed_simulator.listing import Listing
from marketfeed_simulator.okx_control import BUSINESS, PUBLIC, TOO_MANY_CHANNELS, Control, notice
from marketfeed_simulator.session import Answer, Hearing, Session
from marketfeed_simulator.symbol import Ids, Symbol

LIMITS: Final = Limits(
    requests=Window(480, 3600.0),
    streams_per_connection=480,  # that there is a number is known by close code 4009, the number is not
    deep_books=29,
    request_bytes=65_536,
    connects=(Window(3, 1.0),),
    rest=rest.BUDGETS,
    banned_status=429,
    idle_s=30.0,
)
CLOSINGS: Final = Closings(
    flood=(ABNORMAL, ""),
    streams=TOO_MANY_CHANNELS,
    pong=(ABNORMAL, ""),
    lifetime=(ABNORMAL, ""),  # as seen after the notice of an upgrade
    idle=(4004, "No data received in 30s"),
    slow=(4005, "Buffer is full, cannot write data"),
)
_NEVER: Final = float("inf")
_MINUTE_S: Final = 60.0
Told = Callable[[Symbol, int, int], str]


@dataclass(frozen=True, slots=True)
class _Channel:
    """One with a period, whose messages say how things are."""

    tell: Told
    every_s: float
    repeat_s: float | None
    """See `Feed`."""


_TICKERS: Final = {"tickers": _Channel(payloads.tickers, 0.1, _NEVER)}
_STATES: Final = _TICKERS | {
    "mark-price": _Channel(derivatives.mark_price, 0.2, 10.0),
    "index-tickers": _Channel(derivatives.index_tickers, 0.1, _NEVER),
    "open-interest": _Channel(derivatives.open_interest, 3.0, None),
    "funding-rate": _Channel(derivatives.funding_rate, _MINUTE_S, None),
}
_TOPS: Final = {"bbo-tbt": (0.01, 1), "books5": (0.1, 5)}
"""Channels of the best levels → (period in seconds, levels)."""
_DEPTH: Final = 400


@dataclass(frozen=True)
class Okx(Exchange):
    """See `Exchange`. Topics are named `books:BTC-USDT`, with a type of instrument `liquidation-orders:SWAP`."""

    name: str
    market: str
    limits: Limits = LIMITS
    closings: Closings = CLOSINGS

    def native(self, listing: Listing) -> str:
        return symbols.native(listing)

    def listed(self, listing: Listing) -> Listing:
        return symbols.listed(listing)

    # ---- what clients say --------------------------------------------------------------------------------------------

    def open(self, path: str, query: Mapping[str, str]) -> Session | None:
        return Session(path=path) if path in {PUBLIC, BUSINESS} else None

    def receive(self, session: Session, text: str, hearing: Hearing) -> Answer:
        return Control(self.limits).receive(session, text, hearing)

    def notice(self, session: Session, now_ms: int) -> str | None:
        return notice(session)

    # ---- channels ----------------------------------------------------------------------------------------------------

    def feed(self, topic: str, index: Mapping[str, int]) -> Feed | None:
        channel, _, what = topic.partition(":")
        if channel == "liquidation-orders":
            return Feed(None, topic) if self.market != "spot" and what in symbols.TYPES[self.market] else None
        at = symbols.follower(what, index) if channel == "index-tickers" else index.get(what)
        return None if at is None else self._of_symbol(channel, what, at)

    def _of_symbol(self, channel: str, native: str, at: int) -> Feed | None:
        if channel in {"trades", "trades-all"}:
            return Feed(at, channel)
        if channel == "books":
            return Feed(at, channel, 0.1, _MINUTE_S, depth=_DEPTH)
        if channel in _TOPS:
            every_s, depth = _TOPS[channel]
            return Feed(at, channel, every_s, _NEVER, depth=depth)
        if channel in candles.INTERVALS_S:
            return Feed(at, "candle", 1.0, None, candles.INTERVALS_S[channel], channel)
        state = (_TICKERS if self.market == "spot" else _STATES).get(channel)
        if state is None or (channel == "funding-rate" and symbols.type_of(native) != "SWAP"):
            return None
        return Feed(at, channel, state.every_s, state.repeat_s)

    def is_deep(self, topic: str) -> bool:
        return topic.startswith("books:")

    def live(self, kind: str, symbol: Symbol, step: int, ids: Ids, now_ms: str) -> str | None:
        if kind == "trades":
            return payloads.trades(symbol, step, now_ms)
        if kind == "trades-all":
            return payloads.trades_all(symbol, step, now_ms)
        fits = kind.endswith(f":{symbols.type_of(symbol.native)}")
        return derivatives.liquidation(symbol, step, now_ms) if fits else None

    def timed(self, feed: Feed, symbol: Symbol, step: int, timer: Timer, now_ms: int) -> list[str]:
        if feed.kind == "candle":
            return candles.candles(feed, symbol, step, timer, now_ms)
        if feed.kind == "books":
            told = payloads.book_update(feed, symbol, step, timer, now_ms)
        elif feed.kind in _TOPS:
            told = payloads.top(feed, symbol, step, payloads.advance(timer, symbol, step), now_ms)
        else:
            told = _STATES[feed.kind].tell(symbol, step, now_ms)
        timer.step = step
        return [told]

    def first(self, feed: Feed, symbol: Symbol, step: int, timer: Timer | None, now_ms: int) -> list[str]:
        if timer is None or feed.kind == "candle":
            return []
        if feed.kind == "books":
            return [payloads.book_snapshot(feed, symbol, timer, now_ms)]
        if feed.kind in _TOPS:
            seq = payloads.number(timer, symbol, timer.step)
            return [payloads.top(feed, symbol, timer.step, seq, now_ms)]
        return [_STATES[feed.kind].tell(symbol, timer.step, now_ms)]

    def trade_id(self, symbol: Symbol, step: int) -> str:
        return str(fills.last_id(symbol, step))

    # ---- REST and recordings -----------------------------------------------------------------------------------------

    def http(self, path: str, query: Mapping[str, str], source: Source, now_ms: int) -> HttpReply | None:
        return rest.call(path, query, source, self.market, now_ms)

    def refused(self, status: int, until_ms: int) -> str:
        return rest.refused(status)

    def recorded(self, line: str) -> Recorded | None:
        """An index has no symbol of its own: it is taken for its perpetual contract's."""
        body = json.loads(line)
        if not isinstance(body, dict) or not isinstance(body.get("arg"), dict) or not body.get("data"):
            return None
        arg = body["arg"]
        what = arg.get("instId") or arg.get("instType")
        if not isinstance(what, str):
            return None
        channel, native = arg["channel"], what
        if channel.startswith("index-") and self.market != "spot":
            native = f"{what}-SWAP"
        elif channel == "liquidation-orders":
            native = body["data"][0]["instId"]
        return Recorded((f"{channel}:{what}",), native, line)


MARKETS: Final = tuple(Okx("okx", market) for market in symbols.TYPES)
