"""What Bybit's topics say, key by key as the exchange orders them.

Sources: websocket/public/*.mdx (2026-07-24) and frames recorded in 2025 and 2026. On spot, and in books of one level, `ts`
comes before `type`.
"""

from __future__ import annotations

import json
from typing import Final
from uuid import UUID

from marketfeed_simulator import contract
from marketfeed_simulator.candles import Bar, bars
from marketfeed_simulator.feeds import Feed, Timer
from marketfeed_simulator.ladder import Ladder
from marketfeed_simulator.symbol import UPDATES, Levels, Symbol

DAY_STEPS: Final = 500
"""Steps that the 24 h figures cover."""
_HOUR_STEPS: Final = 20
_dumps = json.JSONEncoder(separators=(",", ":")).encode
_SPREAD: Final = 0x9E3779B97F4A7C15F39CC0605CEDC835
_MASK: Final = (1 << 128) - 1


def uuid_of(number: int) -> str:
    """The id of a derivative's trade: another one for each number."""
    return str(UUID(int=number * _SPREAD & _MASK))


def trade(symbol: Symbol, step: int, now_ms: str, number: str, *, is_spot: bool) -> str:
    price, size, maker = symbol.trade(step)
    tick = "" if is_spot else f'"L":"{_tick_direction(symbol, step)}",'
    return (
        f'{{"topic":"publicTrade.{symbol.native}","type":"snapshot","ts":{now_ms},"data":[{{"T":{now_ms},"s":"{symbol.native}",'
        f'"S":"{"Sell" if maker else "Buy"}","v":"{size}","p":"{price}",{tick}"i":"{number}","BT":false,"RPI":false,'
        f'"seq":{symbol.update_id(step)}}}]}}'
    )


def liquidation(symbol: Symbol, step: int, now_ms: str) -> str | None:
    """`S` is the side of the position: `Buy` where a long one was closed."""
    found = contract.liquidation(symbol, step)
    if found is None:
        return None
    return (
        f'{{"topic":"allLiquidation.{symbol.native}","type":"snapshot","ts":{now_ms},"data":[{{"T":{now_ms},'
        f'"s":"{symbol.native}","S":"{"Buy" if found.sells else "Sell"}","v":"{found.size}","p":"{found.price}"}}]}}'
    )


def _tick_direction(symbol: Symbol, step: int) -> str:
    before, now = float(symbol.trade(step - 1).price), float(symbol.trade(step).price)
    return "PlusTick" if now > before else "MinusTick" if now < before else "ZeroPlusTick"


# ---- books ---------------------------------------------------------------------------------------------------------------


