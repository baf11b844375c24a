"""Looks at books that are in sequence and yet cannot be right. Decisions only; the caller says what time it is."""

from __future__ import annotations

from collections.abc import Mapping

from marketfeed_shard.books.book import Book
from marketfeed_shard.streams.table import StreamTable

UNCHANGED_NS = 60_000_000_000
"""A book that did not change for so long, while its symbol's trades flow, is not the exchange's."""


class Watch:
    """The books that were suspicious at the last look: those that still are at the next one are wrong.

    Once is no proof: an exchange may cross its own book for a moment, and a trade may come before the change that it makes.
    """

    def __init__(self, table: StreamTable) -> None:
        self._table = table
        self._suspects: set[int] = set()

    def wrong(self, books: Mapping[int, Book], now_ns: int) -> list[int]:
        """Slots of the books that are wrong, of these, which are in sync; to be called every few seconds."""
        suspects = {slot for slot, book in books.items() if book.is_crossed or self._is_left_behind(slot, now_ns)}
        wrong = sorted(suspects & self._suspects)
        self._suspects = suspects.difference(wrong)
        return wrong

    def _is_left_behind(self, slot: int, now_ns: int) -> bool:
        table = self._table
        changed_ns = table.received_ns[slot]
        trades = table.slot("trades", table.streams[slot].symbol)
        return trades is not None and now_ns - changed_ns >= UNCHANGED_NS and table.received_ns[trades] > changed_ns
