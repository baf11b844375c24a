"""What Binance's streams say, spot and futures: their texts, key by key as the exchange orders them.

Sources: "WebSocket Streams for Binance" (web-socket-streams.md, 2026-07-21), the pages of USD-M and COIN-M market streams, and
frames recorded in 2024 and 2026.
"""

from __future__ import annotations

import json
from typing import Final

from marketfeed_simulator import contract
from marketfeed_simulator.candles import Bar, bars
from marketfeed_simulator.feeds import Feed, Timer
from marketfeed_simulator.symbol import Ids, Symbol

LEVELS: Final = json.JSONEncoder(separators=(",", ":")).encode
BOOL: Final = {True: "true", False: "false"}
WINDOW_STEPS: Final = 500
"""Steps that the 24 h ticker covers."""
DAY_MS: Final = 86_400_000


def trade(symbol: Symbol, step: int, ids: Ids, now_ms: str) -> str:
    price, size, maker = symbol.trade(step)
    return (
        f'{{"e":"trade","E":{now_ms},"s":"{symbol.native}","t":{ids.trade},"p":"{price}","q":"{size}","T":{now_ms},'
        f'"m":{BOOL[maker]},"M":true}}'
    )


def agg_trade(symbol: Symbol, step: int, ids: Ids, now_ms: str) -> str:
    price, size, maker = symbol.trade(step)
    return (
        f'{{"e":"aggTrade","E":{now_ms},"s":"{symbol.native}","a":{ids.aggregate},"p":"{price}","q":"{size}",'
        f'"f":{ids.trade},"l":{ids.trade},"T":{now_ms},"m":{BOOL[maker]},"M":true}}'
    )


def book_ticker(symbol: Symbol, step: int, ids: Ids, now_ms: str) -> str:
    bid, bid_size, ask, ask_size = symbol.best(step)
    return f'{{"u":{ids.update},"s":"{symbol.native}","b":"{bid}","B":"{bid_size}","a":"{ask}","A":"{ask_size}"}}'


def depth(symbol: Symbol, step: int, timer: Timer, now_ms: int) -> str:
    """Changes since the timer's step, with the first and the last update id of them."""
    changes = symbol.changes(timer.step, step)
    first = symbol.update_id(timer.step) + 1
    return (
        f'{{"e":"depthUpdate","E":{now_ms},"s":"{symbol.native}","U":{first},"u":{changes.update_id},'
        f'"b":{LEVELS(changes.bids)},"a":{LEVELS(changes.asks)}}}'
    )


def klines(feed: Feed, symbol: Symbol, step: int, timer: Timer, now_ms: int) -> list[str]:
    return [_kline(feed, symbol, bar, now_ms) for bar in bars(feed, symbol, step, timer, now_ms)]


def _kline(feed: Feed, symbol: Symbol, bar: Bar, now_ms: int) -> str:
    candle = bar.candle
    return (
        f'{{"e":"kline","E":{now_ms},"s":"{symbol.native}","k":{{"t":{bar.opened_ms},"T":{bar.closes_ms},"s":"{symbol.native}",'
        f'"i":"{feed.label}","f":{candle.first_trade_id},"L":{candle.last_trade_id},"o":"{candle.open}","c":"{candle.close}",'
        f'"h":"{candle.high}","l":"{candle.low}","v":"{candle.volume}","n":{bar.trades},"x":{BOOL[bar.closed]},'
        f'"q":"{candle.quote_volume}","V":"{candle.taker_volume}","Q":"{candle.taker_quote_volume}","B":"0"}}}}'
    )


def ticker(symbol: Symbol, step: int, now_ms: int) -> str:
    """The 24 h ticker of spot."""
    bid, bid_size, ask, ask_size = symbol.best(step)
    head, last, rest = _ticker_parts(symbol, step, now_ms)
    first = symbol.candle(step - WINDOW_STEPS + 1, step).open
    return f'{head},"x":"{first}",{last},"b":"{bid}","B":"{bid_size}","a":"{ask}","A":"{ask_size}",{rest}}}'


