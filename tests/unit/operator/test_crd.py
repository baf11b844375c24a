"""The CRD: structural, and in the file as the code gives it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from marketfeed.exchanges import catalogue
from marketfeed.resource import MarketFeedSpec
from marketfeed_operator.crd import definition
from marketfeed_operator.reasons import Condition

ROOT = Path(__file__).parents[3]
SCHEMA = definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def nodes(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, inner in schema.get("properties", {}).items():
        yield from nodes(inner, f"{path}.{name}" if path else name)
    if "items" in schema:
        yield from nodes(schema["items"], f"{path}[]")


NODES = dict(nodes(SCHEMA))


def test_file_is_the_one_that_the_code_gives() -> None:
    printed = subprocess.run([sys.executable, ROOT / "scripts/crds.py"], check=True, capture_output=True, text=True).stdout
    assert (ROOT / "crds/marketfeeds.yaml").read_text() == printed, "crds/marketfeeds.yaml is stale: run `make docs`"


def test_names_and_columns() -> None:
    spec = definition()["spec"]
    assert spec["scope"] == "Namespaced"
    assert spec["names"]["shortNames"] == ["mf"]
    version = spec["versions"][0]
    assert version["subresources"] == {"status": {}}
    shown = [column["name"].upper() for column in version["additionalPrinterColumns"] if column["priority"] == 0]
    assert shown == ["READY", "SHARDS", "CONNECTIONS", "STREAMS", "AGE"]


@pytest.mark.parametrize("word", ["$ref", "$defs", "title", "default", "additionalProperties: false", "oneOf", "allOf"])
def test_nothing_is_left_that_a_structural_schema_has_not(word: str) -> None:
    assert f'"{word}"' not in str(SCHEMA).replace("'", '"')


def test_every_node_has_a_type() -> None:
    untyped = [path for path, node in NODES.items() if "type" not in node and "x-kubernetes-int-or-string" not in node]
    assert untyped == []


def test_every_field_of_the_manifest_is_there() -> None:
    fields = {field.alias or name for name, field in MarketFeedSpec.model_fields.items()}
    assert set(NODES["spec"]["properties"]) == fields
    assert NODES["spec"]["required"] == ["sources", "publishers"]


def test_every_list_of_the_spec_is_bounded_and_says_how_it_is_merged() -> None:
    lists = {path: node for path, node in NODES.items() if node.get("type") == "array" and path.startswith("spec")}
    assert [path for path, node in lists.items() if "maxItems" not in node] == []
    assert [path for path, node in lists.items() if "x-kubernetes-list-type" not in node] == []


def test_conditions_are_merged_by_type() -> None:
    conditions = NODES["status.conditions"]
    assert conditions["x-kubernetes-list-type"] == "map"
    assert conditions["x-kubernetes-list-map-keys"] == ["type"]
    assert all(kind in conditions["items"]["properties"]["type"]["description"] for kind in Condition)


def test_exchanges_and_channels_are_those_of_the_catalogue() -> None:
    assert NODES["spec.sources[].exchange"]["enum"] == catalogue.exchanges()
    channels = NODES["spec.sources[].channels[]"]["enum"]
    assert set(channels) == {channel for market in catalogue.MARKETS.values() for channel in market.channels}


def test_descriptions_are_the_docstrings_with_the_defaults() -> None:
    assert NODES["spec.paused"]["description"] == "No shards while it is true. Default: false."
    assert NODES["spec.watchdog.checkInterval"]["description"] == "Between two looks. Default: 5s."
    assert NODES["spec.publishers.kafka.bufferBytes"]["description"].endswith("Default: 64Mi.")
    assert NODES["spec.publishers.grpc"]["description"].startswith("A gRPC server")


def test_every_field_is_explained() -> None:
    fields = [path for path in NODES if path.startswith(("spec", "status")) and not path.endswith("[]")]
    assert [path for path in fields if not NODES[path].get("description")] == []


def test_every_rule_has_a_sentence() -> None:
    rules = [rule for node in NODES.values() for rule in node.get("x-kubernetes-validations", ())]
    assert len(rules) > 20
    assert all(rule["message"] and "\n" not in rule["message"] for rule in rules)
