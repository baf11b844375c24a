"""A symbol whose market never existed: its trades, best prices, book, candles and ticker, from a seed.

Nothing here keeps a history. All of a symbol is a function of its *step*: a step is one trade and the changes to the book
that go with it, and the state of a market is how many steps were made. So ids rise by exactly one a step, the book that
REST shows fits the changes on the stream, and who subscribes late sees the middle of it, as on an exchange.
"""

from __future__ import annotations

from itertools import accumulate
from random import Random
from typing import NamedTuple

from marketfeed_simulator.listing import Listing, decimal
from marketfeed_simulator.walk import SIZES, sizes, walk

BLOCK = 10
"""Ids of this many consecutive steps, from a multiple of it on, differ in their last digit (update ids: last two) only."""
UPDATES = 10
"""Update ids that a step takes."""
DEPTH = 100
"""Levels of the book beyond those that the best price reaches."""
REFRESH = 128
"""Each level of the book changes once in so many steps, and when it is the best."""
_BASE_DECIMALS = 8


class Ids(NamedTuple):
    """The numbers of one step, as text."""

    trade: str
    update: str
    aggregate: str


class Trade(NamedTuple):
    price: str
    size: str
    buyer_is_maker: bool


class Best(NamedTuple):
    bid_price: str
    bid_size: str
    ask_price: str
    ask_size: str


class Levels(NamedTuple):
    """A book, or changes to one: `(price, size)`, best first; a size of zero removes."""

    update_id: int
    """Of the last change in it."""
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]


class Candle(NamedTuple):
    """What some consecutive steps come to."""

    first_trade_id: int
    last_trade_id: int
    open: str
    high: str
    low: str
    close: str
    volume: str
    """In lots of the listing: of the base currency, or contracts."""
    quote_volume: str
    """In the quote currency (contracts of the base are not multiplied out), of an inverse contract in the base."""
    taker_volume: str
    taker_quote_volume: str


