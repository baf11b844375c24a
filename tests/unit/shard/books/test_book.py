from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketfeed_shard import compiled
from marketfeed_shard.books.book import MOST_LEVELS, Book, PlainBook
from marketfeed_shard.books.checksums import Checksum

TWIN = compiled.module("books._book")
KINDS: list[Any] = [PlainBook] if TWIN is None else [PlainBook, TWIN.Book]
needs_twin = pytest.mark.skipif(TWIN is None, reason="the compiled twin is not built")


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def book(kind: Any) -> Book:
    made: Book = kind()
    made.apply(True, [["10.0", "1"], ["9.5", "2"]], [["11", "3"], ["12.25", "4"]])
    return made


def test_levels_keep_their_texts_and_lie_from_the_best_on(book: Book) -> None:
    assert book.apply(False, [["9.75", "0.50"], ["10", "7.000"]], [["10.50", "0.0100"]])
    assert book.levels() == (
        [["10", "7.000"], ["9.75", "0.50"], ["9.5", "2"]],
        [["10.50", "0.0100"], ["11", "3"], ["12.25", "4"]],
    )


def test_zero_removes_and_what_is_not_there_is_not_missed(book: Book) -> None:
    book.apply(False, [["9.50", "0.000"], ["8", "0"]], [["11", "0"], ["1", "0.0"]])
    assert book.levels() == ([["10.0", "1"]], [["12.25", "4"]])


def test_of_one_price_the_last_counts(book: Book) -> None:
    book.apply(False, [["9", "1"], ["9.0", "0"], ["9.00", "5"]], [["13", "1"], ["13", "0"]])
    assert book.levels() == ([["10.0", "1"], ["9.5", "2"], ["9.00", "5"]], [["11", "3"], ["12.25", "4"]])


def test_a_snapshot_replaces_all_in_whatever_order_it_comes(book: Book) -> None:
    book.joining = True
    book.apply(True, [["1", "1"], ["3", "1"], ["2", "0"], ["3", "2"]], [["5", "1"], ["4", "1"]])
    assert book.levels() == ([["3", "2"], ["1", "1"]], [["4", "1"], ["5", "1"]])
    assert not book.joining
    book.clear()
    assert book.levels() == ([], [])


def test_a_book_is_crossed_where_somebody_bids_what_somebody_asks(book: Book) -> None:
    assert not book.is_crossed
    book.apply(False, [["10.999", "1"]], [])
    assert not book.is_crossed
    book.apply(False, [["11.0", "1"]], [])
    assert book.is_crossed
    book.apply(False, [["11", "0"]], [])
    assert not book.is_crossed
    book.apply(True, [["1", "1"]], [])
    assert not book.is_crossed


def test_what_falls_out_of_the_depth_is_cut_after_the_whole_change(kind: Any) -> None:
    book: Book = kind(None, 2)
    book.apply(True, [["3", "1"], ["2", "1"], ["1", "1"]], [["4", "1"], ["5", "1"], ["6", "1"]])
    book.apply(False, [["3.5", "1"], ["3.5", "0"], ["2", "0"], ["0.5", "1"]], [["4.5", "1"]])
    assert book.levels() == ([["3", "1"], ["0.5", "1"]], [["4", "1"], ["4.5", "1"]])


def test_a_side_that_grows_without_end_is_told(kind: Any) -> None:
    book: Book = kind()
    levels = [[str(price), "1"] for price in range(MOST_LEVELS + 1, 0, -1)]
    assert book.apply(True, levels[1:], [])
    assert not book.apply(False, levels[:1], [])


@needs_twin
def test_the_compiled_book_leaves_what_does_not_fit_64_bits() -> None:
    assert TWIN is not None
    book: Book = TWIN.Book()
    assert book.fits(True, [["123456789.123456789", "1"]], [["1", "123456789012345678"]])
    assert not book.fits(True, [["1", "1234567890123456789"]], [])
    assert not book.fits(True, [["-1", "1"]], [])
    assert not book.fits(True, [["1000000000000", "1"]], [["0.0000001", "1"]])
    book.apply(True, [["1000000000000", "1"]], [])
    assert not book.fits(False, [], [["0.0000001", "1"]])
    assert book.fits(True, [], [["0.0000001", "1"]])
    assert PlainBook().fits(True, [["1" * 40, "1"]], [])


_price = st.decimals(min_value=0, max_value=30, places=2).map(str) | st.decimals(0, 3, places=6).map(str) | st.just("7")
_size = st.sampled_from(["0", "0.00", "1", "2.50", "0.00000001", "123456"])
_levels = st.lists(st.tuples(_price, _size).map(list), max_size=12)
_change = st.tuples(st.booleans(), _levels, _levels)


@needs_twin
@given(st.lists(_change, max_size=12), st.sampled_from([None, 1, 3]), st.sampled_from([None, *Checksum]))
def test_the_twins_agree(changes: list[tuple[bool, Any, Any]], depth: int | None, checksum: Checksum | None) -> None:
    assert TWIN is not None
    one, other = PlainBook(checksum, depth), TWIN.Book(checksum, depth)
    for snapshot, bids, asks in changes:
        assert other.fits(snapshot, bids, asks)
        assert one.apply(snapshot, bids, asks) == other.apply(snapshot, bids, asks)
        assert one.levels() == other.levels()
        assert one.is_crossed == other.is_crossed
        if checksum is not None:
            right = checksum.of(*one.levels())
            for told in (None, "0", str(right), str(right + 1), "007", "1.5", "x"):
                assert one.agrees(told) == other.agrees(told)


@given(st.lists(_change, max_size=12))
def test_a_book_is_what_a_dictionary_of_prices_would_be(changes: list[tuple[bool, Any, Any]]) -> None:
    book, sides = PlainBook(), ({}, {})  # type: ignore[var-annotated]
    for snapshot, *levels in changes:
        book.apply(snapshot, *levels)
        for side, changed in zip(sides, levels, strict=True):
            if snapshot:
                side.clear()
            for price, size in changed:
                side[Decimal(price)] = [price, size]
    wanted = [[level for _, level in sorted(side.items()) if Decimal(level[1])] for side in sides]
    assert book.levels() == (wanted[0][::-1], wanted[1])
