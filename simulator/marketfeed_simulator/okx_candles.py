"""Candles as OKX tells them (docs-v5 candlesticks-channel, 2026-07).

Those of 6 h and more begin at midnight of UTC+8, and with `utc` behind their name at that of UTC.
"""

from __future__ import annotations

from typing import Final

from marketfeed_simulator.candles import MONTH_S, bars
from marketfeed_simulator.feeds import Feed, Timer
from marketfeed_simulator.okx_payloads import dumps, message, volumes
from marketfeed_simulator.symbol import Symbol

_SHORT_S: Final = {
    "1s": 1.0,
    **{f"{n}m": n * 60.0 for n in (1, 3, 5, 15, 30)},
    **{f"{n}H": n * 3600.0 for n in (1, 2, 4)},
}
_LONG_S: Final = {
    **{f"{n}H": n * 3600.0 for n in (6, 12)},
    **{f"{n}D": n * 86_400.0 for n in (1, 2, 3, 5)},
    "1W": 604_800.0,
    **{f"{n}M": n * MONTH_S for n in (1, 3)},
}
_OF_UTC8: Final = frozenset(f"candle{name}" for name in _LONG_S)
INTERVALS_S: Final = {
    **{f"candle{name}": interval_s for name, interval_s in (_SHORT_S | _LONG_S).items()},
    **{f"candle{name}utc": interval_s for name, interval_s in _LONG_S.items()},
}
"""Channel → its interval, as in `Feed`."""
_EIGHT_HOURS_MS: Final = 8 * 3_600_000


def candles(feed: Feed, symbol: Symbol, step: int, timer: Timer, now_ms: int) -> list[str]:
    """When it begins, open, high, low, close, the three volumes, and whether it is closed."""
    shift_ms = _EIGHT_HOURS_MS if feed.label in _OF_UTC8 else 0
    told = []
    for bar in bars(feed, symbol, step, timer, now_ms + shift_ms):
        c = bar.candle
        row = (str(bar.opened_ms - shift_ms), c.open, c.high, c.low, c.close, *volumes(symbol, c), "1" if bar.closed else "0")
        told.append(message(feed.label, symbol.native, dumps(row)))
    return told
