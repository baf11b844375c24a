from __future__ import annotations

from marketfeed.backoff import Backoff


def test_the_bound_doubles_up_to_its_most() -> None:
    backoff = Backoff(lambda: 1.0, base_s=0.5, most_s=3.0)
    assert [backoff.failed(10.0) for _ in range(5)] == [10.5, 11.0, 12.0, 13.0, 13.0]


def test_the_dice_choose_anything_below_the_bound() -> None:
    assert Backoff(lambda: 0.0, base_s=0.5).failed(10.0) == 10.0
    assert Backoff(lambda: 0.5, base_s=0.5).failed(10.0) == 10.25


def test_only_a_success_that_lasted_begins_anew() -> None:
    backoff = Backoff(lambda: 1.0, base_s=1.0, most_s=60.0, stable_s=5.0)
    backoff.failed(0.0)
    backoff.succeeded(1.0)
    assert backoff.failed(2.0) == 4.0
    backoff.succeeded(4.0)
    assert backoff.failed(9.0) == 10.0


def test_it_never_ends_and_a_floor_is_kept() -> None:
    backoff = Backoff(lambda: 1.0, base_s=0.5, most_s=60.0)
    for _ in range(5000):
        backoff.failed(0.0)
    assert backoff.failed(0.0, at_least_s=120.0) == 180.0
