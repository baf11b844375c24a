from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from marketfeed.exchanges.message import message
from marketfeed.normalizer import Row
from marketfeed_shard.recovery.pages import Lost, NewestFirst, OldestFirst, Outcome, Pages, Unnumbered

_MESSAGE = message("trades", at="", id="id")


def trade(identifier: int | str, ts_ns: int | None = None) -> Row:
    event: dict[str, Any] = {"id": str(identifier), "ts": ts_ns}
    return Row(_MESSAGE, "trades", "A-USDT", event, None)


def trades(identifiers: Iterable[int | str]) -> list[Row]:
    return [trade(identifier) for identifier in identifiers]


def told(outcome: Outcome) -> list[str | tuple[int | None, int | None]]:
    """Ids of trades, and what is lost as (last, first)."""
    return [(part.last, part.first) if isinstance(part, Lost) else part.event["id"] for part in outcome]


def older(hole_last: int | None, truth: list[int], rows: int) -> list[Row]:
    """A page as an exchange gives it that goes back from an id."""
    assert hole_last is not None
    return trades(reversed([i for i in truth if i <= hole_last][-rows:]))


# ---- trades that are numbered -------------------------------------------------------------------------------------------


def test_a_page_that_reaches_both_ends_fills_the_hole_and_nothing_beside_it() -> None:
    pages = OldestFirst(10, 13, 0, consecutive=True)
    pages.add(trades(range(9, 17)))
    assert pages.complete
    assert told(pages.outcome()) == ["11", "12", "13"]


def test_what_an_exchange_does_not_have_is_lost_by_its_bounds() -> None:
    pages = OldestFirst(10, 20, 0, consecutive=True)
    pages.add(trades([12, 13, 16, 18, 21]))
    assert told(pages.outcome()) == [(10, 12), "12", "13", (13, 16), "16", (16, 18), "18", (18, 21)]


def test_ids_that_only_rise_may_skip_numbers() -> None:
    pages = OldestFirst(10, 20, 0, consecutive=False)
    pages.add(trades([12, 17, 25]))
    assert pages.complete
    assert told(pages.outcome()) == ["12", "17"]


def test_a_short_page_that_does_not_reach_the_end_tells_of_an_exchange_that_lags() -> None:
    pages = OldestFirst(10, 20, 5, consecutive=True)
    pages.add([trade(11, 7), trade(12, 8)])
    assert not pages.complete
    assert pages.lags(full=False)
    assert not pages.lags(full=True)
    assert (pages.left().first, pages.left().last, pages.left().since_ns) == (13, 20, 8)
    assert told(pages.outcome()) == ["11", "12", (12, 21)]


def test_pages_that_go_by_time_come_on_although_nothing_of_them_was_missing() -> None:
    pages = OldestFirst(10, 20, 5, consecutive=True)
    pages.add([trade(8, 6), trade(9, 7)])
    assert (pages.left().first, pages.left().since_ns) == (11, 7)


def test_pages_that_go_back_end_where_the_last_trade_was_published() -> None:
    truth = list(range(100))
    pages = NewestFirst(50, 60, 0, consecutive=True)
    while not pages.complete:
        pages.add(older(pages.left().last, truth, 4))
    assert told(pages.outcome()) == [str(i) for i in range(51, 61)]


def test_a_page_of_a_server_that_is_behind_is_asked_for_again() -> None:
    pages = NewestFirst(10, 20, 0, consecutive=True)
    pages.add(older(20, list(range(21)), 4))
    pages.add(older(16, list(range(14)), 4))  # it does not have 14 to 16 yet
    assert not pages.complete
    assert pages.lags(full=True)
    assert pages.left().last == 16
    assert told(pages.outcome()) == ["11", "12", "13", (13, 17), "17", "18", "19", "20"]
    pages.add(older(16, list(range(21)), 4))
    assert not pages.lags(full=True)
    assert told(pages.outcome())[:2] == ["11", "12"]
    assert len(pages.outcome()) == 10


def test_an_empty_page_proves_nothing() -> None:
    for kind in (NewestFirst, OldestFirst):
        pages = kind(10, 12, 0, consecutive=True)
        pages.add([])
        assert not pages.complete
        assert pages.lags(full=False)
        assert told(pages.outcome()) == [(10, 13)]


def test_an_empty_page_after_a_full_one_leaves_the_beginning_lost() -> None:
    pages = NewestFirst(10, 20, 0, consecutive=True)
    pages.add(trades([20, 19]))
    pages.add([])
    assert not pages.complete
    assert told(pages.outcome()) == [(10, 19), "19", "20"]


def test_between_pages_whose_ids_only_rise_and_do_not_touch_something_may_be_missing() -> None:
    pages = NewestFirst(30, 60, 0, consecutive=False)
    pages.add(trades([60, 57, 54]))
    pages.add(trades([53, 51, 48]))
    pages.add(trades([42, 30]))
    assert pages.complete
    assert told(pages.outcome()) == ["42", (42, 48), "48", "51", "53", "54", "57", "60"]


