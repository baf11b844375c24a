"""What the exchange told, whoever listened: every message in the order in which it was made, as the events that it means."""

from __future__ import annotations

from typing import Protocol

from marketfeed.exchanges.exchange import Market as Product
from marketfeed.normalizer import Data, Normalizer, Row
from marketfeed.symbols import Names
from marketfeed_simulator.market import Market
from marketfeed_simulator.symbol import UPDATES, Levels
from tests.simulation.broken import BrokenError
from tests.simulation.keys import number


class Reader(Protocol):
    """Whoever is told of it, before anybody else can have it."""

    def told(self, row: Row, now_s: float, *, withheld: bool) -> None:
        """An event for all who are subscribed. `withheld`: none of them gets it, by the exchange's own fault."""
        ...

    def repeated(self, row: Row) -> None:
        """An event that a new subscriber alone gets."""
        ...


class Chronicle:
    """Of one market."""

    def __init__(self, product: Product, market: Market) -> None:
        self.reader: Reader
        """Set by whoever puts the parts together."""
        self._market = market
        self._product = product
        names = Names({each.native: each.symbol for each in market.listings})
        depth = product.depth(None) if product.cuts_books else None
        self._normalizer = Normalizer(product, names, merge=True, followers=self._followers, depth=depth)
        self._steps: dict[tuple[str, int], set[int]] = {}
        """(symbol, number of a change of its book) → the steps after which it was told: several within one millisecond, where
        the number is the time."""
        self._last: dict[str, int] = {}
        """Of books, by symbol: the step that was told last."""

    def told(self, text: str, now_s: float, *, withheld: bool) -> list[tuple[str, str]]:
        """A message for everybody, just made: (channel, symbol) of what it tells of."""
        rows = self._rows(text)
        for row in rows:
            if row.channel == "book":
                self._last[row.symbol] = self._market.last_step(self._market.place(row.symbol))
                self._note(row)
            self.reader.told(row, now_s, withheld=withheld)
        return [(row.channel, row.symbol) for row in rows]

    def repeated(self, text: str) -> None:
        """A message for a new subscriber: what was told last."""
        for row in self._rows(text):
            if row.channel == "book":
                self._note(row)
            self.reader.repeated(row)

    def books(self, symbol: str, at: int, levels: int) -> list[Levels]:
        """What a book may have been at one of its numbers."""
        found = self._market.symbol(self._market.place(symbol))
        steps = self._steps.get((symbol, at))
        if steps is None:  # a number that was never told is one of REST, where steps have numbers
            step, rest = divmod(at - found.update_id(0), UPDATES)
            if rest:
                raise BrokenError(f"the book of {symbol} never had the number {at}")
            steps = {step}
        return [found.book(step, levels) for step in steps]

    # ---- inside ------------------------------------------------------------------------------------------------------

    def _note(self, row: Row) -> None:
        self._steps.setdefault((row.symbol, number(row.event)), set()).add(self._last.get(row.symbol, -1))

    def _rows(self, text: str) -> list[Row]:
        found = self._normalizer.decode(text.encode())
        if not isinstance(found, Data):
            raise BrokenError(f"the exchange says what is no data: {text}")
        return found.rows

    def _followers(self, index: str) -> list[str]:
        return [each.symbol for each in self._market.listings if self._product.index(each.native) == index]
