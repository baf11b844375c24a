from __future__ import annotations

import pytest
from pipeline_bed import T0, Bed, S, gaps, trade

from marketfeed_shard.pipeline.gaps import Gap
from marketfeed_shard.streams.durations import BOUNDS_S, Durations


class Fills:
    """Keeps the gaps that are to be filled."""

    def __init__(self) -> None:
        self.gaps: list[Gap] = []

    def wants(self, slot: int, gap: Gap) -> bool:
        self.gaps.append(gap)
        return True

    def full(self, slot: int) -> None: ...


def turn(bed: Bed, second: int) -> None:
    """It is so many seconds after the beginning."""
    bed.clock.advance(T0 / S + second - bed.clock.time_ns() / S)
    bed.now_ns = T0 + second * S


def test_a_duration_falls_in_the_bucket_that_bounds_it() -> None:
    durations = Durations()
    for duration_s in (0.0, 0.05, 0.051, 300.0, 301.0, -1.0):
        durations.add(duration_s)
    assert durations.counts == [3, 1, *[0] * (len(BOUNDS_S) - 3), 1, 1]
    assert durations.sum_s == pytest.approx(601.101)


def test_a_gap_is_timed_from_the_first_loss_of_the_connection_since_the_last_event(bed: Bed) -> None:
    slots = bed.add(("trades", "BTC-USDT"))
    bed.feed(trade(10))
    for second in (1, 3):  # the second attempt fails
        turn(bed, second)
        bed.pipeline.interrupted(slots)
    turn(bed, 5)
    bed.feed(trade(15))
    assert [reason for reason, *_ in gaps(bed.take())] == ["started", "disconnected"]
    assert sum(bed.pipeline.counts.announced.counts) == 1
    assert bed.pipeline.counts.announced.sum_s == pytest.approx(4.0)


def test_a_cut_that_lost_nothing_is_not_the_one_that_a_later_gap_counts_from(bed: Bed) -> None:
    slots = bed.add(("trades", "BTC-USDT"))
    bed.feed(trade(10))
    turn(bed, 1)
    bed.pipeline.interrupted(slots)
    turn(bed, 2)
    bed.feed(trade(11))
    turn(bed, 10)
    bed.pipeline.interrupted(slots)
    turn(bed, 11)
    bed.feed(trade(15))
    assert bed.pipeline.counts.announced.sum_s == pytest.approx(1.0)


def test_a_gap_without_a_cut_is_not_timed(bed: Bed) -> None:
    bed.add(("trades", "BTC-USDT"))
    bed.feed(trade(10), trade(15))
    assert gaps(bed.take())[-1][0] == "sequence"
    assert sum(bed.pipeline.counts.announced.counts) == 0


def test_a_cut_while_a_stream_is_filled_is_that_of_the_next_hole(bed: Bed) -> None:
    bed.pipeline.fills = fills = Fills()
    slots = bed.add(("trades", "BTC-USDT"))
    bed.feed(trade(10))
    turn(bed, 1)
    bed.pipeline.interrupted(slots)
    turn(bed, 2)
    bed.feed(trade(15))
    turn(bed, 3)
    bed.pipeline.interrupted(slots)
    turn(bed, 4)
    bed.feed(trade(20))
    bed.pipeline.supply.fill(slots[0], [], bed.now_ns)
    assert [gap.cut_ns for gap in fills.gaps] == [T0 + 1 * S, T0 + 3 * S]
