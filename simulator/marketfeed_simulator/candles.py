"""Candles of a feed as its timer goes by: the one that closed, and the one that goes on."""

from __future__ import annotations

from typing import NamedTuple

from marketfeed_simulator.feeds import Feed, Timer
from marketfeed_simulator.symbol import Candle, Symbol


class Bar(NamedTuple):
    """A candle at a moment."""

    opened_ms: int
    closes_ms: int
    """The last ms inside."""
    candle: Candle
    trades: int
    """Trades in it."""
    closed: bool


def bars(feed: Feed, symbol: Symbol, step: int, timer: Timer, now_ms: int) -> list[Bar]:
    """The candle so far; before it the end of the one before, once. A feed's first candle begins with the feed."""
    span_ms = round(feed.interval_s * 1000)
    opened_ms = now_ms - now_ms % span_ms
    out = []
    if timer.opened_ms != opened_ms:
        if timer.opened_ms >= 0:
            out.append(_bar(symbol, step, timer, span_ms, closed=True))
        timer.opened_ms, timer.first_step = opened_ms, (step if timer.opened_ms >= 0 else timer.step) + 1
    out.append(_bar(symbol, step, timer, span_ms, closed=False))
    return out


def _bar(symbol: Symbol, step: int, timer: Timer, span_ms: int, *, closed: bool) -> Bar:
    count = step - timer.first_step + 1
    candle = symbol.candle(timer.first_step, step) if count else _empty(symbol, step)
    return Bar(timer.opened_ms, timer.opened_ms + span_ms - 1, candle, count, closed)


def _empty(symbol: Symbol, step: int) -> Candle:
    """Of no trades: all prices are the last one."""
    price, zero = symbol.trade(step).price, symbol.empty
    return Candle(-1, -1, price, price, price, price, zero, zero, zero, zero)
