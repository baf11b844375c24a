"""The CustomResourceDefinition `marketfeeds.marketfeed.dev`, generated from `marketfeed/resource.py`."""

from __future__ import annotations

from typing import Any, Final

import yaml

from marketfeed.resource import API_VERSION, KIND, MarketFeedSpec
from marketfeed_operator.admission import additions, name_rule
from marketfeed_operator.cel import RULES
from marketfeed_operator.schema import structural
from marketfeed_operator.status_schema import STATUS

GROUP, VERSION = API_VERSION.split("/")
PLURAL: Final = "marketfeeds"
NAME: Final = f"{PLURAL}.{GROUP}"

_READY: Final = ".status.conditions[?(@.type=='Ready')]"
_COLUMNS: Final = (
    ("Ready", "string", f"{_READY}.status", 0),
    ("Shards", "integer", ".status.totals.shards", 0),
    ("Connections", "string", ".status.totals.connections", 0),
    ("Streams", "string", ".status.totals.streams", 0),
    ("Age", "date", ".metadata.creationTimestamp", 0),
    ("Reason", "string", f"{_READY}.reason", 1),
    ("Message", "string", f"{_READY}.message", 1),
)


def definition() -> dict[str, Any]:
    """The whole manifest."""
    schema = {
        "type": "object",
        "description": "What market data to collect, and where to publish it.",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": structural(MarketFeedSpec, additions()),
            "status": STATUS,
        },
        RULES: [name_rule()],
    }
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": [
            {"name": name, "type": kind, "jsonPath": path, "priority": priority} for name, kind, path, priority in _COLUMNS
        ],
        "schema": {"openAPIV3Schema": schema},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": NAME},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": KIND,
                "listKind": f"{KIND}List",
                "plural": PLURAL,
                "singular": "marketfeed",
                "shortNames": ["mf"],
                "categories": ["marketfeed"],
            },
            "versions": [version],
        },
    }


class _Dumper(yaml.SafeDumper):
    """YAML without anchors: what is said twice is written twice."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def dumps() -> str:
    """As `crds/marketfeeds.yaml` has it."""
    head = "# Generated from marketfeed/resource.py by scripts/crds.py.\n"
    return head + yaml.dump(definition(), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
