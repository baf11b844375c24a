"""Outcomes that other projects' tests assert for single messages, beside ours, in all that both have words for."""

from __future__ import annotations

from collections.abc import Iterator

import outcomes
import pytest
from engines import needs_kernel
from outcomes.compared import Case, Compared
from outcomes.deviations import DEVIATIONS, deviations
from recordings import needs_recordings

pytestmark = [needs_recordings, needs_kernel]

CASES = list(outcomes.cases())


@pytest.fixture(scope="module")
def compared() -> dict[str, list[Compared]]:
    """By case, in their order: some add up what the messages before told."""
    decoders = outcomes.Decoders()
    return {case.id: decoders.compared(case) for case in CASES if not deviations(case, "*")}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_an_outcome_is_ours_or_its_deviation_has_a_reason(case: Case, compared: dict[str, list[Compared]]) -> None:
    if case.id in compared:
        assert compared[case.id]
        different = [one for one in compared[case.id] if one.theirs != one.ours]
        assert [one for one in different if not deviations(case, one.name)] == []


def test_every_deviation_is_one(compared: dict[str, list[Compared]]) -> None:
    """No row of the table stands there for nothing."""

    def found() -> Iterator[object]:
        for case in CASES:
            yield from deviations(case, "*")
            for one in compared.get(case.id, ()):
                yield from deviations(case, one.name) if one.theirs != one.ours else ()

    assert set(DEVIATIONS) == set(found())


@pytest.mark.parametrize("exchange", ["binance", "bybit", "okx", "kraken"])
def test_most_outcomes_are_compared(exchange: str, compared: dict[str, list[Compared]]) -> None:
    ours = [compared.get(case.id, []) for case in CASES if case.exchange == exchange]
    assert sum(bool(found) for found in ours) > len(ours) * 0.7
