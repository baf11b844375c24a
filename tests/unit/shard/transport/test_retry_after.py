from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketfeed_shard.transport import retry_after

NOW_NS = 1_767_225_600_000_000_000
"""2026-01-01 00:00:00 UTC."""


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("0", 0.0),
        ("120", 120.0),
        ("Thu, 01 Jan 2026 00:01:30 GMT", 90.0),
        ("Wed, 31 Dec 2025 23:59:00 GMT", 0.0),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("", None),
    ],
)
def test_seconds_or_a_date(value: str | None, seconds: float | None) -> None:
    assert retry_after.seconds(value, NOW_NS) == seconds


@given(st.text() | st.from_regex(r"\w+, \d+ \w+ \d+ \d+:\d+:\d+ [+-]?\w+", fullmatch=True))
def test_whatever_a_server_writes_is_no_fault(value: str) -> None:
    waited = retry_after.seconds(value, NOW_NS)
    assert waited is None or waited >= 0.0