def _ticker_parts(symbol: Symbol, step: int, now_ms: int) -> tuple[str, str, str]:
    """What the tickers of all markets have: up to the average price, last price and size, and from the first price on."""
    day = symbol.candle(step - WINDOW_STEPS + 1, step)
    opened, closed = float(day.open), float(day.close)
    head = (
        f'{{"e":"24hrTicker","E":{now_ms},"s":"{symbol.native}","p":"{closed - opened:.8f}",'
        f'"P":"{(closed / opened - 1) * 100:.3f}","w":"{(opened + closed) / 2:.8f}"'
    )
    last = f'"c":"{day.close}","Q":"{symbol.trade(step).size}"'
    rest = (
        f'"o":"{day.open}","h":"{day.high}","l":"{day.low}","v":"{day.volume}","q":"{day.quote_volume}","O":{now_ms - DAY_MS},'
        f'"C":{now_ms},"F":{day.first_trade_id},"L":{day.last_trade_id},"n":{WINDOW_STEPS}'
    )
    return head, last, rest


# ---- futures -----------------------------------------------------------------------------------------------------------


def tag(symbol: Symbol) -> str:
    """What stands in every message of the futures but candles: the kind of market, and the pair."""
    return f'"st":{2 if symbol.listing.inverse else 1},"ps":"{symbol.listing.base}{symbol.listing.quote}"'


def futures_trade(symbol: Symbol, step: int, ids: Ids, now_ms: str) -> str:
    price, size, maker = symbol.trade(step)
    return (
        f'{{"e":"trade","E":{now_ms},"T":{now_ms},"s":"{symbol.native}","t":{ids.trade},"p":"{price}","q":"{size}",'
        f'"X":"MARKET","m":{BOOL[maker]},{tag(symbol)}}}'
    )


def futures_agg_trade(symbol: Symbol, step: int, ids: Ids, now_ms: str) -> str:
    price, size, maker = symbol.trade(step)
    return (
        f'{{"e":"aggTrade","E":{now_ms},"a":{ids.aggregate},"s":"{symbol.native}","p":"{price}","q":"{size}","nq":"{size}",'
        f'"f":{ids.trade},"l":{ids.trade},"T":{now_ms},"m":{BOOL[maker]},{tag(symbol)}}}'
    )


def futures_book_ticker(symbol: Symbol, step: int, ids: Ids, now_ms: str) -> str:
    bid, bid_size, ask, ask_size = symbol.best(step)
    return (
        f'{{"e":"bookTicker","u":{ids.update},"s":"{symbol.native}","b":"{bid}","B":"{bid_size}","a":"{ask}","A":"{ask_size}",'
        f'"T":{now_ms},"E":{now_ms},{tag(symbol)}}}'
    )


def force_order(symbol: Symbol, step: int, ids: Ids, now_ms: str) -> str | None:
    """A liquidation, where the step's trade is one."""
    found = contract.liquidation(symbol, step)
    if found is None:
        return None
    price, average, size, sells = found
    return (
        f'{{"e":"forceOrder","E":{now_ms},"o":{{"s":"{symbol.native}","S":"{"SELL" if sells else "BUY"}","o":"LIMIT","f":"IOC",'
        f'"q":"{size}","p":"{price}","ap":"{average}","X":"FILLED","l":"{size}","z":"{size}","T":{now_ms},{tag(symbol)}}}}}'
    )


def futures_depth(symbol: Symbol, step: int, timer: Timer, now_ms: int) -> str:
    """Changes since the timer's step; `pu` is the id that the message before ended with, and `U` is not the next one."""
    changes = symbol.changes(timer.step, step)
    before = symbol.update_id(timer.step)
    return (
        f'{{"e":"depthUpdate","E":{now_ms},"T":{now_ms},"s":"{symbol.native}",{tag(symbol)},"U":{before + 4},'
        f'"u":{changes.update_id},"pu":{before},"b":{LEVELS(changes.bids)},"a":{LEVELS(changes.asks)}}}'
    )


def mark_price(symbol: Symbol, step: int, now_ms: int) -> str:
    """A dated future has no funding: its rate and time are zero."""
    state = contract.state(symbol, step)
    perpetual = symbol.listing.expiry_ms is None
    rate, due_ms = (state.funding_rate, contract.next_funding_ms(now_ms)) if perpetual else ("0.00000000", 0)
    return (
        f'{{"e":"markPriceUpdate","E":{now_ms},"s":"{symbol.native}","p":"{state.mark_price}","ap":"{state.mark_price}",'
        f'"P":"{state.settle_price}","i":"{state.index_price}","r":"{rate}","T":{due_ms},{tag(symbol)}}}'
    )


def futures_ticker(symbol: Symbol, step: int, now_ms: int) -> str:
    """The 24 h ticker without best prices."""
    head, last, rest = _ticker_parts(symbol, step, now_ms)
    return f"{head},{last},{rest},{tag(symbol)}}}"
