from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketfeed import grammar
from marketfeed.grammar import Malformed

DIGITS = st.text("0123456789", min_size=1, max_size=30)


@pytest.mark.parametrize("text", ["0", "-0", "1", "-1.50", "0.00000001", "123456789012345678901234567890.10", "1.0"])
def test_decimals_stay_their_own_text(text: str) -> None:
    assert grammar.decimal(text) == text


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("1e-8", "0.00000001"),
        ("1.50E+1", "15.0"),
        ("12.5e3", "12500"),
        ("-1.5e-1", "-0.15"),
        ("1e0", "1"),
        ("0.001e3", "1"),
        ("0.0012e3", "1.2"),
        ("0e5", "0"),
        ("100e-2", "1.00"),
    ],
)
def test_exponents_are_written_out(text: str, written: str) -> None:
    assert grammar.decimal(text) == written


@given(whole=DIGITS, fraction=st.none() | DIGITS, exponent=st.integers(-400, 400), sign=st.sampled_from(["", "-"]))
def test_written_out_a_number_is_the_same_number_with_every_digit(
    whole: str, fraction: str | None, exponent: int, sign: str
) -> None:
    whole = whole.lstrip("0") or "0"
    text = f"{sign}{whole}{'' if fraction is None else '.' + fraction}e{exponent}"
    written = grammar.decimal(text)
    assert re.fullmatch(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?", written)
    assert Decimal(written).compare_total(Decimal(text)) == 0 or Decimal(written) == Decimal(text)
    assert written.replace(".", "").replace("-", "").strip("0") == (whole + (fraction or "")).strip("0")


@pytest.mark.parametrize(
    "value",
    ["", "+1", "01", ".5", "1.", "1e", "1e1.5", "--1", "NaN", "Infinity", "0x1", " 1", "1\n", "1,5", "٣", "1e401", "1e99999999",
     True, None, [], {}],
)  # fmt: skip
def test_what_is_no_number_is_malformed(value: object) -> None:
    with pytest.raises(Malformed):
        grammar.decimal(value)


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1672515782136", 1_672_515_782_136_000_000),
        ("1672515782136123", 1_672_515_782_136_123_000),
        ("2023-10-06T17:35:55.440295Z", 1_696_613_755_440_295_000),
        ("2026-10-09T17:40:00.000000000Z", 1_791_567_600_000_000_000),
        ("2024-02-29T23:59:59Z", 1_709_251_199_000_000_000),
        ("1970-01-01T00:00:00Z", 0),
        ("0", 0),
        ("1688669597.8277369", 1_688_669_597_827_736_900),
    ],
)
def test_times_are_told_by_their_form(text: str, ns: int) -> None:
    assert grammar.time_ns(text) == ns


@pytest.mark.parametrize(
    "value",
    ["-1", "01", "1.5", "1688669597.", "1688669597.1234567890", "99999999999999", "9999999999999999",
     "12345678901234567", "2023-02-30T00:00:00Z", "202.", "2023-10-06", "2023-10-06T17:35:55", "2023-10-06T17:35:55.Z",
     "2023-10-06T17:35:60Z", "2263-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "2023-10-06T17:35:55.1234567890Z", False,
     None, []],
)  # fmt: skip
def test_what_is_no_time_is_malformed(value: object) -> None:
    with pytest.raises(Malformed):
        grammar.time_ns(value)


@given(st.datetimes(dt.datetime(1970, 1, 1, 0, 0, 1), dt.datetime(2262, 1, 1)))
def test_rfc3339_is_exact_to_the_microsecond(at: dt.datetime) -> None:
    since = at - dt.datetime(1970, 1, 1)
    us = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    assert grammar.time_ns(at.strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0")) == us * 1000


@pytest.mark.parametrize("text", ["0", "-1", str(2**63 - 1), str(-(2**63))])
def test_integers_of_64_bits(text: str) -> None:
    assert grammar.integer(text) == int(text)


@pytest.mark.parametrize("value", [str(2**63), "9" * 5000, "1.0", "1e3", "+1", "", True, None])
def test_other_integers_are_malformed(value: object) -> None:
    with pytest.raises(Malformed):
        grammar.integer(value)


def test_the_integer_before_the_first_is_malformed() -> None:
    assert grammar.before("0") == -1
    with pytest.raises(Malformed):
        grammar.before(str(-(2**63)))


def test_half_a_surrogate_pair_is_no_text() -> None:
    with pytest.raises(Malformed):
        grammar.text("\ud800")


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("18", 18), ("9" * 18, 10**18 - 1)])
def test_positions(text: str, number: int) -> None:
    assert grammar.position(text) == number


@pytest.mark.parametrize("text", ["-1", "007", "9" * 19, "20f43950-d8dd", ""])
def test_other_ids_are_no_positions(text: str) -> None:
    assert grammar.position(text) is None


def ns(text: str) -> int:
    return int(dt.datetime.fromisoformat(text + "+00:00").timestamp()) * 1_000_000_000


@pytest.mark.parametrize(
    ("opened", "interval", "end"),
    [
        ("2024-01-01T00:00:00", "1s", "2024-01-01T00:00:01"),
        ("2024-01-01T00:00:00", "1m", "2024-01-01T00:01:00"),
        ("2024-01-01T00:00:00", "12h", "2024-01-01T12:00:00"),
        ("2024-01-01T00:00:00", "3d", "2024-01-04T00:00:00"),
        ("2024-01-01T00:00:00", "1w", "2024-01-08T00:00:00"),
        ("2024-02-01T00:00:00", "1M", "2024-03-01T00:00:00"),
        ("2023-12-01T00:00:00", "1M", "2024-01-01T00:00:00"),
        ("2023-11-01T00:00:00", "3M", "2024-02-01T00:00:00"),
        ("2023-11-30T16:00:00", "1M", "2023-12-31T16:00:00"),
        ("2023-11-15T16:00:00", "1M", "2023-12-01T00:00:00"),
    ],
)
def test_a_candle_ends_a_millisecond_before_the_next(opened: str, interval: str, end: str) -> None:
    assert grammar.close_time_ns(ns(opened), interval) == ns(end) - 1_000_000


def test_messages_show_the_beginning_of_a_value_on_one_line() -> None:
    with pytest.raises(Malformed) as caught:
        grammar.decimal("\n" * 10_000)
    assert len(str(caught.value)) < 200
    assert "\n" not in str(caught.value)
