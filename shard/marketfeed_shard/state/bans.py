"""A ban by the exchange, in a file: a shard that crashes and starts again keeps to it."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from marketfeed.assignment import Ban

NEWER_NS = 1_000_000_000
"""A ban that ends less than this after the one that is kept is the same."""


class _Entry(Ban):
    where: str


class KeptBan:
    """The ban that ends last."""

    def __init__(self, path: Path, where: str) -> None:
        """What an earlier process left at `path`, if it is about the same address; a file that is none of ours is nothing."""
        self._path = path
        self._where = where
        self.ban: Ban | None = None
        if path.exists():
            try:
                entry = _Entry.model_validate_json(path.read_bytes())
            except ValidationError:
                return
            if entry.where == where:
                self.ban = Ban(until_ns=entry.until_ns, reason=entry.reason)

    def keep(self, ban: Ban) -> None:
        """Write it down, unless it is the one that stands there."""
        if self.ban is not None and ban.until_ns < self.ban.until_ns + NEWER_NS:
            return
        self.ban = ban
        fresh = self._path.with_suffix(".new")
        fresh.write_text(_Entry(where=self._where, **ban.model_dump()).model_dump_json())
        fresh.replace(self._path)