def test_a_first_page_that_lags_is_asked_for_again_and_replaced() -> None:
    pages = NewestFirst(10, 20, 0, consecutive=False)
    pages.add(trades([18, 17]))
    assert pages.lags(full=True)
    assert pages.left().last == 20
    assert told(pages.outcome()) == [(10, 17), "17", "18", (18, 21)]
    pages.add(trades([20, 19]))
    assert not pages.lags(full=True)
    assert pages.left().last == 18
    assert told(pages.outcome()) == [(10, 19), "19", "20"]


def test_latest_trades_that_begin_too_late_leave_the_beginning_lost() -> None:
    pages = NewestFirst(10, 20, 0, consecutive=False)
    pages.add(trades([25, 22, 18]))
    assert not pages.complete
    assert told(pages.outcome()) == [(10, 18), "18"]


def test_latest_trades_that_are_all_newer_tell_nothing_of_the_hole() -> None:
    pages = NewestFirst(10, 20, 0, consecutive=False)
    pages.add(trades([25, 24]))
    assert told(pages.outcome()) == [(10, 21)]
    assert pages.left().last == 20


def test_nothing_was_missing_where_the_answer_goes_from_before_to_after() -> None:
    pages = NewestFirst(10, 20, 0, consecutive=False)
    pages.add(trades([21, 10]))
    assert pages.complete
    assert pages.outcome() == []


def test_a_hole_that_a_joined_trade_covers_is_none() -> None:
    pages = NewestFirst(10, 10, 0, consecutive=False)
    assert pages.complete
    assert pages.outcome() == []


@given(st.data())
def test_every_missing_trade_is_filled_once_in_order_or_counts_as_lost(data: st.DataObject) -> None:
    steps = st.integers(1, 1) if data.draw(st.booleans(), "consecutive") else st.integers(1, 4)
    truth, position = [], 0
    for step in data.draw(st.lists(steps, min_size=2, max_size=60), "steps"):
        position += step
        truth.append(position)
    last = data.draw(st.sampled_from(truth[:-1]), "last")
    first = data.draw(st.sampled_from([i for i in truth if i > last]), "first")
    newest_first = data.draw(st.booleans(), "newest first")
    consecutive = all(b == a + 1 for a, b in pairwise(truth))
    kind = NewestFirst if newest_first else OldestFirst
    pages: Pages = kind(last, first - 1, 0, consecutive=consecutive)
    rows = data.draw(st.integers(1, 10), "rows")
    behind = st.lists(st.integers(0, len(truth)), max_size=12)
    for known in data.draw(behind, "how far the exchange's servers are, page by page"):
        there = truth[:known]
        hole = pages.left()
        assert hole.first is not None
        if newest_first:
            pages.add(older(hole.last, there, rows))
        else:
            pages.add(trades([i for i in there if i >= hole.first][:rows]))
        if pages.complete:
            break
    outcome = pages.outcome()
    found = [int(part.event["id"]) for part in outcome if isinstance(part, Row)]
    lost = {i for part in outcome if isinstance(part, Lost) for i in truth if (part.last or 0) < i < (part.first or 0)}
    assert found == sorted(set(found))
    assert set(found).isdisjoint(lost)
    assert set(found) | lost == {i for i in truth if last < i < first}
    if pages.complete and (consecutive or not newest_first):
        assert not lost


# ---- trades whose ids only tell them apart ------------------------------------------------------------------------------


def unnumbered(*published: str, since_ns: int = 0) -> Unnumbered:
    return Unnumbered(since_ns, set(published).__contains__, {"live"}, newest_first=True)


def test_trades_between_one_that_went_out_and_one_that_waits_fill_the_hole() -> None:
    pages = unnumbered("a", "b")
    pages.add(trades(["later", "live", "d", "c", "b", "a"]))
    assert pages.complete
    assert told(pages.outcome()) == ["c", "d"]


def test_trades_that_do_not_reach_back_are_those_after_the_last_receipt_and_something_is_lost_before_them() -> None:
    pages = unnumbered(since_ns=5)
    pages.add([trade("live", 8), trade("d", 7), trade("c", 6), trade("b", 5)])
    assert not pages.complete
    assert told(pages.outcome()) == [(None, None), "c", "d"]


def test_trades_that_do_not_reach_the_live_ones_are_asked_for_again() -> None:
    pages = unnumbered("a")
    pages.add(trades(["b", "a"]))
    assert pages.lags(full=True)
    assert told(pages.outcome()) == ["b", (None, None)]
    pages.add(trades(["live", "c", "b", "a"]))
    assert told(pages.outcome()) == ["b", "c"]


def test_no_answer_is_one_loss() -> None:
    assert told(unnumbered().outcome()) == [(None, None)]
