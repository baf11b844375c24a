from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from marketfeed_simulator.ladder import Ladder
from marketfeed_simulator.listing import listings
from marketfeed_simulator.market import Market
from marketfeed_simulator.symbol import Levels

SYMBOL = Market(listings(1)).symbol(0)
Told = tuple[dict[str, str], dict[str, str]]


def told(levels: Levels) -> Told:
    return dict(levels.bids), dict(levels.asks)


def apply(sides: Told, changes: Levels) -> None:
    for side, entries in zip(sides, changes[1:], strict=True):
        for price, size in entries:
            if Decimal(size):
                side[price] = size
            else:
                side.pop(price, None)


def cut(sides: Told, depth: int) -> Told:
    bids = sorted(sides[0], key=Decimal, reverse=True)[:depth]
    asks = sorted(sides[1], key=Decimal)[:depth]
    return {price: sides[0][price] for price in bids}, {price: sides[1][price] for price in asks}


@given(
    st.integers(0, 5_000),
    st.lists(st.integers(0, 40), min_size=1, max_size=30),
    st.sampled_from([1, 5, 25, 100, 1000]),
    st.booleans(),
)
def test_who_is_told_changes_knows_the_window(step: int, further: list[int], depth: int, tells_leaving: bool) -> None:
    ladder = Ladder(SYMBOL, depth, step, tells_leaving=tells_leaving)
    known = told(ladder.snapshot())
    assert known == told(SYMBOL.book(step, depth))
    for more in further:
        step += more
        changes = ladder.advance(step)
        apply(known, changes)
        if not tells_leaving:
            known = cut(known, depth)
        assert known == told(SYMBOL.book(step, depth))
        assert changes.update_id == SYMBOL.update_id(step)
        assert not more or changes.bids or changes.asks or depth < 1000


@given(st.integers(0, 5_000), st.integers(1, 60))
def test_only_who_keeps_the_book_himself_is_not_told_what_leaves(step: int, further: int) -> None:
    told_all = Ladder(SYMBOL, 5, step, tells_leaving=True).advance(step + further)
    told_less = Ladder(SYMBOL, 5, step, tells_leaving=False).advance(step + further)
    for everything, less in zip(told_all[1:], told_less[1:], strict=True):
        assert set(less) <= set(everything)
        assert all(not Decimal(size) for _, size in set(everything) - set(less))


def test_nothing_outside_the_window_is_told() -> None:
    ladder = Ladder(SYMBOL, 2, 0, tells_leaving=True)
    for step in range(1, 300):
        before = ladder.snapshot()
        changes, after = ladder.advance(step), ladder.snapshot()
        for told_now, was, now in zip(changes[1:], before[1:], after[1:], strict=True):
            assert {price for price, _ in told_now} <= dict(was).keys() | dict(now).keys()
