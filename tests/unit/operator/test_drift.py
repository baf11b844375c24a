from __future__ import annotations

import copy
from typing import Any

import pytest

from marketfeed_operator.drift import drifted, marked

MANIFEST: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "X",
    "metadata": {"name": "a", "namespace": "ns", "labels": {"l": "1"}},
    "spec": {
        "replicas": 1,
        "egress": [{}],
        "none": [],
        "resources": {"cpu": "1000m", "memory": "1024Mi"},
        "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
    },
}


def live() -> dict[str, Any]:
    """As an API server has it: with more, with less, and in its own words."""
    found = copy.deepcopy(marked(MANIFEST))
    found["metadata"] |= {"uid": "u", "resourceVersion": "1", "managedFields": []}
    found["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = "1"
    found["spec"] |= {"resources": {"cpu": "1", "memory": "1Gi"}, "progressDeadlineSeconds": 600}
    del found["spec"]["none"], found["kind"]
    found["spec"]["env"][0]["defaulted"] = True
    found["status"] = {"replicas": 1}
    return found


def test_what_others_added_and_wrote_in_another_way_is_no_drift() -> None:
    assert not drifted(marked(MANIFEST), live())


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("spec", "replicas"), 2),
        (("spec", "replicas"), None),
        (("spec", "env"), []),
        (("spec", "env"), [{"name": "A", "value": "1"}, {"name": "B", "value": "3"}]),
        (("spec", "resources"), {"cpu": "2", "memory": "1Gi"}),
        (("spec", "resources"), {"cpu": "1"}),
        (("metadata", "labels"), {}),
        (("metadata", "annotations"), {}),
    ],
)
def test_what_somebody_changed_is_drift(path: tuple[str, str], value: Any) -> None:
    changed = live()
    changed[path[0]][path[1]] = value
    assert drifted(marked(MANIFEST), changed)


def test_a_field_that_is_no_longer_wanted_is_drift() -> None:
    wanted = copy.deepcopy(MANIFEST)
    del wanted["spec"]["replicas"]
    assert drifted(marked(wanted), live())


def test_the_same_manifest_has_the_same_mark() -> None:
    assert marked(MANIFEST) == marked(copy.deepcopy(MANIFEST))
    assert "annotations" not in MANIFEST["metadata"]
