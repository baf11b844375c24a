"""The HTTP header Retry-After (RFC 9110, 10.2.3)."""

from __future__ import annotations

from email.utils import parsedate_to_datetime


def seconds(value: str | None, now_ns: int) -> float | None:
    """From a number of seconds or an HTTP date; null where it is neither. `now_ns`: wall clock."""
    if value is None:
        return None
    if value.isascii() and value.isdecimal():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now_ns / 1e9)
    except ValueError:
        return None
