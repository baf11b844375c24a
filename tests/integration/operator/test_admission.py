"""A real API server refuses what it should, in our words, and takes the rest; `marketfeed validate` is never more lenient."""

from __future__ import annotations

import copy
import json
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from admission_cases import CASES, GOOD, PUBLISHERS, SOURCE, WHOLE, changed
from cluster import Cluster
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from marketfeed.validation import validate
from marketfeed_operator.crd import definition

Submit = Callable[[dict[str, Any]], str | None]
FEEDS = "/apis/marketfeed.dev/v1alpha1/namespaces/default/marketfeeds"


@pytest.fixture(scope="module")
def submit(cluster: Cluster) -> Submit:
    """What the API server says to a new feed, strictly validated and not stored; None: it takes it."""
    cluster.apply(definition())
    cluster.kubectl("wait", "--for=condition=Established", f"crd/{definition()['metadata']['name']}")
    tls = cluster.control_plane.tls()

    def post(manifest: dict[str, Any]) -> str | None:
        url = f"{cluster.url}{FEEDS}?dryRun=All&fieldValidation=Strict"
        request = urllib.request.Request(url, json.dumps(manifest).encode(), {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=20, context=tls):
                return None
        except urllib.error.HTTPError as error:
            with error:
                if error.code not in {400, 422}:
                    raise
                return str(json.load(error)["message"])

    return post


def test_each_bad_manifest_is_refused_by_whom_the_table_says(submit: Submit) -> None:
    wrong = []
    for case in CASES:
        told = submit(case.manifest)
        if (told is None) != (case.refused_by == "operator"):
            wrong.append(f"{case.name}: by {case.refused_by}, and the API server says {told}")
        elif case.refused_by == "cel" and (not case.words or case.words not in (told or "")):
            wrong.append(f"{case.name}: not in our words: {told}")
        elif case.refused_by == "schema" and any(rule in (told or "") for rule in _sentences()):
            wrong.append(f"{case.name}: by a rule beside the schema: {told}")
        elif (told := submit(case.twin)) is not None:
            wrong.append(f"{case.name}: the twin is refused: {told}")
    assert not wrong, "\n".join(wrong)


def _sentences() -> set[str]:
    """Of all rules: what a schema refuses should not be told a second time."""
    found: set[str] = set()

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            found.update(rule["message"] for rule in node.get("x-kubernetes-validations", ()))
            for inner in node.values():
                walk(inner)
        elif isinstance(node, list):
            for inner in node:
                walk(inner)

    walk(definition())
    return found


def test_whole_manifests_are_taken(submit: Submit) -> None:
    assert submit(GOOD) is None
    assert submit(WHOLE) is None


def test_what_validate_takes_the_api_server_takes(submit: Submit) -> None:
    texts = st.one_of(
        st.text(max_size=12),
        st.from_regex(r"[A-Zぁäz0-9]{1,5}-[A-Zß0-9]{1,4}(-PERP|-[0-9]{6})?", fullmatch=True),
        st.from_regex(r"(ws|wss|http|https|redis|socks5|WSS)://[a-z0-9.:\[\]/?#@ -]{0,12}", fullmatch=True),
        st.from_regex(r"[0-9]{1,7}(\.[0-9]{1,4})?(ms|s|m|h|Mi|k|)", fullmatch=True),
        st.from_regex(r"[a-z.{}]{0,4}(\{(symbol|channel|foo)\})?[a-z.{} ]{0,4}", fullmatch=True),
        st.from_regex(r"[a-z0-9.-]{0,6}(:[0-9]{0,6})?", fullmatch=True),
    )
    values = st.one_of(texts, st.none(), st.booleans(), st.integers(-2, 70000), st.floats(-1, 3000, allow_nan=False))
    values = st.one_of(values, st.lists(values, max_size=3), st.dictionaries(st.sampled_from(["url", "a"]), values, max_size=2))

    @settings(max_examples=1500, derandomize=True, suppress_health_check=list(HealthCheck), database=None)
    @given(st.sampled_from(_PATHS), values)
    def never_more_lenient(path: str, value: Any) -> None:
        manifest = _placed(path, value)
        if not validate(manifest):
            assert submit(manifest) is None, manifest

    never_more_lenient()


def _paths(node: Any, path: str = "") -> list[str]:
    """Of every value in the manifest that says all."""
    below = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    inner = [found for key, value in below for found in _paths(value, f"{path}/{key}" if path else str(key))]
    return [*([path] if path.startswith(("spec", "metadata/name")) else []), *inner]


_PATHS = _paths(WHOLE)


def _placed(path: str, value: Any) -> dict[str, Any]:
    manifest = copy.deepcopy(WHOLE)
    place: Any = manifest
    *way, last = [int(step) if step.isdecimal() else step for step in path.split("/")]
    for step in way:
        place = place[step]
    place[last] = value
    return manifest


@pytest.mark.parametrize("path", [f"{PUBLISHERS}/grpc", f"{SOURCE}/proxy", f"{SOURCE}/symbolSelector", "spec/template", SOURCE])
def test_null_is_the_same_to_both(submit: Submit, path: str) -> None:
    manifest = changed(path, None)
    if not validate(manifest):
        assert submit(manifest) is None


def test_columns_are_shown(cluster: Cluster, namespace: str, submit: Submit) -> None:
    cluster.apply(GOOD, namespace=namespace)
    head, row = cluster.kubectl("get", "mf", "-n", namespace).splitlines()
    assert head.split() == ["NAME", "READY", "SHARDS", "CONNECTIONS", "STREAMS", "AGE"]
    assert row.split()[0] == "feed"
    assert "REASON" in cluster.kubectl("get", "marketfeed", "feed", "-n", namespace, "-o", "wide")
