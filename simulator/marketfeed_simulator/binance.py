"""Binance as a server: paths, streams and their periods; here what all of its markets share, and spot.

Sources: the pages "WebSocket Streams for Binance" (web-socket-streams.md) and "General REST API information" (rest-api.md),
2026-07-21. What a client may send and is answered is in `binance_control`, REST in `binance_rest`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

from marketfeed.exchanges import catalogue
from marketfeed.exchanges.exchange import Window
from marketfeed_simulator import binance_payloads as payloads
from marketfeed_simulator import binance_rest as rest
from marketfeed_simulator.binance_control import TOO_MANY_REQUESTS, TOO_MANY_STREAMS, Control, ErrorForm
from marketfeed_simulator.candles import MONTH_S
from marketfeed_simulator.exchange import Closings, Exchange, HttpReply, Recorded, Source
from marketfeed_simulator.feeds import Feed, Timer
from marketfeed_simulator.limits import Limits
from marketfeed_simulator.session import Answer, Hearing, Session
from marketfeed_simulator.symbol import Ids, Symbol

LIMITS: Final = Limits(
    client_messages=Window(5, 1.0),
    streams_per_connection=1024,
    connects=(Window(300, 300.0),),
    rest={"": Window(6000, 60.0)},
    warnings=10,  # how many 429 make a 418 is not published
    ban_s=120.0,
    ping_interval_s=20.0,
    ping_timeout_s=60.0,
    lifetime_s=86_400.0,
)
CLOSINGS: Final = Closings(
    flood=TOO_MANY_REQUESTS,
    streams=TOO_MANY_STREAMS,
    pong=(1008, "Pong timeout"),  # this and the next: no document at hand tells the code
    lifetime=(1001, ""),
)
NEVER: Final = float("inf")
INTERVALS: Final = frozenset("1s 1m 3m 5m 15m 30m 1h 2h 4h 6h 8h 12h 1d 3d 1w 1M".split())
_INTERVAL_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "M": MONTH_S}
_enveloped = re.compile(r'\{"stream":"([^"\\]*)","data":(.*)\}', re.DOTALL).fullmatch
Live = Callable[[Symbol, int, Ids, str], str | None]


@dataclass(frozen=True)
class Binance(Exchange):
    """What its markets share. Messages of `depths`, candles and tickers have a period, the others come at each step."""

    errors: ErrorForm = "flat"
    """How errors are printed: as on the page, or wrapped as seen in the field."""

    block_kinds = frozenset({"trade", "aggTrade", "bookTicker"})
    lives: ClassVar[Mapping[str, Live]]
    """Feeds without a period, by their name in the stream's."""
    depths: ClassVar[Mapping[str, float]]
    """Names of the diff depth stream → its period in seconds."""

    def open(self, path: str, query: Mapping[str, str]) -> Session | None:
        if path == "/stream":
            names = query.get("streams", "").split("/")
        elif path == "/ws" or path.startswith("/ws/"):
            names = path.removeprefix("/ws").split("/")
        else:
            return None
        return Session(topics=dict.fromkeys(name for name in names if name), combined=path == "/stream")

    def receive(self, session: Session, text: str, hearing: Hearing) -> Answer:
        return Control(self.limits.streams_per_connection or 0, self.errors).receive(session, text, hearing)

    def envelope(self, session: Session, topic: str, payload: str) -> str:
        return f'{{"stream":"{topic}","data":{payload}}}' if session.combined else payload

    def refused(self, status: int, until_ms: int) -> str:
        if status not in {429, self.limits.banned_status}:
            return '{"code":-1000,"msg":"An unknown error occurred while processing the request."}'
        reason = "Too many requests." if status == 429 else f"Way too many requests; IP banned until {until_ms}."
        return f'{{"code":-1003,"msg":"{reason}"}}'

    # ---- streams -----------------------------------------------------------------------------------------------------

    def feed(self, topic: str, index: Mapping[str, int]) -> Feed | None:
        name, _, kind = topic.partition("@")
        at = index.get(name.upper())
        if at is None or name != name.lower():  # a name in upper case is acknowledged and silent
            return None
        if kind in self.lives:
            return Feed(at, kind)
        if kind in self.depths:
            return Feed(at, "depth", self.depths[kind], NEVER)
        return self.periodic(at, kind)

    def periodic(self, at: int, kind: str) -> Feed | None:
        """A feed of this name that tells of its symbol again and again, whatever happened."""
        raise NotImplementedError

    def candles(self, at: int, kind: str, every_s: float) -> Feed | None:
        """The feed of `kline_1m` and so on; null for an interval that is not there."""
        head, _, label = kind.partition("_")
        if head != "kline" or label not in INTERVALS:
            return None
        return Feed(at, "kline", every_s, None, int(label[:-1]) * _INTERVAL_S[label[-1]], label)

    def live(self, kind: str, symbol: Symbol, step: int, ids: Ids, now_ms: str) -> str | None:
        return self.lives[kind](symbol, step, ids, now_ms)

    # ---- recordings --------------------------------------------------------------------------------------------------

    def recorded(self, line: str) -> Recorded | None:
        found = _enveloped(line)
        body = json.loads(line)
        payload = found[2] if found else line
        if not isinstance(body, dict):
            return None
        named = catalogue.market(self.name, self.market).envelope(body)
        topic, data = named.get("stream"), named.get("data")
        if not isinstance(topic, str) or not isinstance(data, dict):
            return None
        native = (data["o"] if isinstance(data.get("o"), dict) else data).get("s")
        native = native if isinstance(native, str) else topic.partition("@")[0].upper()
        if "stream" in body:
            return Recorded((topic,), native, payload if found else json.dumps(data, separators=(",", ":")))
        name, _, kind = topic.partition("@")
        return Recorded(tuple(f"{name}@{k}" for k in (self.depths if kind in self.depths else (kind,))), native, payload)


@dataclass(frozen=True)
class BinanceSpot(Binance):
    """See `Exchange`."""

    name: str = "binance"
    market: str = "spot"
    limits: Limits = LIMITS
    closings: Closings = CLOSINGS

    lives: ClassVar[Mapping[str, Live]] = {
        "trade": payloads.trade,
        "aggTrade": payloads.agg_trade,
        "bookTicker": payloads.book_ticker,
    }
    depths: ClassVar[Mapping[str, float]] = {"depth": 1.0, "depth@1000ms": 1.0, "depth@100ms": 0.1}

    def notice(self, session: Session, now_ms: int) -> str:
        return self.envelope(session, "!serverShutdown", f'{{"e":"serverShutdown","E":{now_ms}}}')

    def periodic(self, at: int, kind: str) -> Feed | None:
        if kind == "ticker":
            return Feed(at, kind, 1.0)
        return self.candles(at, kind, 1.0 if kind == "kline_1s" else 2.0)

    def timed(self, feed: Feed, symbol: Symbol, step: int, timer: Timer, now_ms: int) -> list[str]:
        if feed.kind == "ticker":
            return [payloads.ticker(symbol, step, now_ms)]
        if feed.kind == "kline":
            return payloads.klines(feed, symbol, step, timer, now_ms)
        told = payloads.depth(symbol, step, timer, now_ms)
        timer.step = step
        return [told]

    def http(self, path: str, query: Mapping[str, str], source: Source, now_ms: int) -> HttpReply | None:
        return rest.spot(path, query, source, now_ms)


SPOT: Final = BinanceSpot()
