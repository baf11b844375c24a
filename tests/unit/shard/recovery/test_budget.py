from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketfeed_shard.recovery.budget import GUARD_S, Weights


class Every:
    """A turn at the beginning of each period."""

    def __init__(self, period_s: float) -> None:
        self._period_s = period_s

    def next(self, now_s: float) -> float:
        since_s = now_s % self._period_s
        return now_s if since_s <= 0.25 else now_s + self._period_s - since_s


@given(
    st.integers(1, 50),
    st.lists(st.tuples(st.floats(0.0, 3.0), st.integers(1, 20), st.integers(0, 30)), max_size=80),
)
def test_no_interval_ever_holds_more_than_the_budget(count: int, wishes: list[tuple[float, int, int]]) -> None:
    weights = Weights(count, 2.0)
    now_s, taken = 100.0, []
    for wait_s, weight, spare in wishes:
        now_s += wait_s
        if weights.take(weight, now_s, spare):
            taken.append((now_s, weight))
    for end_s, _ in taken:
        assert sum(w for t, w in taken if end_s - 2.0 < t <= end_s) <= count


@given(st.integers(1, 50), st.lists(st.tuples(st.integers(1, 20), st.integers(0, 30)), max_size=40))
def test_what_the_budget_holds_is_allowed_when_it_says_so(count: int, wishes: list[tuple[int, int]]) -> None:
    weights = Weights(count, 2.0)
    now_s = 100.0
    for weight, spare in wishes:
        free_s = weights.free_at(weight, now_s, spare)
        assert (free_s == float("inf")) == (weight > count)
        if weight <= count:
            now_s = free_s
            assert weights.take(weight, now_s, spare)


def test_patient_calls_leave_room_for_urgent_ones() -> None:
    weights = Weights(10, 60.0)
    assert weights.take(5, 0.0, spare=5)
    assert not weights.take(1, 0.0, spare=5)
    assert weights.take(5, 0.0)


def test_a_call_that_takes_most_of_the_budget_is_not_forbidden_by_what_should_be_left() -> None:
    assert Weights(10, 60.0).take(8, 0.0, spare=5)


def test_what_was_spent_before_a_restart_counts() -> None:
    weights = Weights(10, 60.0)
    weights.remember([(-30.0, 6), (-10.0, 4)])
    assert weights.free_at(1, 0.0) == pytest.approx(30.0 + GUARD_S)
    assert weights.free_at(7, 0.0) == pytest.approx(50.0 + GUARD_S)


def test_a_smaller_budget_counts_what_was_taken_under_the_larger_one() -> None:
    weights = Weights(10, 60.0)
    assert weights.take(10, 0.0)
    weights.resize(4, 60.0)
    assert weights.free_at(1, 1.0) == pytest.approx(60.0 + GUARD_S)


def test_nothing_is_taken_outside_its_turn() -> None:
    weights = Weights(10, 60.0, Every(10.0))
    assert not weights.take(1, 5.0)
    assert weights.free_at(1, 5.0) == 10.0
    assert weights.take(1, 10.0)


def test_a_budget_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="allows nothing"):
        Weights(0, 60.0)
