"""The schema of `.status`, as `conditions` computes it."""

from __future__ import annotations

from typing import Any, Final

from marketfeed.report import NAMES
from marketfeed_operator.reasons import Condition

_LIST: Final = "x-kubernetes-list-type"
_KEYS: Final = "x-kubernetes-list-map-keys"


def _text(description: str, **words: Any) -> dict[str, Any]:
    return {"type": "string", "description": description, **words}


def _count(description: str) -> dict[str, Any]:
    return {"type": "integer", "minimum": 0, "description": description}


def _section(description: str, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "description": description, "properties": properties}


_CONDITION: Final = {
    **_section(
        "One condition.",
        type=_text(f"One of {', '.join(Condition)}.", maxLength=316),
        status=_text("True, False or Unknown.", enum=["True", "False", "Unknown"]),
        reason=_text("One word for why, from the list in docs/conditions.md.", minLength=1, maxLength=128),
        message=_text("A sentence for people.", maxLength=1024),
        observedGeneration=_count("The generation of the feed that this is about."),
        lastTransitionTime=_text("When the status changed last.", format="date-time"),
    ),
    "required": ["type", "status", "reason", "message", "lastTransitionTime"],
}
_SHARD: Final = {
    **_section(
        "One shard.",
        name=_text("Of its Deployment and its ConfigMap."),
        exchange=_text("The exchange."),
        market=_text("The market of the exchange."),
        ready=_text("As the shard itself says: subscribed to all, its required publishers connected.") | {"type": "boolean"},
        streams=_section(
            "A stream is one channel of one symbol, named <channel>:<symbol>.",
            desired=_count("Assigned to the shard."),
            live=_count("On an open connection, acknowledged or seen, neither stale nor refused."),
            stale={
                "type": "array",
                "description": "Silent for longer than their usual pace explains.",
                "maxItems": NAMES,
                "items": {"type": "string"},
                _LIST: "atomic",
            },
            rejected={
                "type": "array",
                "description": "Refused by the exchange, with its reason.",
                "maxItems": NAMES,
                "items": _section("One stream.", stream=_text("Its name."), reason=_text("In the exchange's words.")),
                _LIST: "atomic",
            },
        ),
        connections=_section(
            "Connections to the exchange.",
            desired=_count("That the assigned streams need."),
            active=_count("That are open, as far as they are needed."),
        ),
    ),
    "required": ["name"],
}

STATUS: Final[dict[str, Any]] = _section(
    "How the feed is: written by the operator, and only when something changes.",
    observedGeneration=_count("The generation of the feed that this is about."),
    conditions={
        "type": "array",
        "description": "Whether the feed is accepted, on its way, ready, in trouble.",
        "items": _CONDITION,
        _LIST: "map",
        _KEYS: ["type"],
    },
    shards={
        "type": "array",
        "description": "The shards that run, or are to run.",
        "items": _SHARD,
        _LIST: "map",
        _KEYS: ["name"],
    },
    totals=_section(
        "Of all shards.",
        shards=_count("How many there are."),
        connections=_text("Active and desired, such as 12/12."),
        streams=_text("Live and desired, such as 1204/1204."),
    ),
)
