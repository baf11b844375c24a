"""What OKX's channels say of any symbol, key by key as the exchange orders them: trades, books, tickers.

Sources: docs-v5 trades-channel, all-trades-channel, order-book-channel, tickers-channel (2026-07), and
frames recorded in 2026-09. Numbers are texts without needless zeros; `seqId`, `prevSeqId` and `checksum` are JSON numbers.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Final

from marketfeed_simulator import okx_fills
from marketfeed_simulator.feeds import Feed, Timer
from marketfeed_simulator.okx_symbols import type_of
from marketfeed_simulator.symbol import UPDATES, Candle, Levels, Symbol

DAY_STEPS: Final = 500
"""Steps that the 24 h figures cover."""
dumps = json.JSONEncoder(separators=(",", ":")).encode


def message(channel: str, native: str, data: str) -> str:
    """Of one record."""
    return f'{{"arg":{{"channel":"{channel}","instId":"{native}"}},"data":[{data}]}}'


# ---- trades --------------------------------------------------------------------------------------------------------------


def trades(symbol: Symbol, step: int, now_ms: str) -> str:
    """A step's trade, its fills joined."""
    price, size, maker = symbol.trade(step)
    data = _trade(symbol, okx_fills.last_id(symbol, step), price, size, maker, now_ms)
    more = f'"count":"{okx_fills.count(symbol, step)}","source":"0","seqId":{symbol.update_id(step)}}}'
    return message("trades", symbol.native, f"{data[:-1]},{more}")


def trades_all(symbol: Symbol, step: int, now_ms: str) -> str:
    """A step's trade, each fill by itself."""
    rows = (_trade(symbol, *fill, now_ms) for fill in okx_fills.fills(symbol, step))
    return message("trades-all", symbol.native, ",".join(f'{row[:-1]},"source":"0"}}' for row in rows))


def _trade(symbol: Symbol, trade_id: int, price: str, size: str, maker: bool, now_ms: str) -> str:
    return (
        f'{{"instId":"{symbol.native}","tradeId":"{trade_id}","px":"{price}","sz":"{size}",'
        f'"side":"{"sell" if maker else "buy"}","ts":"{now_ms}"}}'
    )


# ---- books ---------------------------------------------------------------------------------------------------------------


def book_snapshot(feed: Feed, symbol: Symbol, timer: Timer, now_ms: int) -> str:
    """The book as of what was told last."""
    levels = symbol.book(timer.step, feed.depth)
    return _book(symbol, levels, now_ms, "snapshot", number(timer, symbol, timer.step), -1)


def book_update(feed: Feed, symbol: Symbol, step: int, timer: Timer, now_ms: int) -> str:
    """What changed, all of the book being within its 400 levels; of nothing `seqId` is that of the message before."""
    before = number(timer, symbol, timer.step)
    return _book(symbol, symbol.changes(timer.step, step), now_ms, "update", advance(timer, symbol, step), before)


def top(feed: Feed, symbol: Symbol, step: int, seq: int, now_ms: int) -> str:
    """`bbo-tbt` and `books5`: the best levels, all of them each time."""
    levels = _best(symbol, step) if feed.depth == 1 else symbol.book(step, feed.depth)
    named = "" if feed.depth == 1 else f'"instId":"{symbol.native}",'
    return message(feed.kind, symbol.native, f'{{{_sides(levels)},{named}"ts":"{now_ms}","seqId":{seq}}}')


def _best(symbol: Symbol, step: int) -> Levels:
    bid, bid_size, ask, ask_size = symbol.best(step)
    return Levels(symbol.update_id(step), [(bid, bid_size)], [(ask, ask_size)])


def number(timer: Timer, symbol: Symbol, step: int) -> int:
    """The `seqId` of a step, counted on from what was told last."""
    if timer.number is None:
        timer.number = symbol.update_id(timer.step)
    return timer.number + UPDATES * (step - timer.step)


def advance(timer: Timer, symbol: Symbol, step: int) -> int:
    """The `seqId` of what is told next. After maintenance it begins anew (docs-v5 order-book-channel: 15, then 3)."""
    timer.number = UPDATES if timer.reset else number(timer, symbol, step)
    timer.reset = False
    return timer.number


def _book(symbol: Symbol, levels: Levels, now_ms: int, action: str, seq: int, before: int) -> str:
    """`checksum` is 0 since 2026-06-23."""
    return (
        f'{{"arg":{{"channel":"books","instId":"{symbol.native}"}},"action":"{action}","data":[{{{_sides(levels)},'
        f'"ts":"{now_ms}","checksum":0,"seqId":{seq},"prevSeqId":{before}}}]}}'
    )


def _sides(levels: Levels) -> str:
    return f'"asks":{dumps(rows(levels.asks))},"bids":{dumps(rows(levels.bids))}'


def rows(side: list[tuple[str, str]]) -> list[tuple[str, str, str, str]]:
    """Levels with the two columns behind: one that is no longer used, and how many orders there are."""
    return [(price, size, "0", "0" if size == "0" else "1") for price, size in side]


# ---- volumes and tickers -------------------------------------------------------------------------------------------------


def volumes(symbol: Symbol, candle: Candle) -> tuple[str, str, str]:
    """`vol`, `volCcy`, `volCcyQuote`."""
    volume, value = candle.volume, candle.quote_volume
    size = symbol.listing.contract
    if not size:
        return volume, value, value
    if symbol.listing.inverse:
        return volume, value, _product(volume, size)
    return volume, _product(volume, size), _product(value, size)


def _product(first: str, second: str) -> str:
    return f"{(Decimal(first) * Decimal(second)).normalize():f}"


def tickers(symbol: Symbol, step: int, now_ms: int) -> str:
    return message("tickers", symbol.native, dumps(ticker(symbol, step, now_ms)))


def ticker(symbol: Symbol, step: int, now_ms: int) -> dict[str, str]:
    """On its channel and over REST alike."""
    day, best, trade = symbol.candle(step - DAY_STEPS + 1, step), symbol.best(step), symbol.trade(step)
    volume, in_currency, _ = volumes(symbol, day)
    return {
        "instType": type_of(symbol.native),
        "instId": symbol.native,
        "last": trade.price,
        "lastSz": trade.size,
        "askPx": best.ask_price,
        "askSz": best.ask_size,
        "bidPx": best.bid_price,
        "bidSz": best.bid_size,
        "open24h": day.open,
        "high24h": day.high,
        "low24h": day.low,
        "sodUtc0": day.open,
        "sodUtc8": day.open,
        "volCcy24h": in_currency,
        "vol24h": volume,
        "ts": str(now_ms),
    }
