"""The latest ids of a stream whose numbers promise no order: they tell a copy from a new event.

Two generations of ids: the older one is forgotten when the younger one has had its time, or is full. So an id is known for
at least `REMEMBERED_NS` after it came, unless more than `MOST_IDS` came since, and for at most twice as long.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, cast

from marketfeed_shard import compiled

REMEMBERED_NS = 60_000_000_000
MOST_IDS = 1 << 16


class Recent(Protocol):
    """Ids of one stream."""

    def add(self, identifier: bytes, received_ns: int) -> bool:
        """Remember an id; False: it was known."""
        ...

    def __contains__(self, identifier: object) -> bool:
        """Whether an id is known."""
        ...


class PlainRecent:
    """The plain twin of `_recent.Recent`."""

    def __init__(self) -> None:
        self._young: set[bytes] = set()
        self._old: set[bytes] = set()
        self._began_ns = 0

    def add(self, identifier: bytes, received_ns: int) -> bool:
        """Remember an id; False: it was known."""
        if received_ns - self._began_ns > REMEMBERED_NS or len(self._young) >= MOST_IDS:
            self._old, self._young, self._began_ns = self._young, set(), received_ns
        if identifier in self:
            return False
        self._young.add(identifier)
        return True

    def __contains__(self, identifier: object) -> bool:
        return identifier in self._young or identifier in self._old


def recent_kind() -> Callable[[], Recent]:
    """What makes an empty one, as `PlainRecent` does: the compiled twin where it is built and wanted."""
    module = compiled.module("streams._recent")
    return PlainRecent if module is None else cast("type[PlainRecent]", module.Recent)