def best(symbol: Symbol, step: int, now_ms: int) -> str:
    """The book of one level: a snapshot each time; its `u` stays where nothing has changed."""
    bid, bid_size, ask, ask_size = symbol.best(step)
    levels = Levels(symbol.update_id(step), [(bid, bid_size)], [(ask, ask_size)])
    return _book("orderbook.1", symbol, levels, symbol.update_id(step) // UPDATES, now_ms, kind="snapshot", ts_first=True)


def book_snapshot(feed: Feed, symbol: Symbol, timer: Timer, now_ms: int, *, ts_first: bool) -> str:
    """The book as of what was told last."""
    ladder, number = _ladder(feed, symbol, timer)
    topic = f"orderbook.{feed.depth}"
    return _book(topic, symbol, ladder.snapshot(), number, now_ms, kind="snapshot", ts_first=ts_first)


def book(feed: Feed, symbol: Symbol, step: int, timer: Timer, now_ms: int, *, ts_first: bool) -> list[str]:
    """What changed within the depth, if anything; the whole book with `u` 1 after a restart of the service."""
    ladder, number = _ladder(feed, symbol, timer)
    changes = ladder.advance(step)
    timer.step = step
    topic = f"orderbook.{feed.depth}"
    if timer.reset:
        timer.reset, timer.number = False, 1
        return [_book(topic, symbol, ladder.snapshot(), 1, now_ms, kind="snapshot", ts_first=ts_first)]
    if not changes.bids and not changes.asks:
        return []
    timer.number = number + 1
    return [_book(topic, symbol, changes, timer.number, now_ms, kind="delta", ts_first=ts_first)]


def _ladder(feed: Feed, symbol: Symbol, timer: Timer) -> tuple[Ladder, int]:
    """The told book and its number. One that begins later begins higher: at most one message a step has been numbered."""
    if timer.ladder is None or timer.number is None:
        timer.ladder = Ladder(symbol, feed.depth, timer.step, tells_leaving=True)
        timer.number = symbol.update_id(timer.step) // UPDATES
    return timer.ladder, timer.number


def _book(topic: str, symbol: Symbol, levels: Levels, number: int, now_ms: int, *, kind: str, ts_first: bool) -> str:
    head = f'"ts":{now_ms},"type":"{kind}"' if ts_first else f'"type":"{kind}","ts":{now_ms}'
    return (
        f'{{"topic":"{topic}.{symbol.native}",{head},"data":{{"s":"{symbol.native}","b":{_dumps(levels.bids)},'
        f'"a":{_dumps(levels.asks)},"u":{number},"seq":{levels.update_id}}},"cts":{now_ms}}}'
    )


# ---- candles and tickers -------------------------------------------------------------------------------------------------


def klines(feed: Feed, symbol: Symbol, step: int, timer: Timer, now_ms: int) -> list[str]:
    return [_kline(feed, symbol, bar, now_ms) for bar in bars(feed, symbol, step, timer, now_ms)]


def _kline(feed: Feed, symbol: Symbol, bar: Bar, now_ms: int) -> str:
    c = bar.candle
    return (
        f'{{"topic":"kline.{feed.label}.{symbol.native}","data":[{{"start":{bar.opened_ms},"end":{bar.closes_ms},'
        f'"interval":"{feed.label}","open":"{c.open}","close":"{c.close}","high":"{c.high}","low":"{c.low}",'
        f'"volume":"{c.volume}","turnover":"{c.quote_volume}","confirm":{"true" if bar.closed else "false"},'
        f'"timestamp":{now_ms}}}],"ts":{now_ms},"type":"snapshot"}}'
    )


def spot_ticker(symbol: Symbol, step: int, now_ms: int) -> str:
    day = symbol.candle(step - DAY_STEPS + 1, step)
    data = {
        "symbol": symbol.native,
        "lastPrice": day.close,
        "highPrice24h": day.high,
        "lowPrice24h": day.low,
        "prevPrice24h": day.open,
        "volume24h": day.volume,
        "turnover24h": day.quote_volume,
        "price24hPcnt": _change(day.open, day.close),
        "usdIndexPrice": "",
    }
    head = f'"topic":"tickers.{symbol.native}","ts":{now_ms},"type":"snapshot"'
    return f'{{{head},"cs":{symbol.update_id(step)},"data":{_dumps(data)}}}'


def ticker_snapshot(symbol: Symbol, step: int, now_ms: int) -> str:
    return _ticker(symbol, step, now_ms, "snapshot", ticker(symbol, step, now_ms))


def ticker_delta(symbol: Symbol, before: int, step: int, now_ms: int) -> list[str]:
    """What has changed since an earlier step; a key that is missing has not."""
    was, now = ticker(symbol, before, now_ms), ticker(symbol, step, now_ms)
    changed = {"symbol": symbol.native} | {key: value for key, value in now.items() if was[key] != value}
    return [_ticker(symbol, step, now_ms, "delta", changed)] if len(changed) > 1 else []


def _ticker(symbol: Symbol, step: int, now_ms: int, kind: str, data: dict[str, str]) -> str:
    head = f'"topic":"tickers.{symbol.native}","type":"{kind}"'
    return f'{{{head},"data":{_dumps(data)},"cs":{symbol.update_id(step)},"ts":{now_ms}}}'


def ticker(symbol: Symbol, step: int, now_ms: int) -> dict[str, str]:
    """All of a derivative's ticker, on its topic and over REST alike. A dated contract has no funding."""
    day, hour = symbol.candle(step - DAY_STEPS + 1, step), symbol.candle(step - _HOUR_STEPS + 1, step)
    best_, state = symbol.best(step), contract.state(symbol, step)
    perpetual = symbol.listing.expiry_ms is None
    return {
        "symbol": symbol.native,
        "tickDirection": _tick_direction(symbol, step),
        "price24hPcnt": _change(day.open, day.close),
        "lastPrice": day.close,
        "prevPrice24h": day.open,
        "highPrice24h": day.high,
        "lowPrice24h": day.low,
        "prevPrice1h": hour.open,
        "markPrice": state.mark_price,
        "indexPrice": state.index_price,
        "openInterest": state.open_interest,
        "turnover24h": day.quote_volume,
        "volume24h": day.volume,
        "fundingIntervalHour": "8" if perpetual else "",
        "nextFundingTime": str(contract.next_funding_ms(now_ms)) if perpetual else "",
        "fundingRate": state.funding_rate if perpetual else "",
        "bid1Price": best_.bid_price,
        "bid1Size": best_.bid_size,
        "ask1Price": best_.ask_price,
        "ask1Size": best_.ask_size,
    }


def _change(before: str, now: str) -> str:
    """As a ratio, not in percent."""
    return f"{float(now) / float(before) - 1:.6f}"
