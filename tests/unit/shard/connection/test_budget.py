from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketfeed_shard.connection.budget import TURN_S, Turns, Window, of_rate


@given(
    count=st.integers(1, 8),
    seconds=st.floats(0.1, 10.0),
    steps=st.lists(st.floats(0.0, 3.0), min_size=1, max_size=200),
)
def test_no_interval_of_the_window_holds_more_than_the_budget(count: int, seconds: float, steps: list[float]) -> None:
    window, now_s, taken = Window(count, seconds), 0.0, []
    for step in steps:
        now_s += step
        if window.take(now_s):
            taken.append(now_s)
    for first, beyond in zip(taken, taken[count:], strict=False):
        assert beyond - first > seconds


@given(steps=st.lists(st.floats(0.0, 3.0), max_size=50))
def test_when_it_says_free_one_can_be_taken(steps: list[float]) -> None:
    window, now_s = Window(2, 1.0), 0.0
    for step in steps:
        now_s += step
        window.take(now_s)
        now_s = window.free_at(now_s)
        assert window.take(now_s)


def test_a_rate_below_one_a_second_is_one_in_a_longer_interval() -> None:
    assert of_rate(0.5) == (1, 2.0)
    assert of_rate(5.0) == (5, 1.0)


def test_a_smaller_budget_counts_what_was_taken_before() -> None:
    window = Window(5, 1.0)
    for _ in range(3):
        assert window.take(0.0)
    window.resize(2, 1.0)
    assert not window.take(0.5)
    assert window.take(1.2)


def test_a_budget_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="allows nothing"):
        Window(0, 1.0)


@given(first_s=st.floats(-1000.0, 1000.0), period_s=st.floats(1.0, 600.0), now_s=st.floats(0.0, 5000.0))
def test_a_turn_is_now_or_the_next_and_never_in_between(first_s: float, period_s: float, now_s: float) -> None:
    turn_s = Turns(first_s, period_s).next(now_s)
    assert now_s - 1e-6 <= turn_s < now_s + period_s + 1e-6
    since_s = (turn_s - first_s) % period_s
    assert since_s <= TURN_S or since_s > period_s - 1e-6
