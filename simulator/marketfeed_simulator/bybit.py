"""Bybit v5 as a server: spot, linear and inverse; paths, topics and their periods, what clients may send and are answered.

Sources: the v5 pages of 2026-07-24 (websocket/wss-authentication.mdx, websocket/public/*.mdx, rate-limit/rate-limit.mdx), and
frames as seen in the field. One bad topic fails its whole request: whether the good ones survive is not documented.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

from marketfeed.exchanges.exchange import Window
from marketfeed_simulator import bybit_payloads as payloads
from marketfeed_simulator import bybit_rest as rest
from marketfeed_simulator.bybit_symbols import native
from marketfeed_simulator.candles import MONTH_S
from marketfeed_simulator.exchange import Closings, Exchange, HttpReply, Recorded, Source
from marketfeed_simulator.feeds import Feed, Timer
from marketfeed_simulator.limits import Limits
from marketfeed_simulator.listing import Listing
from marketfeed_simulator.session import Answer, Hearing, Session
from marketfeed_simulator.symbol import Ids, Symbol

LIMITS: Final = Limits(
    topic_characters=21_000,
    connects=(Window(500, 300.0),),
    alive=1000,
    rest={"": Window(600, 5.0)},
    refused_status=403,
    banned_status=403,
    warnings=0,
    ban_s=600.0,
    idle_s=600.0,
)
CLOSINGS: Final = Closings(flood=(1006, ""), streams=(1006, ""), pong=(1006, ""), lifetime=(1006, ""))
"""No close code is documented: connections end without a word."""
BOOKS_S: Final = {"50": 0.02, "200": 0.1, "1000": 0.2}
"""Depth of the book → its period."""
_REPEATED_S: Final = 3.0
_INTERVALS_S: Final = {
    **{minutes: int(minutes) * 60 for minutes in "1 3 5 15 30 60 120 240 360 720".split()},
    "D": 86_400,
    "W": 604_800,
    "M": MONTH_S,
}
_NEVER: Final = float("inf")


@dataclass(frozen=True)
class Bybit(Exchange):
    """See `Exchange`."""

    name: str
    market: str
    limits: Limits = LIMITS
    closings: Closings = CLOSINGS

    @property
    def is_spot(self) -> bool:
        return self.market == "spot"

    def native(self, listing: Listing) -> str:
        return native(listing)

    def listed(self, listing: Listing) -> Listing:
        return replace(listing, native=native(listing), price_places=0, size_places=0)

    # ---- what clients say --------------------------------------------------------------------------------------------

    def open(self, path: str, query: Mapping[str, str]) -> Session | None:
        return Session() if path == f"/v5/public/{self.market}" else None

    def receive(self, session: Session, text: str, hearing: Hearing) -> Answer:
        try:
            body = json.loads(text)
        except ValueError:
            body = None
        if not isinstance(body, dict):
            return self._answer(session, {}, "Params Error")
        if body.get("op") == "ping":
            return self._answer(session, body, None, "pong")
        args = body.get("args")
        known = body.get("op") in {"subscribe", "unsubscribe"}
        if not known or not isinstance(args, list) or not args or not all(isinstance(arg, str) for arg in args):
            return self._answer(session, body, "Params Error")
        most = self.limits.request_topics
        if most is not None and len(args) > most:
            refused = self._answer(session, body, f"args size >{most}")
            return replace(refused, rule="request_topics", violation=f"{len(args)} in one request")
        if body["op"] == "unsubscribe":
            for topic in args:
                session.topics.pop(topic, None)
            return self._answer(session, body, None)
        return self._subscribe(session, body, args, hearing)

    def _subscribe(self, session: Session, body: dict[str, Any], args: list[str], hearing: Hearing) -> Answer:
        unknown = next((topic for topic in args if not hearing.knows(topic)), None)
        reason = hearing.refusal() or (f"error:handler not found,topic:{unknown}" if unknown is not None else None)
        if reason is not None:
            return self._answer(session, body, reason)
        wanted = session.topics | dict.fromkeys(args)
        characters = sum(map(len, wanted))
        if self.limits.topic_characters is not None and characters > self.limits.topic_characters:
            refused = self._answer(session, body, f"args size >{self.limits.topic_characters}")
            return replace(refused, rule="topic_characters", violation=f"{characters} on one connection")
        again = tuple(topic for topic in args if topic in session.topics)
        session.topics = wanted
        return replace(self._answer(session, body, None), again=again)

    def _answer(self, session: Session, body: Mapping[str, Any], error: str | None, message: str = "") -> Answer:
        """Spot repeats a request's id where there was one, the others always have one; spot names the operation."""
        operation = body.get("op", "")
        told = error if error is not None else message or (operation if self.is_spot else "")
        reply = {"success": error is None, "ret_msg": told, "conn_id": str(UUID(int=(0x0970E817 << 96) + session.number))}
        if "req_id" in body or not self.is_spot:
            reply["req_id"] = body.get("req_id", "")
        return Answer((json.dumps(reply | {"op": operation}, separators=(",", ":")),))

    # ---- streams -----------------------------------------------------------------------------------------------------

    def feed(self, topic: str, index: Mapping[str, int]) -> Feed | None:
        kind, _, rest_ = topic.partition(".")
        label, _, name = rest_.rpartition(".")
        at = index.get(name)
        if at is None or bool(label) != (kind in {"orderbook", "kline"}):
            return None
        match kind:
            case "publicTrade":
                return Feed(at, kind)
            case "allLiquidation" if not self.is_spot:
                return Feed(at, kind)
            case "tickers":
                return Feed(at, kind, 0.05 if self.is_spot else 0.1, _NEVER)
            case "orderbook" if label == "1":
                return Feed(at, "best", 0.01, _REPEATED_S, depth=1)
            case "orderbook" if label in BOOKS_S:
                return Feed(at, "book", BOOKS_S[label], _NEVER, depth=int(label))
            case "kline" if label in _INTERVALS_S:
                return Feed(at, kind, 1.0, None, _INTERVALS_S[label], label)
        return None

    def live(self, kind: str, symbol: Symbol, step: int, ids: Ids, now_ms: str) -> str | None:
        if kind == "allLiquidation":
            return payloads.liquidation(symbol, step, now_ms)
        return payloads.trade(symbol, step, now_ms, self.trade_id(symbol, step), is_spot=self.is_spot)

    def timed(self, feed: Feed, symbol: Symbol, step: int, timer: Timer, now_ms: int) -> list[str]:
        if feed.kind == "kline":
            return payloads.klines(feed, symbol, step, timer, now_ms)
        if feed.kind == "book":
            return payloads.book(feed, symbol, step, timer, now_ms, ts_first=self.is_spot)
        before, timer.step = timer.step, step
        if feed.kind == "best":
            return [payloads.best(symbol, step, now_ms)]
        if self.is_spot:
            return [payloads.spot_ticker(symbol, step, now_ms)]
        return payloads.ticker_delta(symbol, before, step, now_ms)

    def first(self, feed: Feed, symbol: Symbol, step: int, timer: Timer | None, now_ms: int) -> list[str]:
        if timer is None or feed.kind == "kline":
            return []
        match feed.kind:
            case "best":
                return [payloads.best(symbol, timer.step, now_ms)]
            case "book":
                return [payloads.book_snapshot(feed, symbol, timer, now_ms, ts_first=self.is_spot)]
        make = payloads.spot_ticker if self.is_spot else payloads.ticker_snapshot
        return [make(symbol, timer.step, now_ms)]

    def trade_id(self, symbol: Symbol, step: int) -> str:
        number = symbol.trade_id(step)
        return str(number) if self.is_spot else payloads.uuid_of(number)

    # ---- REST and recordings -----------------------------------------------------------------------------------------

    def http(self, path: str, query: Mapping[str, str], source: Source, now_ms: int) -> HttpReply | None:
        return rest.call(path, query, source, self, now_ms)

    def refused(self, status: int, until_ms: int) -> str:
        if status not in {429, self.limits.banned_status}:
            return '{"retCode":10000,"retMsg":"Server Timeout"}'
        return f'{{"retCode":{status},"retMsg":"access too frequent"}}'

    def recorded(self, line: str) -> Recorded | None:
        body = json.loads(line)
        topic = body.get("topic") if isinstance(body, dict) else None
        return Recorded((topic,), topic.rpartition(".")[2], line) if isinstance(topic, str) else None


MARKETS: Final = (
    Bybit("bybit", "spot", replace(LIMITS, request_topics=10)),
    Bybit("bybit", "linear"),
    Bybit("bybit", "inverse"),
)
