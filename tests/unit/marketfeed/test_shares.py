from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketfeed.assignment import Share
from marketfeed.exchanges import catalogue
from marketfeed.exchanges.exchange import Endpoints, Market, Window
from marketfeed.problem import NotAccepted
from marketfeed.shares import ASIDE, Claim, Shares, shares

BINANCE = catalogue.market("binance", "spot")
TURN_S = 0.25
"""How long a shard takes its turn for its own."""


REST = Window(6000, 60)


def market(rest: Window = REST, connects: Window | None = None, name: str = "spot") -> Market:
    return replace(BINANCE, name=name, limits=replace(BINANCE.limits, rest=rest, connects=connects))


def claims(count: int, of: Market, attempts: int = 300, costliest: int = 1) -> list[Claim]:
    return [Claim(of, attempts, costliest) for _ in range(count)]


def spent(share: Share, late_s: float, until_s: float) -> Iterator[tuple[float, int]]:
    """(when, how much) of a shard that takes all that it may, as early as it may: late in its turn once, in time ever after."""
    free_s = 0.0
    first = True
    while free_s < until_s:
        if share.turn_s is not None and share.period_s is not None:
            since_s = (free_s - share.turn_s) % share.period_s
            at_s = free_s if since_s <= TURN_S else free_s + share.period_s - since_s
            at_s += late_s if first else 0.0
        else:
            at_s = free_s
        first = False
        yield at_s, share.count
        free_s = at_s + share.seconds


def most_in(window_s: float, parts: Sequence[Share], lates: Sequence[float]) -> int:
    taken = sorted(t for part, late_s in zip(parts, lates, strict=True) for t in spent(part, late_s, 8 * window_s + 100))
    most, begin, total = 0, 0, 0
    for at_s, count in taken:
        total += count
        while taken[begin][0] <= at_s - window_s:
            total -= taken[begin][1]
            begin += 1
        most = max(most, total)
    return most


@st.composite
def budgets(draw: st.DrawFn) -> tuple[list[Shares], Window, Window, Window, list[float]]:
    count = draw(st.integers(1, 40))
    attempts = Window(draw(st.integers(-(-count // 2), 90)), 300)
    burst = Window(draw(st.integers(1, 5)), draw(st.sampled_from([1.0, 2.0, 10.0])))
    rest = Window(draw(st.sampled_from([1, 2, 10, 20, 600, 6000])), draw(st.sampled_from([1.0, 5.0, 60.0])))
    costliest = draw(st.integers(1, max(1, rest.count // 4)))
    wanted = claims(count, market(rest, burst), attempts.count, costliest)
    lates = draw(st.lists(st.floats(0, TURN_S), min_size=count, max_size=count))
    try:
        return shares(wanted), attempts, burst, rest, lates
    except NotAccepted:
        return [], attempts, burst, rest, []


@given(budgets())
def test_all_parts_together_never_exceed_the_budget_in_any_window(
    drawn: tuple[list[Shares], Window, Window, Window, list[float]],
) -> None:
    parts, attempts, burst, rest, lates = drawn
    if not parts:
        return
    assert most_in(attempts.seconds, [p.connects for p in parts], lates) <= attempts.count
    assert most_in(rest.seconds, [p.rest for p in parts], lates) <= max(
        rest.count * (1 - ASIDE), max(p.rest.count for p in parts)
    )
    # A shard keeps to both of its windows: whichever of them has turns decides when it may try.
    timed = [p.connects if p.connects.turn_s is not None else p.connects_burst for p in parts]
    assert most_in(burst.seconds, [share for share in timed if share is not None], lates) <= burst.count


@given(budgets())
def test_every_shard_gets_enough_for_its_costliest_call_within_ten_minutes(
    drawn: tuple[list[Shares], Window, Window, Window, list[float]],
) -> None:
    for part in drawn[0]:
        assert part.connects.seconds <= 600
        assert part.rest.seconds <= 600
        assert part.rest.count >= 1


def test_with_more_shards_than_attempts_in_the_short_window_they_take_turns_in_it() -> None:
    parts = shares(claims(8, market(connects=Window(3, 1.0)), 900))
    assert {part.connects for part in parts} == {Share(count=112, seconds=300)}
    bursts = [part.connects_burst for part in parts]
    assert {(b.count, b.seconds) for b in bursts if b is not None} == {(1, 3.0)}
    assert len({b.turn_s for b in bursts if b is not None}) == 8


def test_turns_of_the_long_window_serve_the_short_one_too() -> None:
    parts = shares(claims(4, market(connects=Window(3, 1.0)), 3))
    assert all(part.connects.turn_s is not None for part in parts)
    assert {part.connects_burst for part in parts} == {Share(count=1, seconds=1.0)}


def test_a_fifth_of_the_rest_budget_is_nobody_s() -> None:
    assert [part.rest for part in shares(claims(2, market(Window(6000, 60))))] == [Share(count=2400, seconds=60)] * 2


def test_where_a_part_is_below_the_costliest_call_it_is_had_in_turns() -> None:
    parts = [part.rest for part in shares(claims(30, market(Window(6000, 60)), costliest=250))]
    assert {(part.count, part.seconds) for part in parts} == {(250, 120.0)}
    assert len({part.turn_s for part in parts}) == 30


def test_one_call_a_second_leaves_one_in_a_little_more() -> None:
    (part,) = (p.rest for p in shares(claims(1, market(Window(1, 1.0)))))
    assert (part.count, part.seconds) == (1, 1.25)


def test_markets_with_a_host_in_common_share_its_budget_and_others_do_not() -> None:
    elsewhere = replace(market(name="linear"), endpoints=Endpoints(ws="wss://other", rest="https://other"))
    spot, same, other = shares([Claim(market(), 300, 1), Claim(market(name="inverse"), 300, 1), Claim(elsewhere, 300, 1)])
    assert (spot.connects.count, same.connects.count, other.connects.count) == (150, 150, 300)
    assert (spot.rest.count, same.rest.count, other.rest.count) == (2400, 2400, 4800)


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (claims(7, market(), 3), "7 shards share 3 connection attempts in 5 minutes to binance spot"),
        (claims(700, market(Window(1, 1.0)), 700), "700 shards share REST calls of weight 1 in 1 s to binance spot"),
    ],
)
def test_a_part_of_less_than_one_in_ten_minutes_is_refused(wanted: list[Claim], words: str) -> None:
    with pytest.raises(NotAccepted, match=words) as refused:
        shares(wanted)
    assert refused.value.problems[0].code == "AddressBudgetExceeded"
