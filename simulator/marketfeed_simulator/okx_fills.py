"""A step's trade is one order that took liquidity; now and then several orders filled it.

OKX numbers fills. The channel `trades` joins those of one order and price: its `tradeId` is the last one's, `count` says how
many they were (docs-v5 trades-channel, 2026-07); `trades-all` and the history over REST have each by itself.
"""

from __future__ import annotations

from bisect import bisect_left
from decimal import Decimal
from functools import lru_cache
from itertools import accumulate
from typing import Final, NamedTuple

from marketfeed_simulator.listing import decimal
from marketfeed_simulator.symbol import Symbol

_SHARED: Final = 4
"""An order of so many lots, or a multiple of it, is filled by several."""
MOST: Final = 3
"""Fills of an order."""


class Fill(NamedTuple):
    trade_id: int
    price: str
    size: str
    buyer_is_maker: bool


def count(symbol: Symbol, step: int) -> int:
    """Fills of a step."""
    return MOST if _lots(symbol, step) % _SHARED == 0 else 1


def last_id(symbol: Symbol, step: int) -> int:
    """Of a step's last fill. Ids rise by one from fill to fill, through all steps."""
    rounds, at = divmod(step + 1, symbol.period)
    sums = _sums(symbol)
    return MOST * symbol.trade_id(0) + rounds * sums[-1] + sums[at]


def fills(symbol: Symbol, step: int) -> list[Fill]:
    """A step's fills, in order; together they are its trade."""
    price, _, maker = symbol.trade(step)
    lots, parts, last = _lots(symbol, step), count(symbol, step), last_id(symbol, step)
    part = lots // _SHARED if parts > 1 else 0
    sizes = [*[part] * (parts - 1), lots - part * (parts - 1)]
    places = symbol.listing.lot_decimals, symbol.listing.size_places
    return [Fill(last - parts + n, price, decimal(size, *places), maker) for n, size in enumerate(sizes, 1)]


def step_of(symbol: Symbol, trade_id: int) -> int:
    """The step that a fill belongs to."""
    sums = _sums(symbol)
    rounds, rest = divmod(trade_id - MOST * symbol.trade_id(0) - 1, sums[-1])
    return rounds * symbol.period + bisect_left(sums, rest + 1) - 1


def _lots(symbol: Symbol, step: int) -> int:
    return int(Decimal(symbol.trade(step).size).scaleb(symbol.listing.lot_decimals))


@lru_cache(maxsize=4096)
def _sums(symbol: Symbol) -> list[int]:
    """Fills of the first so many steps of a period."""
    return [0, *accumulate(count(symbol, step) for step in range(symbol.period))]
