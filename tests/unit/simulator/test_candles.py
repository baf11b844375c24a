from __future__ import annotations

from datetime import UTC, datetime

import pytest

from marketfeed_simulator.candles import MONTH_S, span


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("interval_s", "opened", "following"),
    [
        (60.0, "2026-12-31 23:59", "2027-01-01"),
        (3 * 3600.0, "2026-12-31 21:00", "2027-01-01"),
        (86_400.0, "2026-12-31", "2027-01-01"),
        (604_800.0, "2026-12-28", "2027-01-04"),
        (MONTH_S, "2026-12-01", "2027-01-01"),
        (3 * MONTH_S, "2026-10-01", "2027-01-01"),
    ],
)
def test_candle_of_a_moment(interval_s: float, opened: str, following: str) -> None:
    assert span(interval_s, ms("2026-12-31 23:59:59.999")) == (ms(opened), ms(following))
    assert span(interval_s, ms(opened)) == (ms(opened), ms(following))