class Symbol:
    """One symbol. Steps may be any integer; prices, sizes and sides repeat after `period` steps, ids never."""

    def __init__(self, listing: Listing, seed: int, period: int, base: int) -> None:
        rng = Random(f"{seed}:{listing.native}")  # noqa: S311 - a market, no secret
        self.listing = listing
        self.native = listing.native
        self.period = period
        self.empty = decimal(0, 0, listing.size_places)
        """The size of a level that is not there."""
        self._base = base
        self._first_trade = rng.randrange(10**8, 10**9) * BLOCK
        self._first_aggregate = rng.randrange(10**7, 10**8) * BLOCK
        self._first_update = rng.randrange(10**8, 10**9) * BLOCK * UPDATES
        self._bids = walk(rng, period)
        self._makers = [rng.random() < 0.5 for _ in range(period)]
        self._salt = rng.randrange(SIZES)
        self._lots, self._sizes = sizes(seed, listing.lot_decimals, listing.size_places)
        self._lowest, self._highest = min(self._bids) - DEPTH, max(self._bids) + 1 + DEPTH
        ticks = max(listing.price_ticks, 1 - self._lowest)
        self._prices = [
            decimal(ticks + level, listing.tick_decimals, listing.price_places)
            for level in range(self._lowest, self._highest + 1)
        ]
        self._first_tick = ticks + self._lowest
        volumes = [self._lots[self._size_at(step)] for step in range(period)]
        values = [self._value(volume, self._first_tick + self._traded(step)) for step, volume in enumerate(volumes)]
        takers = [not maker for maker in self._makers]
        self._sums = [
            [0, *accumulate(column)]
            for column in (
                volumes,
                values,
                [v * taker for v, taker in zip(volumes, takers, strict=True)],
                [v * taker for v, taker in zip(values, takers, strict=True)],
            )
        ]

    # ---- one step ----------------------------------------------------------------------------------------------------

    def trade_id(self, step: int) -> int:
        return self._first_trade + self._base + step

    def aggregate_id(self, step: int) -> int:
        return self._first_aggregate + self._base + step

    def update_id(self, step: int) -> int:
        """The book's update id after a step."""
        return self._first_update + UPDATES * (self._base + step)

    def ids(self, step: int) -> Ids:
        return Ids(str(self.trade_id(step)), str(self.update_id(step)), str(self.aggregate_id(step)))

    def trade(self, step: int) -> Trade:
        """The trade of a step: at the best bid where the buyer was the maker, else at the best ask."""
        return Trade(self._prices[self._traded(step)], self._sizes[self._size_at(step)], self._makers[step % self.period])

    def best(self, step: int) -> Best:
        """Best bid and ask after a step."""
        bid = self._bids[step % self.period]
        at = bid - self._lowest
        lots = self._top(bid, step), self._top(bid + 1, step)
        return Best(self._prices[at], self._sizes[lots[0]], self._prices[at + 1], self._sizes[lots[1]])

    def _traded(self, step: int) -> int:
        """Where in the price table the trade of a step was."""
        at = step % self.period
        return self._bids[at] - self._lowest + (not self._makers[at])

    def _value(self, lots: int, ticks: int) -> int:
        """What was paid: in units of the quote's last decimal, for an inverse contract of the base's eighth."""
        if not self.listing.inverse:
            return lots * ticks
        return lots * int(self.listing.contract) * int(10 ** (_BASE_DECIMALS + self.listing.tick_decimals)) // ticks

    def _size_at(self, step: int) -> int:
        return (step % self.period * 7 + self._salt) % SIZES

    def _top(self, level: int, step: int) -> int:
        return (step % self.period * 17 + level * 31 + self._salt) % SIZES

    # ---- the book ----------------------------------------------------------------------------------------------------

    def sides(self, step: int) -> tuple[dict[int, tuple[str, str]], dict[int, tuple[str, str]]]:
        """Bids and asks after a step, best first: `(price, size)` by the level's place on the ladder of prices."""
        bid = self._bids[step % self.period]
        return tuple(  # type: ignore[return-value]
            {level: entry for level in levels if (entry := self._entry(level, step))[1] != self.empty}
            for levels in (range(bid, self._lowest - 1, -1), range(bid + 1, self._highest + 1))
        )

    def book(self, step: int, limit: int) -> Levels:
        """The book after a step, at most so many levels a side."""
        bids, asks = (list(side.values())[:limit] for side in self.sides(step))
        return Levels(self.update_id(step), bids, asks)

    def differences(
        self, before: int, after: int
    ) -> tuple[list[tuple[int, tuple[str, str]]], list[tuple[int, tuple[str, str]]]]:
        """Bids and asks that differ after a later step, by place from low to high, with what they are then."""
        was, now = self._bids[before % self.period], self._bids[after % self.period]
        bids: list[tuple[int, tuple[str, str]]] = []
        asks: list[tuple[int, tuple[str, str]]] = []
        for level in sorted(self._touched(before, after)):
            old, new = self._entry(level, before), self._entry(level, after)
            for side, entries in ((True, bids), (False, asks)):
                earlier = old[1] if (level <= was) is side else self.empty
                later = new[1] if (level <= now) is side else self.empty
                if earlier != later:
                    entries.append((level, (new[0], later)))
        return bids, asks

    def changes(self, before: int, after: int) -> Levels:
        """What changed after one step up to a later one, as it is then.

        A level that changed and is as it was before is among it: who joins with a book from in between has another one.
        """
        bids, asks = map(dict, self.differences(before, after))
        if after - before < REFRESH:  # else nearly all of it changed
            now = self._bids[after % self.period]
            for step in range(before, after):
                for is_bid, side, changed in zip((True, False), (bids, asks), self.differences(step, step + 1), strict=True):
                    for level, _ in changed:
                        price, size = self._entry(level, after)
                        side[level] = price, size if (level <= now) is is_bid else self.empty
        told = [bids[level] for level in sorted(bids, reverse=True)], [asks[level] for level in sorted(asks)]
        return Levels(self.update_id(after), *told)

    def _touched(self, before: int, after: int) -> set[int]:
        """Levels that may differ."""
        if after - before >= REFRESH:
            return set(range(self._lowest, self._highest + 1))
        best = [self._bids[step % self.period] for step in range(before, after + 1)]
        levels = set(range(min(best), max(best) + 2))
        for step in range(before + 1, after + 1):
            levels.update(range(self._lowest + (step - self._lowest) % REFRESH, self._highest + 1, REFRESH))
        return levels

    def _entry(self, level: int, step: int) -> tuple[str, str]:
        """Price and size of a level after a step; some levels are empty."""
        price = self._prices[level - self._lowest]
        bid = self._bids[step % self.period]
        if level in {bid, bid + 1}:
            return price, self._sizes[self._top(level, step)]
        refreshed = step - (step - level) % REFRESH
        number = (refreshed * 31 + level * 7919 + self._salt) % SIZES
        return price, self.empty if number % 7 == 0 else self._sizes[number]

    # ---- many steps --------------------------------------------------------------------------------------------------

    def candle(self, first: int, last: int) -> Candle:
        """Steps first to last, both included; at least one."""
        traded = [self._traded(step) for step in range(first, last + 1)[: self.period]]
        volume, value, taker_volume, taker_value = (self._sum(column, first, last) for column in range(4))
        lot, places = self.listing.lot_decimals, self.listing.size_places
        quote = _BASE_DECIMALS if self.listing.inverse else lot + self.listing.tick_decimals
        return Candle(
            self.trade_id(first),
            self.trade_id(last),
            self._prices[traded[0]],
            self._prices[max(traded)],
            self._prices[min(traded)],
            self._prices[self._traded(last)],
            decimal(volume, lot, places),
            decimal(value, quote, places),
            decimal(taker_volume, lot, places),
            decimal(taker_value, quote, places),
        )

    def _sum(self, column: int, first: int, last: int) -> int:
        sums = self._sums[column]
        (rounds, to), (before, since) = divmod(last + 1, self.period), divmod(first, self.period)
        return (rounds - before) * sums[-1] + sums[to] - sums[since]
