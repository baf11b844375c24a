"""Kraken as a server: spot, on its WebSocket API v2.

Sources: docs.kraken.com, spot-websocket-v2 and the guide "Spot WebSocket introduction" (2026-11). What a client may send and is
answered is in `kraken_control`, REST in `kraken_rest`. Snapshots of trades and candles, of what was before, are not made.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from marketfeed.exchanges.exchange import Window
from marketfeed_simulator import kraken_control as control
from marketfeed_simulator import kraken_pairs as pairs
from marketfeed_simulator import kraken_payloads as payloads
from marketfeed_simulator import kraken_rest as rest
from marketfeed_simulator.exchange import ABNORMAL, Closings, Exchange, HttpReply, Recorded, Source
from marketfeed_simulator.feeds import Feed, Timer
from marketfeed_simulator.limits import Limits
from marketfeed_simulator.listing import Listing
from marketfeed_simulator.session import Answer, Hearing, Session
from marketfeed_simulator.symbol import Ids, Symbol

LIMITS: Final = Limits(
    requests=Window(25, 1.0),  # the number moves with Kraken's load and is not published; clients that send 20 are heard
    connects=(Window(150, 600.0),),
    rest={"": Window(3, 2.0)},  # "about one a second": two in a second are too fast, if they go on
    refused_status=429,
    banned_status=429,
    warnings=0,
    ban_s=600.0,
    idle_s=60.0,
    heartbeat_s=1.0,
)
CLOSINGS: Final = Closings(flood=(ABNORMAL, ""), streams=(ABNORMAL, ""), pong=(ABNORMAL, ""), lifetime=(ABNORMAL, ""))
"""No close code is documented: connections end without a word."""
_NEVER: Final = float("inf")
_AT_ONCE_S: Final = 0.05
"""What is told as it happens is gathered for so long."""


@dataclass(frozen=True)
class Kraken(Exchange):
    """See `Exchange`. Topics are named `book/100:BTC/USD`: with what tells subscriptions of one channel apart."""

    name: str = "kraken"
    market: str = "spot"
    limits: Limits = LIMITS
    closings: Closings = CLOSINGS

    def native(self, listing: Listing) -> str:
        return pairs.native(listing)

    def listed(self, listing: Listing) -> Listing:
        return pairs.listed(listing)

    # ---- connections -------------------------------------------------------------------------------------------------

    def open(self, path: str, query: Mapping[str, str]) -> Session | None:
        return Session() if path == "/v2" else None

    def welcome(self, session: Session, now_ms: int) -> Sequence[str]:
        return (_status(session, "online"),)

    def receive(self, session: Session, text: str, hearing: Hearing) -> Answer:
        return control.receive(session, text, hearing)

    def heartbeat(self, session: Session) -> str:
        return '{"channel":"heartbeat"}'

    def notice(self, session: Session, now_ms: int) -> str:
        return _status(session, "maintenance")

    # ---- channels ----------------------------------------------------------------------------------------------------

    def feed(self, topic: str, index: Mapping[str, int]) -> Feed | None:
        group, _, name = topic.partition(":")
        channel, _, value = group.partition("/")
        if topic == control.INSTRUMENT:
            return Feed(None, channel, _NEVER)
        at = index.get(name)
        if at is None:
            return None
        match channel:
            case "trade":
                return Feed(at, channel)
            case "book":
                return Feed(at, channel, _AT_ONCE_S, _NEVER, depth=int(value))
            case "ticker":
                return Feed(at, channel, _AT_ONCE_S, _NEVER)
            case "ohlc":
                return Feed(at, channel, 1.0, _NEVER, int(value) * 60.0, value)
        return None

    def live(self, kind: str, symbol: Symbol, step: int, ids: Ids, now_ms: str) -> str:
        return payloads.trade(symbol, step, now_ms)

    def timed(self, feed: Feed, symbol: Symbol, step: int, timer: Timer, now_ms: int) -> list[str]:
        match feed.kind:
            case "book":
                told = payloads.book_updates(feed, symbol, step, timer, now_ms)
            case "ohlc":
                told = payloads.candles(feed, symbol, step, timer, now_ms)
            case _:
                told = [payloads.ticker(symbol, step, now_ms)]
        timer.step = step
        return told

    def first(self, feed: Feed, symbol: Symbol, step: int, timer: Timer | None, now_ms: int) -> list[str]:
        if timer is None or feed.kind == "ohlc":
            return []
        if feed.kind == "book":
            return [payloads.book_snapshot(feed, symbol, timer, now_ms)]
        return [payloads.ticker(symbol, timer.step, now_ms, "snapshot")]

    def listing_payloads(self, feed: Feed, listings: Sequence[Listing], now_ms: int, *, first: bool) -> Sequence[str]:
        """An update tells all of the list, too."""
        return (pairs.instruments(listings, "snapshot" if first else "update"),)

    # ---- REST and recordings -----------------------------------------------------------------------------------------

    def http(self, path: str, query: Mapping[str, str], source: Source, now_ms: int) -> HttpReply | None:
        return rest.call(path, query, source, now_ms)

    def refused(self, status: int, until_ms: int) -> str:
        if status not in {429, self.limits.banned_status}:
            return '{"error":["EService:Unavailable"]}'
        return '{"error":["EGeneral:Too many requests"]}'

    def recorded(self, line: str) -> Recorded | None:
        body: Any = json.loads(line)
        if not isinstance(body, dict) or body.get("channel") not in {"book", "ticker", "ohlc", "trade"} or not body.get("data"):
            return None
        row = body["data"][0]
        return Recorded(control.topics(body["channel"], row["symbol"], row.get("interval")), row["symbol"], line)


def _status(session: Session, system: str) -> str:
    """Numbers of connections need all 64 bits."""
    return (
        '{"channel":"status","type":"update","data":[{"version":"2.0.10","system":"' + system + '","api_version":"v2",'
        f'"connection_id":{(1 << 63) + session.number},"upcoming_maintenance":[],"emergency":[]}}]}}'
    )


SPOT: Final = Kraken()
