"""Candles of a feed as its timer goes by: the one that closed, and the one that goes on."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, NamedTuple

from marketfeed_simulator.feeds import Feed, Timer
from marketfeed_simulator.symbol import Candle, Symbol

MONTH_S: Final = -1.0
"""Interval of candles of a calendar month; so many times as much is so many months, from January on."""
_WEEK_MS: Final = 7 * 86_400_000
_MONDAY_MS: Final = 4 * 86_400_000
"""The first Monday of the epoch."""


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
    opened_ms = span(feed.interval_s, now_ms)[0]
    out = []
    if timer.opened_ms != opened_ms:
        if timer.opened_ms >= 0:
            out.append(_bar(feed, symbol, step, timer, closed=True))
        timer.opened_ms, timer.first_step = opened_ms, (step if timer.opened_ms >= 0 else timer.step) + 1
    out.append(_bar(feed, symbol, step, timer, closed=False))
    return out


def span(interval_s: float, time_ms: int) -> tuple[int, int]:
    """The first ms of the candle of this moment, and that of the next. Weeks begin on Monday, all in UTC."""
    if interval_s < 0:
        day, months = datetime.fromtimestamp(time_ms / 1000, UTC), round(interval_s / MONTH_S)
        first = day.year * 12 + (day.month - 1) // months * months
        return _month_ms(first), _month_ms(first + months)
    length_ms = round(interval_s * 1000)
    opened_ms = time_ms - (time_ms - (_MONDAY_MS if length_ms == _WEEK_MS else 0)) % length_ms
    return opened_ms, opened_ms + length_ms


def _month_ms(months: int) -> int:
    """The first ms of the month that begins so many months after the year 0 did."""
    return int(datetime(months // 12, months % 12 + 1, 1, tzinfo=UTC).timestamp()) * 1000


def _bar(feed: Feed, symbol: Symbol, step: int, timer: Timer, *, closed: bool) -> Bar:
    count = step - timer.first_step + 1
    candle = symbol.candle(timer.first_step, step) if count else _empty(symbol, step)
    return Bar(timer.opened_ms, span(feed.interval_s, timer.opened_ms)[1] - 1, candle, count, closed)


def _empty(symbol: Symbol, step: int) -> Candle:
    """Of no trades: all prices are the last one."""
    price, zero = symbol.trade(step).price, symbol.empty
    return Candle(-1, -1, price, price, price, price, zero, zero, zero, zero)
