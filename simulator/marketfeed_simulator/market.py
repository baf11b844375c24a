"""The market: all symbols of a simulated exchange, and how far it has come."""

from __future__ import annotations

from bisect import bisect_left

from marketfeed_simulator.listing import Listing
from marketfeed_simulator.symbol import BLOCK, Symbol


class Market:
    """All symbols. In a round each makes one step, in the order of the list; the cursor says how far this round is."""

    def __init__(self, listings: list[Listing], seed: int = 1, period: int = 1000, base: int = 0) -> None:
        """`base`: ids begin so many later; it and `period` are multiples of `BLOCK`."""
        if period % BLOCK or base % BLOCK:
            raise ValueError(f"period {period} and base {base} have to be multiples of {BLOCK}")
        self.listings = listings
        self.index = {listing.native: at for at, listing in enumerate(listings)}
        self.rounds = 0
        """Rounds that are over."""
        self.cursor = 0
        """Symbols before this one have made their step of the current round."""
        self.period = period
        """Steps after which prices, sizes and sides repeat."""
        self._seed, self._base = seed, base
        self._symbols: dict[int, Symbol] = {}

    def symbol(self, at: int) -> Symbol:
        """A symbol by its place; made when it is first asked for."""
        found = self._symbols.get(at)
        if found is None:
            found = self._symbols[at] = Symbol(self.listings[at], self._seed, self.period, self._base)
        return found

    def last_step(self, at: int) -> int:
        """The last step that a symbol has made."""
        return self.rounds - 1 + (at < self.cursor)

    def advance(self, wanted: list[int]) -> int:
        """Go on to the next of these symbols (sorted, at least one) and let it make its step; its place."""
        at = bisect_left(wanted, self.cursor)
        if at == len(wanted):
            self.rounds += 1
            at = 0
        self.cursor = wanted[at] + 1
        return wanted[at]

    def finish_round(self) -> None:
        """Let those that have not made their step of this round make it."""
        if self.cursor:
            self.rounds += 1
            self.cursor = 0
