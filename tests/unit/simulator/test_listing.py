from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketfeed_simulator.listing import SHORTEST, decimal


@pytest.mark.parametrize(
    ("units", "decimals", "least", "text"),
    [
        (1, 2, 8, "0.01000000"),
        (618_370, 1, 0, "61837.0"),
        (618_370, 1, SHORTEST, "61837"),
        (618_375, 1, SHORTEST, "61837.5"),
        (100, 0, SHORTEST, "100"),
        (0, 3, SHORTEST, "0"),
    ],
)
def test_decimals_are_written_with_as_many_places_as_is_said(units: int, decimals: int, least: int, text: str) -> None:
    assert decimal(units, decimals, least) == text


@given(st.integers(0, 10**12), st.integers(0, 8), st.sampled_from([SHORTEST, 0, 8]))
def test_decimals_are_exact(units: int, decimals: int, least: int) -> None:
    assert Decimal(decimal(units, decimals, least)) == Decimal(units).scaleb(-decimals)
