from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from marketfeed_simulator.listing import listings
from marketfeed_simulator.market import Market
from marketfeed_simulator.times import EARLIER_MS, Times

START_MS = 1_767_225_600_000


@given(st.lists(st.tuples(st.lists(st.integers(0, 3), min_size=1, max_size=4, unique=True), st.integers(0, 50)), max_size=40))
def test_each_step_has_the_time_at_which_it_was_made(moves: list[tuple[list[int], int]]) -> None:
    market, now_ms = Market(listings(4)), START_MS
    made: dict[tuple[int, int], int] = {}
    for wanted, waited_ms in moves:
        now_ms += waited_ms
        at = market.advance(sorted(wanted), now_ms)
        made[at, market.last_step(at)] = now_ms
    for (at, step), time_ms in made.items():
        assert market.times.at(step, at) == time_ms
        assert market.times.since(time_ms, at) <= step < market.times.since(time_ms + 1, at)


def test_rounds_that_nobody_heard_have_their_time() -> None:
    market = Market(listings(2))
    market.advance([0, 1], START_MS)
    market.skip(3, START_MS + 100)
    assert [market.last_step(at) for at in (0, 1)] == [3, 2]
    assert [market.times.at(step, 0) for step in range(4)] == [START_MS, *[START_MS + 100] * 3]
    assert [market.times.at(step, 1) for step in range(3)] == [START_MS + 100] * 3


def test_steps_before_the_first_follow_from_a_pace_and_lie_in_order() -> None:
    times = Times()
    assert times.at(5, 0) == 0
    times.mark(3, 1, START_MS)
    assert [times.at(step, 0) for step in (3, 0, -1, -10)] == [
        START_MS,
        START_MS,
        START_MS - EARLIER_MS,
        START_MS - 10 * EARLIER_MS,
    ]
    assert times.since(START_MS - 10 * EARLIER_MS, 0) == -10


def test_clock_that_is_set_back_puts_nothing_out_of_order() -> None:
    times = Times()
    for step, now_ms in enumerate((START_MS, START_MS + 5, START_MS + 2, START_MS + 9)):
        times.mark(step, 1, now_ms)
    assert [times.at(step, 0) for step in range(4)] == [START_MS, START_MS + 5, START_MS + 5, START_MS + 9]


def test_what_is_kept_is_bounded() -> None:
    times = Times()
    for step in range((1 << 18) + 10):
        times.mark(step, 1, START_MS + step)
    assert len(times._ms) < 1 << 18
    last = (1 << 18) + 9
    assert times.at(last, 0) == START_MS + last
