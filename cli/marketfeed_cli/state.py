"""What `marketfeed run` keeps on disk: per shard a folder with its assignment and the shard's own progress."""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeAlias

from pydantic import ValidationError

from marketfeed.assignment import Assignment

ASSIGNMENT: Final = "assignment.json"
_SHARD: Final = re.compile(r"[a-z][a-z0-9-]*-[0-9]+").fullmatch


def default_folder(feed: str) -> Path:
    """Where the state of a feed is kept unless told otherwise: below `$XDG_STATE_HOME`, by default `~/.local/state`."""
    base = os.environ.get("XDG_STATE_HOME", "")
    root = Path(base) if base.startswith("/") else Path("~/.local/state").expanduser()
    return root / "marketfeed" / feed


def read_assignments(folder: Path) -> list[Assignment]:
    """The assignments that an earlier run left; a file that is none of ours is passed over."""
    found = []
    for file in sorted(folder.glob(f"*/{ASSIGNMENT}")):
        try:
            assignment = Assignment.loads(file.read_bytes())
        except (OSError, ValidationError):
            continue
        if assignment.shard == file.parent.name and _SHARD(assignment.shard):
            found.append(assignment)
    return found


def write_assignment(folder: Path, assignment: Assignment) -> Path:
    """Put an assignment in its place at once: whoever reads sees the old one or the new one."""
    place = folder / assignment.shard
    place.mkdir(parents=True, exist_ok=True)
    file, fresh = place / ASSIGNMENT, place / f".{ASSIGNMENT}.new"
    with fresh.open("wb") as out:
        out.write(assignment.dumps())
        out.flush()
        os.fsync(out.fileno())
    fresh.replace(file)
    return file


def forget(folder: Path, shard: str) -> None:
    """The shard is no longer planned. Its progress stays: should a stream come back, its gap has a beginning."""
    (folder / shard / ASSIGNMENT).unlink(missing_ok=True)


TryLock: TypeAlias = Callable[[], int | None]


@contextmanager
def lockable(folder: Path) -> Iterator[TryLock]:
    """A folder that one run and its shards may hold. What it yields takes the lock: its descriptor, or None while it is held.

    Shards inherit the descriptor, so that the folder stays locked until the last of them is gone. Raises `OSError` where
    the folder cannot be made or written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("wb") as file:

        def lock_now() -> int | None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return None
            return file.fileno()

        yield lock_now
