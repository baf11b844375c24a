"""One order book: what its messages say, level by level, and nothing that they do not say.

Prices and sizes keep the exchange's text; prices are ordered by their exact value. `_book.pyx` is the compiled twin.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Protocol, TypeAlias, cast

from marketfeed_shard import compiled
from marketfeed_shard.books.checksums import Checksum

Levels: TypeAlias = Sequence[Sequence[str]]
"""[price, size] by level."""

MOST_LEVELS = 1 << 16
"""A side that is deeper is no book: it grew by mistake."""


class Book(Protocol):
    """One order book."""

    joining: bool
    """It was set from a snapshot that came another way than the changes: the next one may begin before it."""

    def fits(self, snapshot: bool, bids: Levels, asks: Levels) -> bool:
        """Whether it can hold these levels beside its own, or in their place: a plain one can hold all."""
        ...

    def apply(self, snapshot: bool, bids: Levels, asks: Levels) -> bool:
        """Change it, or begin anew. The sizes replace; zero removes; of one price the last counts. False: it grew too deep."""
        ...

    def agrees(self, told: str | None) -> bool:
        """Whether the exchange's checksum is that of this book; true where the market has none."""
        ...

    def clear(self) -> None:
        """Forget all levels."""
        ...

    @property
    def is_crossed(self) -> bool:
        """Whether somebody bids as much as somebody asks: then it is wrong."""
        ...

    def levels(self) -> tuple[list[list[str]], list[list[str]]]:
        """(bids, asks), each from the best on."""
        ...


class _Side:
    """Bids or asks, in order of what they are worth: the best last, so that changes near it move little."""

    def __init__(self, sign: int) -> None:
        self._sign = sign
        self._worth: list[Decimal] = []
        self._texts: dict[Decimal, list[str]] = {}

    def __len__(self) -> int:
        return len(self._worth)

    def change(self, levels: Levels) -> None:
        for price, size in levels:
            value = Decimal(price)
            worth = value if self._sign > 0 else value.copy_negate()
            is_known = worth in self._texts
            if size.strip("-0.") == "":
                if is_known:
                    del self._texts[worth]
                    del self._worth[bisect_left(self._worth, worth)]
                continue
            self._texts[worth] = [price, size]
            if not is_known:
                self._worth.insert(bisect_left(self._worth, worth), worth)

    def cut(self, depth: int) -> None:
        surplus = self._worth[: max(0, len(self._worth) - depth)]
        for worth in surplus:
            del self._texts[worth]
        del self._worth[: len(surplus)]

    def clear(self) -> None:
        self._worth.clear()
        self._texts.clear()

    def best(self) -> Decimal | None:
        if not self._worth:
            return None
        return self._worth[-1] if self._sign > 0 else self._worth[-1].copy_negate()

    def levels(self, most: int | None = None) -> list[list[str]]:
        first = 0 if most is None else max(0, len(self._worth) - most)
        return [list(self._texts[worth]) for worth in reversed(self._worth[first:])]


class PlainBook:
    """The plain twin: it holds whatever a decimal can say."""

    def __init__(self, checksum: Checksum | None = None, depth: int | None = None) -> None:
        """`depth`: levels a side that are kept, where the exchange does not tell which fall out of it."""
        self.joining = False
        self._checksum = checksum
        self._depth = depth
        self._bids, self._asks = _Side(1), _Side(-1)

    def fits(self, snapshot: bool, bids: Levels, asks: Levels) -> bool:
        """Always."""
        return True

    def apply(self, snapshot: bool, bids: Levels, asks: Levels) -> bool:
        if snapshot:
            self.clear()
        for side, levels in ((self._bids, bids), (self._asks, asks)):
            side.change(levels)
            if self._depth is not None:
                side.cut(self._depth)
        return max(len(self._bids), len(self._asks)) <= MOST_LEVELS

    def agrees(self, told: str | None) -> bool:
        if self._checksum is None:
            return True
        return self._checksum.agrees(told, *(side.levels(self._checksum.levels) for side in (self._bids, self._asks)))

    def clear(self) -> None:
        self.joining = False
        self._bids.clear()
        self._asks.clear()

    @property
    def is_crossed(self) -> bool:
        bid, ask = self._bids.best(), self._asks.best()
        return bid is not None and ask is not None and bid >= ask

    def levels(self) -> tuple[list[list[str]], list[list[str]]]:
        return self._bids.levels(), self._asks.levels()


def book_kind() -> Callable[[Checksum | None, int | None], Book]:
    """What makes an empty one, as `PlainBook` does: the compiled twin where it is built and wanted."""
    module = compiled.module("books._book")
    return PlainBook if module is None else cast("type[PlainBook]", module.Book)
