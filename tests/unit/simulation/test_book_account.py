"""The judge of the simulated days keeps a book as a consumer does."""

from __future__ import annotations

from typing import Any

import pytest

from marketfeed_simulator.symbol import Levels
from tests.simulation.book_account import EVERY, BookAccount
from tests.simulation.broken import BrokenError
from tests.simulation.figures import Figures

BIDS = [("9", "1"), ("8", "1")]


class Published:
    """A book whose truth never changes."""

    def __init__(self, depth: int | None = None, *, cuts: bool = False) -> None:
        self.figures = Figures()
        truth = Levels(0, BIDS, [("10", "1")])
        self.account = BookAccount("BTC-USDT", self.figures, lambda seq, levels: [truth], depth, cuts=cuts)
        self._n = 0

    def event(self, seq: int, prev: int | None, bids: list[tuple[str, str]]) -> None:
        self._n += 1
        snapshot = prev is None
        asks = [("10.0", "1")] if snapshot else []
        event: dict[str, Any] = {"type": "book", "ts": seq, "n": self._n, "seq": seq, "prev_seq": prev}
        self.account.take(event | {"snapshot": snapshot, "bids": bids, "asks": asks}, 0.0)

    def gap(self) -> None:
        self._n += 1
        self.account.take({"type": "gap", "reason": "sequence", "n": self._n}, 0.0)


def test_a_snapshot_is_held_against_the_truth_by_the_values_of_its_levels() -> None:
    book = Published()
    book.event(1, None, [("9.0", "1.0"), ("8", "1")])
    assert book.figures.books_compared == 1
    with pytest.raises(BrokenError, match="exchange's"):
        book.event(2, None, [("9.0", "2.0"), ("8", "1")])


def test_a_wrong_change_is_found_within_a_few() -> None:
    book = Published()
    book.event(1, None, BIDS)
    for seq in range(2, EVERY):
        book.event(seq, seq - 1, [("8", "0")])
    with pytest.raises(BrokenError, match="exchange's"):
        book.event(EVERY, EVERY - 1, [("8", "0")])


def test_a_change_has_to_follow_on_the_one_before() -> None:
    book = Published()
    book.event(1, None, BIDS)
    book.event(2, 1, [])
    with pytest.raises(BrokenError, match="follow"):
        book.event(4, 3, [])


def test_after_a_gap_there_is_no_book_until_the_next_snapshot() -> None:
    book = Published()
    book.event(1, None, BIDS)
    book.gap()
    with pytest.raises(BrokenError, match="follow"):
        book.event(2, 1, [])
    book = Published()
    book.event(1, None, BIDS)
    book.gap()
    book.event(5, None, BIDS)
    book.event(6, 5, [])


def test_the_first_change_after_a_snapshot_may_begin_before_it() -> None:
    book = Published()
    book.event(5, None, BIDS)
    book.event(7, 3, [])
    with pytest.raises(BrokenError, match="follow"):
        book.event(9, 6, [])


def test_what_falls_out_of_the_depth_is_cut_by_whoever_keeps_it() -> None:
    book = Published(depth=2, cuts=True)
    book.event(1, None, [*BIDS, ("7", "1")])
