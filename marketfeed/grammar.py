"""The grammar of single values: what a text of an exchange must look like, and what becomes of it.

A value comes as `json` leaves it when numbers stay text: str, bool, list, dict or None. Whatever does not fit its kind is
`Malformed`: nothing is rounded, repaired or guessed.
"""

from __future__ import annotations

import re
from calendar import timegm
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

from marketfeed.events import Kind

_decimal = re.compile(r"(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?(?:[eE]([-+]?[0-9]+))?").fullmatch
_integer = re.compile(r"-?(?:0|[1-9][0-9]*)").fullmatch
_whole = re.compile(r"0|[1-9][0-9]*").fullmatch
_rfc3339 = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?Z").fullmatch
_seconds = re.compile(r"([1-9][0-9]{9})\.([0-9]{1,9})").fullmatch
_length = re.compile(r"([1-9][0-9]?)([smhdw])").fullmatch

MOST_EXPONENT = 400
"""Exponents beyond it are no price or size; written out they would only fill memory."""
MOST_DIGITS = 18
"""Digits of an integer that always fits 64 bits."""
_END_NS = 2**63
_SECOND_NS = 1_000_000_000
_MS_NS = 1_000_000
_HONG_KONG = timedelta(hours=8)
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


class Malformed(ValueError):  # noqa: N818 - the word that reports use
    """A message that does not keep to its declaration, or is no JSON: one sentence that names the place."""


def shown(text: str, length: int = 60) -> str:
    """The beginning of a text from outside, on one line, for a message."""
    short = text if len(text) <= length else text[:length] + "…"
    return short if short.isprintable() else repr(short)


def refuse(expected: str, value: object) -> NoReturn:
    """Raise `Malformed`, showing the beginning of the value."""
    if isinstance(value, dict | list):
        raise Malformed(f"{expected}: {'an object' if isinstance(value, dict) else 'an array'}")
    told = str(value).lower() if isinstance(value, bool) else str(value)
    raise Malformed(f"{expected}: {told[:60]!r}{'…' if len(told) > 60 else ''}")


def decimal(value: object) -> str:
    """A number as its own text; an exponent is written out, every digit kept."""
    found = _decimal(value) if isinstance(value, str) else None
    if found is None:
        refuse("not a number", value)
    sign, whole, fraction, exponent = found.groups()
    if exponent is None:
        return found[0]
    if len(exponent) > 5 or abs(int(exponent)) > MOST_EXPONENT:
        refuse(f"an exponent beyond {MOST_EXPONENT}", value)
    digits = whole + (fraction or "")
    point = len(whole) + int(exponent)
    if point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    whole = digits[:point].ljust(point, "0").lstrip("0") or "0"
    return f"{sign}{whole}.{digits[point:]}" if point < len(digits) else sign + whole


def is_zero(number: str) -> bool:
    """Whether a decimal's text is zero."""
    return not number.strip("-0.")


def text(value: object) -> str:
    """Any text that is Unicode; a JSON number is its own text."""
    if not isinstance(value, str):
        refuse("not a text", value)
    try:
        value.encode()
    except UnicodeEncodeError:
        refuse("half of a surrogate pair", value)
    return value


def integer(value: object) -> int:
    """An integer of 64 bits."""
    if not isinstance(value, str) or not _integer(value):
        refuse("not an integer", value)
    if len(value) > 20 or not -_END_NS <= (number := int(value)) < _END_NS:
        refuse("not an integer of 64 bits", value)
    return number


def before(value: object) -> int:
    """The integer before this one."""
    number = integer(value)
    if number == -_END_NS:
        refuse("not an integer of 64 bits, less one", value)
    return number - 1


def position(value: str) -> int | None:
    """A number that tells where in its stream an event stands, or None where a text is none."""
    return int(value) if len(value) <= MOST_DIGITS and _whole(value) else None


def time_ns(value: object) -> int:
    """Milliseconds, microseconds (15 or 16 digits), seconds with a fraction or RFC 3339 in UTC, as nanoseconds since the epoch.

    0: no time.
    """
    if not isinstance(value, str):
        refuse("not a time", value)
    if seconds := _seconds(value):
        at_ns = int(seconds[1] + seconds[2].ljust(9, "0"))
    else:
        at_ns = _unix_ns(value) if len(value) <= 16 and _whole(value) else _rfc3339_ns(value)
    if not 0 <= at_ns < _END_NS:
        refuse("not a time between 1970 and 2262", value)
    return at_ns


def _unix_ns(digits: str) -> int:
    return int(digits) * (_MS_NS if len(digits) < 15 else 1_000)


def _rfc3339_ns(value: str) -> int:
    found = _rfc3339(value)
    if found is None:
        refuse("not a time", value)
    try:
        whole_s = timegm(datetime.fromisoformat(found[1]).timetuple())
    except ValueError:
        refuse("not a time", value)
    return whole_s * _SECOND_NS + int((found[2] or "").ljust(9, "0"))


def candle_length_ns(interval: str) -> int:
    """Length of `1m`, `4h`, `1w` … in ns; 0 for months, which have no fixed one."""
    found = _length(interval)
    return int(found[1]) * _UNIT_S[found[2]] * _SECOND_NS if found else 0


def close_time_ns(open_ns: int, interval: str) -> int:
    """The last millisecond inside a candle that begins at `open_ns`; months are those of the calendar."""
    length_ns = candle_length_ns(interval) or _months_ns(open_ns, int(interval.removesuffix("M")))
    if open_ns + length_ns >= _END_NS:
        refuse("a candle that ends after 2262", str(open_ns))
    return (open_ns + length_ns) // _MS_NS * _MS_NS - _MS_NS


def _months_ns(open_ns: int, months: int) -> int:
    """From `open_ns` to the end of that many months, in UTC, or in UTC+8 where that is when a month began: OKX has both."""
    opened = datetime.fromtimestamp(open_ns // _SECOND_NS, UTC)
    ahead = _HONG_KONG if _is_month_begin(opened + _HONG_KONG) else timedelta()
    local = opened + ahead
    year, month = divmod(local.year * 12 + local.month - 1 + months, 12)
    end_s = timegm((year, month + 1, 1, 0, 0, 0)) - int(ahead.total_seconds())
    return end_s * _SECOND_NS - open_ns


def _is_month_begin(at: datetime) -> bool:
    return (at.day, at.hour, at.minute, at.second) == (1, 0, 0, 0)


CONVERT: dict[Kind, Callable[[Any], str | int | None]] = {
    Kind.DECIMAL: decimal,
    Kind.TEXT: text,
    Kind.INTEGER: integer,
    Kind.TIME: time_ns,
}
"""By kind of field. Words and levels are told by the declaration itself."""
