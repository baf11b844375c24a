"""The file of a shard's assignment, which is followed while the shard runs, and what in it this version cannot do."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from pathlib import Path

from pydantic import ValidationError
from watchfiles import awatch

from marketfeed.assignment import Assignment

log = logging.getLogger("marketfeed.shard")

REREAD_MS = 2000
"""The assignment is looked at this often, should a file system not tell of its change."""


async def watch(path: Path, seen: bytes, follow: Callable[[Assignment], None], stop: asyncio.Event) -> None:
    """Hand each new content of the file to `follow`, until `stop`. What cannot be read is said once and changes nothing."""
    async for _ in awatch(path.parent, stop_event=stop, step=20, debounce=100, rust_timeout=REREAD_MS, yield_on_timeout=True):
        seen = _reread(path, seen, follow)


def _reread(path: Path, seen: bytes, follow: Callable[[Assignment], None]) -> bytes:
    text = seen
    try:
        text = path.read_bytes()
        if text != seen:
            follow(Assignment.loads(text))
    except (OSError, ValidationError) as error:
        log.error("the assignment %s cannot be read, the last one stays: %s", path, error)  # noqa: TRY400
    return text


def unsupported(assignment: Assignment) -> Iterable[str]:
    """What it asks for that this version cannot do; better said than left out."""
    if assignment.role != "publishing":
        yield f"role {assignment.role}"
