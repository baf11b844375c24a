"""docs/conditions.md says what the code says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from marketfeed_operator.conditions import GRAVITY
from marketfeed_operator.reasons import Condition, Reason

ROOT = Path(__file__).parents[3]


def test_page_of_conditions_is_the_one_that_the_code_gives() -> None:
    printed = subprocess.run(
        [sys.executable, ROOT / "scripts/conditions_page.py"], check=True, capture_output=True, text=True
    ).stdout
    assert (ROOT / "docs/conditions.md").read_text() == printed, "docs/conditions.md is stale: run `make docs`"


def test_every_reason_has_a_sentence_and_a_condition() -> None:
    assert all(reason.meaning.endswith(".") and reason.conditions for reason in Reason)


def test_reasons_stand_in_the_order_of_their_gravity() -> None:
    degraded = [reason for reason in Reason if Condition.DEGRADED in reason.conditions and reason is not Reason.AS_EXPECTED]
    assert degraded == sorted(degraded, key=GRAVITY.__getitem__)
