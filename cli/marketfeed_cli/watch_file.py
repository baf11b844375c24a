"""A file that people change while we run: written in place, replaced, swapped by a symlink, gone for a moment.

It is looked at several times a second: one `stat` follows all of these, on every file system, where notices of the kernel are
about one directory each and a symlink may lead through several.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Final, TypeAlias

POLL_S: Final = 0.2
SETTLED: Final = 2
"""Looks that must find the same before a change counts: an editor may write in several steps."""
GONE_S: Final = 5.0
"""A file that is missing for so long is not being replaced: it is gone."""
Signature: TypeAlias = tuple[int, int, int, int] | None


def signature(path: Path) -> Signature:
    """What differs when a file does; None where there is no file."""
    try:
        found = os.stat(path)  # noqa: PTH116 - follows every symlink on the way
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


async def changes(path: Path, seen: Signature, poll_s: float = POLL_S) -> AsyncGenerator[bool, None]:
    """Each change since `seen`, once it has settled: True, or False where the file is gone and stays so for a while."""
    last, same, missing_looks = seen, 0, 0
    while True:
        await asyncio.sleep(poll_s)
        now = signature(path)
        if now is None:
            missing_looks += 1
            if missing_looks == round(GONE_S / poll_s):
                yield False
            continue
        missing_looks = 0
        same = same + 1 if now == last else 0
        last = now
        if now != seen and same >= SETTLED:
            seen = now
            yield True
