"""`marketfeed validate` refuses whatever the API server or the operator refuse, and accepts the good twin."""

from __future__ import annotations

import pytest
from admission_cases import CASES, GOOD, WHOLE, Case

from marketfeed.validation import validate


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_bad_manifest_is_refused_and_its_good_twin_accepted(case: Case) -> None:
    assert validate(case.manifest)
    assert validate(case.twin) == []


def test_good_manifests_are_accepted() -> None:
    assert validate(GOOD) == []
    assert validate(WHOLE) == []


def test_every_case_has_a_name_of_its_own() -> None:
    assert len({case.name for case in CASES}) == len(CASES)
