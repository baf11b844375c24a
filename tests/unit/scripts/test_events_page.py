"""docs/events.md says what the code says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_page_of_events_is_the_one_that_the_code_gives() -> None:
    printed = subprocess.run(
        [sys.executable, ROOT / "scripts/events_page.py"], check=True, capture_output=True, text=True
    ).stdout
    assert (ROOT / "docs/events.md").read_text() == printed, "docs/events.md is stale: run `make docs`"
