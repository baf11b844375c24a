"""The recorded exchange data that tests read, where it is at hand."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
RECORDINGS = _ROOT / os.environ.get("MARKETFEED_RECORDINGS", "../shared/data/dev")
needs_recordings = pytest.mark.skipif(
    not RECORDINGS.is_dir(), reason="no recorded data: MARKETFEED_RECORDINGS names no folder, nor is ../shared/data/dev there"
)


def captures(exchange: str, market: str | None = None) -> list[Path]:
    """Files of recorded messages, none of REST bodies."""
    found = (RECORDINGS / exchange / (market or "")).rglob("*.jsonl*")
    return sorted(path for path in found if ".rest." not in path.name)


def lines(path: Path) -> Iterator[bytes]:
    """The messages of a file, in order, without their line feeds; blank lines left out."""
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        for line in file:
            if stripped := line.rstrip(b"\r\n"):
                yield stripped
