"""Values of a manifest as rules want them: of the right type, or passed over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def section(value: Any) -> Mapping[str, Any]:
    """Its fields; none where it is no section."""
    return value if isinstance(value, Mapping) else {}


def text(value: Any) -> str | None:
    """Text, or None."""
    return value if isinstance(value, str) else None


def texts(value: Any) -> Iterator[tuple[int, str]]:
    """The texts of a list, with their places."""
    if isinstance(value, list):
        yield from ((i, item) for i, item in enumerate(value) if isinstance(item, str))


def number(value: Any) -> float | None:
    """A number that is no truth value, or None."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
