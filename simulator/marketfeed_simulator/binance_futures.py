"""Binance USD-M and COIN-M as servers.

Sources: the pages "Websocket Market Streams" and "Important WebSocket Change Notice" of USD-M, "WebSocket Market Streams" of
COIN-M (developers.binance.com, 2026), and measurements of 2026-07-30 and 2026-10-07: what is asked for on the wrong path of
USD-M is acknowledged and silent, and so is an unknown name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Final

from marketfeed.exchanges.exchange import Window
from marketfeed_simulator import binance_futures_rest as rest
from marketfeed_simulator import binance_payloads as payloads
from marketfeed_simulator.binance import CLOSINGS, Binance, Live
from marketfeed_simulator.exchange import Closings, HttpReply, Source
from marketfeed_simulator.feeds import Feed, Timer
from marketfeed_simulator.limits import Limits
from marketfeed_simulator.listing import PERPETUAL, Listing
from marketfeed_simulator.session import Session
from marketfeed_simulator.symbol import Symbol

LIMITS: Final = Limits(
    client_messages=Window(10, 1.0),
    streams_per_connection=1024,
    connects=(Window(300, 300.0),),  # not on the futures' pages: the number of spot
    rest={"": Window(2400, 60.0)},
    warnings=10,
    ban_s=120.0,
    ping_interval_s=180.0,
    ping_timeout_s=600.0,
    lifetime_s=86_400.0,
)
_PUBLIC: Final = ("bookTicker", "depth", "trade")
_ALL_LIQUIDATIONS: Final = "!forceOrder@arr"
_EACH_S: Final = {"markPrice": 3.0, "markPrice@1s": 1.0, "ticker": 2.0}


@dataclass(frozen=True)
class BinanceFutures(Binance):
    """What USD-M and COIN-M share."""

    limits: Limits = LIMITS
    closings: Closings = CLOSINGS

    lives: ClassVar[Mapping[str, Live]] = {
        "trade": payloads.futures_trade,
        "aggTrade": payloads.futures_agg_trade,
        "bookTicker": payloads.futures_book_ticker,
        "forceOrder": payloads.force_order,
    }
    depths: ClassVar[Mapping[str, float]] = {"depth": 0.25, "depth@500ms": 0.5, "depth@100ms": 0.1, "depth@0ms": 0.01}
    rest_root: ClassVar[str]

    def listed(self, listing: Listing) -> Listing:
        contract = "" if not listing.inverse else "100" if listing.base == "BTC" else "10"
        return replace(listing, native=self.native(listing), price_places=0, size_places=0, contract=contract)

    def feed(self, topic: str, index: Mapping[str, int]) -> Feed | None:
        return Feed(None, "forceOrder") if topic == _ALL_LIQUIDATIONS else super().feed(topic, index)

    def periodic(self, at: int, kind: str) -> Feed | None:
        if kind in _EACH_S:
            return Feed(at, kind.partition("@")[0], _EACH_S[kind])
        return None if kind == "kline_1s" else self.candles(at, kind, 0.25)

    def timed(self, feed: Feed, symbol: Symbol, step: int, timer: Timer, now_ms: int) -> list[str]:
        match feed.kind:
            case "ticker":
                return [payloads.futures_ticker(symbol, step, now_ms)]
            case "markPrice":
                return [payloads.mark_price(symbol, step, now_ms)]
            case "kline":
                return payloads.klines(feed, symbol, step, timer, now_ms)
        told = payloads.futures_depth(symbol, step, timer, now_ms)
        timer.step = step
        return [told]

    def trade_id(self, symbol: Symbol, step: int) -> str:
        return str(symbol.aggregate_id(step))

    def http(self, path: str, query: Mapping[str, str], source: Source, now_ms: int) -> HttpReply | None:
        if not path.startswith(self.rest_root):
            return None
        return rest.call(path.removeprefix(self.rest_root), query, source, now_ms)


@dataclass(frozen=True)
class BinanceLinear(BinanceFutures):
    """USD-M: its streams are split by path."""

    name: str = "binance"
    market: str = "linear"

    rest_root = "/fapi/v1/"

    def native(self, listing: Listing) -> str:
        pair = listing.base + listing.quote
        return pair if listing.term == PERPETUAL else f"{pair}_{listing.term}"

    def open(self, path: str, query: Mapping[str, str]) -> Session | None:
        for part in ("public", "market"):
            if path.startswith(f"/{part}/"):
                session = super().open(path.removeprefix(f"/{part}"), query)
                if session is not None:
                    session.path = part
                return session
        return super().open(path, query)  # the former address, which serves what is public

    def serves(self, session: Session, topic: str) -> bool:
        public = topic.partition("@")[2].partition("@")[0] in _PUBLIC
        return public == (session.path != "market")


@dataclass(frozen=True)
class BinanceInverse(BinanceFutures):
    """COIN-M: sizes are contracts of 100 USD (BTC) or 10 USD."""

    name: str = "binance"
    market: str = "inverse"

    rest_root = "/dapi/v1/"

    def native(self, listing: Listing) -> str:
        return f"{listing.base}{listing.quote}_{listing.term}"


MARKETS: Final = (BinanceLinear(), BinanceInverse())
