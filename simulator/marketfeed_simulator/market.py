"""The market: all symbols of a simulated exchange, how far it has come, and when."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace

from marketfeed_simulator.listing import Listing
from marketfeed_simulator.symbol import BLOCK, Symbol
from marketfeed_simulator.times import Times


class Market:
    """All symbols. In a round each makes one step, in the order of the list; the cursor says how far this round is.

    A step of a symbol has the number of its round, whether anybody listens or not.
    """

    def __init__(self, listings: list[Listing], seed: int = 1, period: int = 1000, base: int = 0) -> None:
        """`base`: ids begin so many later; it and `period` are multiples of `BLOCK`."""
        if period % BLOCK or base % BLOCK:
            raise ValueError(f"period {period} and base {base} have to be multiples of {BLOCK}")
        self.all = listings
        """Also those that are no longer listed: a symbol keeps its place."""
        self.index = {listing.native: at for at, listing in enumerate(listings)}
        """Places of those that are traded."""
        self.times = Times()
        self.rounds = 0
        """Rounds that are over."""
        self.cursor = 0
        """Symbols before this one have made their step of the current round."""
        self.period = period
        """Steps after which prices, sizes and sides repeat."""
        self._seed, self._base = seed, base
        self._symbols: dict[int, Symbol] = {}
        self._gone: set[int] = set()

    # ---- the list ----------------------------------------------------------------------------------------------------

    @property
    def listings(self) -> list[Listing]:
        """Those that the exchange lists."""
        return [listing for at, listing in enumerate(self.all) if at not in self._gone]

    def place(self, name: str) -> int:
        """Where a symbol stands, listed or not: by the exchange's name or the normalised one. Raises `LookupError`."""
        for at, listing in enumerate(self.all):
            if name in {listing.native, listing.symbol}:
                return at
        raise LookupError(f"there is no symbol {name!r}")

    def add(self, listing: Listing) -> int:
        """A new symbol, or one that is back; its place."""
        try:
            at = self.place(listing.native)
        except LookupError:
            at = len(self.all)
            self.all.append(listing)
        self._gone.discard(at)
        self.index[listing.native] = at
        return at

    def remove(self, at: int) -> None:
        """It is neither listed nor traded any more."""
        self._gone.add(at)
        self.index.pop(self.all[at].native, None)

    def set_status(self, at: int, status: str) -> None:
        """The exchange's own word for it; anything but an empty one: it is listed and not traded."""
        self.all[at] = listing = replace(self.all[at], status=status)
        if status:
            self.index.pop(listing.native, None)
        else:
            self.add(listing)

    # ---- its course --------------------------------------------------------------------------------------------------

    def symbol(self, at: int) -> Symbol:
        """A symbol by its place; made when it is first asked for."""
        found = self._symbols.get(at)
        if found is None:
            found = self._symbols[at] = Symbol(self.all[at], self._seed, self.period, self._base)
        return found

    def last_step(self, at: int) -> int:
        """The last step that a symbol has made."""
        return self.rounds - 1 + (at < self.cursor)

    def advance(self, wanted: list[int], now_ms: int) -> int:
        """Go on to the next of these symbols (sorted, at least one) and let it make its step; its place."""
        at = bisect_left(wanted, self.cursor)
        if at == len(wanted):
            self.rounds += 1
            at = 0
        self.cursor = wanted[at] + 1
        self.times.mark(self.rounds, self.cursor, now_ms)
        return wanted[at]

    def finish_round(self) -> None:
        """Let those that have not made their step of this round make it."""
        if self.cursor:
            self.rounds += 1
            self.cursor = 0

    def skip(self, rounds: int, now_ms: int) -> None:
        """So many rounds at this moment."""
        if rounds:
            self.rounds += rounds
            self.times.mark(self.rounds, self.cursor, now_ms)
