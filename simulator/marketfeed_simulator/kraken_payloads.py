"""What Kraken's channels say, key by key as the exchange orders them: trades, books, tickers, candles.

Sources: docs.kraken.com, spot-websocket-v2 trade, book, ticker, ohlc and the guide on the book's checksum (2026-11), and frames
recorded in 2026. Prices and sizes are JSON numbers with as many decimals as their pair has, times RFC 3339 with microseconds.
"""

from __future__ import annotations

from binascii import crc32
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Final

from marketfeed_simulator.candles import Bar, bars
from marketfeed_simulator.feeds import Feed, Timer
from marketfeed_simulator.ladder import Ladder, Side
from marketfeed_simulator.symbol import UPDATES, Candle, Levels, Symbol

DAY_STEPS: Final = 500
"""Steps that the 24 h figures cover."""
CHECKED: Final = 10
"""Levels a side that the checksum is made of."""
_REPEATED: Final = 16
"""One of so many updates of a book tells a level twice; the last word counts (as seen in the field)."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=256)
def stamp(time_ms: int) -> str:
    """2026-01-01T00:00:00.000000Z"""
    return f"{_EPOCH + timedelta(milliseconds=time_ms):%Y-%m-%dT%H:%M:%S.%f}Z"


def _message(channel: str, kind: str, data: str) -> str:
    """Of one record."""
    return f'{{"channel":"{channel}","type":"{kind}","data":[{data}]}}'


def trade(symbol: Symbol, step: int, now_ms: str) -> str:
    price, size, maker = symbol.trade(step)
    data = (
        f'{{"symbol":"{symbol.native}","side":"{"sell" if maker else "buy"}","price":{price},"qty":{size},'
        f'"ord_type":"{"limit" if step % 3 else "market"}","trade_id":{symbol.trade_id(step)},'
        f'"timestamp":"{stamp(int(now_ms))}"}}'
    )
    return _message("trade", "update", data)


# ---- books ---------------------------------------------------------------------------------------------------------------


def book_snapshot(feed: Feed, symbol: Symbol, timer: Timer, now_ms: int) -> str:
    """The window as of what was told last."""
    levels = _ladder(feed, symbol, timer).snapshot()
    return _book(symbol, levels, levels, now_ms, "snapshot")


def book_updates(feed: Feed, symbol: Symbol, step: int, timer: Timer, now_ms: int) -> list[str]:
    """What changed within the window, if anything. Levels that leave it are not told: who keeps a book has to cut it."""
    ladder = _ladder(feed, symbol, timer)
    changes = ladder.advance(step)
    if not changes.bids and not changes.asks:
        return []
    if changes.bids and changes.update_id // UPDATES % _REPEATED == 0:
        price, _ = changes.bids[0]
        changes = changes._replace(bids=[(price, symbol.empty), *changes.bids])
    return [_book(symbol, changes, ladder.snapshot(), now_ms, "update")]


def checksum(levels: Levels) -> int:
    """CRC32 of the digits of the best asks, then the best bids: price and size, without their points and leading zeros."""
    best = (*levels.asks[:CHECKED], *levels.bids[:CHECKED])
    return crc32("".join(text.replace(".", "").lstrip("0") for level in best for text in level).encode())


def _ladder(feed: Feed, symbol: Symbol, timer: Timer) -> Ladder:
    """The book as it was told."""
    if timer.ladder is None:
        timer.ladder = Ladder(symbol, feed.depth, timer.step, tells_leaving=False)
    return timer.ladder


def _book(symbol: Symbol, levels: Levels, book: Levels, now_ms: int, kind: str) -> str:
    """`book`: all of the window after this message."""
    data = (
        f'{{"symbol":"{symbol.native}","bids":{_side(levels.bids)},"asks":{_side(levels.asks)},"checksum":{checksum(book)},'
        f'"timestamp":"{stamp(now_ms)}"}}'
    )
    return _message("book", kind, data)


def _side(levels: Side) -> str:
    return "[" + ",".join(f'{{"price":{price},"qty":{size}}}' for price, size in levels) + "]"


# ---- tickers and candles -------------------------------------------------------------------------------------------------


def ticker(symbol: Symbol, step: int, now_ms: int, kind: str = "update") -> str:
    day, best = symbol.candle(step - DAY_STEPS + 1, step), symbol.best(step)
    change = Decimal(day.close) - Decimal(day.open)
    data = (
        f'{{"symbol":"{symbol.native}","bid":{best.bid_price},"bid_qty":{best.bid_size},"ask":{best.ask_price},'
        f'"ask_qty":{best.ask_size},"last":{day.close},"volume":{day.volume},"vwap":{vwap(symbol, day)},"low":{day.low},'
        f'"high":{day.high},"change":{change:f},"change_pct":{change * 100 / Decimal(day.open):.2f},"trades":{DAY_STEPS},'
        f'"timestamp":"{stamp(now_ms)}"}}'
    )
    return _message("ticker", kind, data)


def candles(feed: Feed, symbol: Symbol, step: int, timer: Timer, now_ms: int) -> list[str]:
    """Those with trades in them: that one is over is told by nothing but the next one."""
    return [_candle(feed, symbol, bar) for bar in bars(feed, symbol, step, timer, now_ms) if bar.trades]


def _candle(feed: Feed, symbol: Symbol, bar: Bar) -> str:
    c = bar.candle
    data = (
        f'{{"symbol":"{symbol.native}","open":{c.open},"high":{c.high},"low":{c.low},"close":{c.close},"trades":{bar.trades},'
        f'"volume":{c.volume},"vwap":{vwap(symbol, c)},"interval_begin":"{stamp(bar.opened_ms)[:-1]}000Z",'
        f'"interval":{feed.label},"timestamp":"{stamp(bar.closes_ms + 1)}"}}'
    )
    return _message("ohlc", "update", data)


def vwap(symbol: Symbol, candle: Candle) -> str:
    """Average price by volume, with the decimals of a price."""
    return f"{Decimal(candle.quote_volume) / Decimal(candle.volume):.{symbol.listing.tick_decimals}f}"
