"""What a derivative has besides: mark and index price, funding, open interest, liquidations. Each follows from the step."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from marketfeed_simulator.symbol import Symbol

FUNDING_MS = 8 * 3_600_000
"""Between two settlements."""
_LIQUIDATED = 50
"""One of so many trades is a liquidation."""
_AWAY = 7
"""The index is so many ticks above the best bid, the mark price between."""


class State(NamedTuple):
    """After a step; decimal text."""

    mark_price: str
    index_price: str
    settle_price: str
    """What it would be settled at now."""
    funding_rate: str
    """Of the current period."""
    open_interest: str
    """In lots of the listing."""


class Liquidation(NamedTuple):
    """A position that was closed by force."""

    price: str
    """Of the order."""
    average_price: str
    """That it was filled at."""
    size: str
    sells: bool
    """The order sells: a long position was closed."""


def state(symbol: Symbol, step: int) -> State:
    """What there is to tell of a contract after a step."""
    bid = Decimal(symbol.best(step).bid_price)
    tick = Decimal(symbol.listing.tick_size)
    at = step % symbol.period
    index = bid + _AWAY * tick
    return State(
        mark_price=f"{bid + (1 + at % (_AWAY - 1)) * tick:f}",
        index_price=f"{index:f}",
        settle_price=f"{index + tick:f}",
        funding_rate=f"{Decimal(at % 41 - 20) / 100_000:.8f}",
        open_interest=f"{Decimal(10_000 + at) * Decimal(symbol.listing.lot_size):f}",
    )


def next_funding_ms(now_ms: int) -> int:
    """The coming settlement."""
    return now_ms - now_ms % FUNDING_MS + FUNDING_MS


def liquidation(symbol: Symbol, step: int) -> Liquidation | None:
    """The liquidation that a step's trade is, if it is one."""
    if (step + symbol.trade_id(0)) % _LIQUIDATED:
        return None
    trade, best = symbol.trade(step), symbol.best(step)
    beyond = best.bid_price if trade.buyer_is_maker else best.ask_price
    return Liquidation(beyond, trade.price, trade.size, trade.buyer_is_maker)
