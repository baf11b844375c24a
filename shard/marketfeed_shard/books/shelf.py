"""The books of a shard by slot: compiled ones, and in plain form those that hold what 64 bits do not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from marketfeed_shard.books.book import Book, Levels, PlainBook, book_kind
from marketfeed_shard.books.checksums import Checksum
from marketfeed_shard.books.sequence import Outcome


class Keeper(Protocol):
    """An engine, as far as it is told here."""

    def keep_book(self, slot: int, book: Book | None) -> None:
        """Give a stream its book, or None: its messages are for the plain normalizer."""
        ...


class Shelf:
    """A book for each slot that was added; the engine has the same ones."""

    def __init__(self, engine: Keeper, checksum: Checksum | None, depth: int | None) -> None:
        """`checksum`: the exchange's; `depth`: levels a side, where the exchange does not tell which fall out of it."""
        self._engine = engine
        self._checksum = checksum
        self._depth = depth
        self._new = book_kind()
        self._books: dict[int, Book] = {}

    def __contains__(self, slot: int) -> bool:
        return slot in self._books

    def __iter__(self) -> Iterator[int]:
        return iter(self._books)

    def __getitem__(self, slot: int) -> Book:
        return self._books[slot]

    def add(self, slot: int) -> None:
        """An empty one, whatever there was."""
        self._books[slot] = book = self._new(self._checksum, self._depth)
        self._engine.keep_book(slot, book)

    def change(self, slot: int, snapshot: bool, bids: Levels, asks: Levels, checksum: str | None) -> Outcome:
        """Change a book, or begin it anew: whether it is the exchange's afterwards, as far as its checksum tells."""
        book = self._books[slot]
        if not book.fits(snapshot, bids, asks):
            book = self._as_plain(slot)
        if not book.apply(snapshot, bids, asks):
            return Outcome.SEQUENCE
        return Outcome.PASSES if book.agrees(checksum) else Outcome.CHECKSUM

    def _as_plain(self, slot: int) -> Book:
        """The same book in its plain form; the compiled engine leaves it alone from now on."""
        before, plain = self._books[slot], PlainBook(self._checksum, self._depth)
        plain.apply(True, *before.levels())
        plain.joining = before.joining
        self._books[slot] = plain
        self._engine.keep_book(slot, None)
        return plain
