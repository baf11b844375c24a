"""Kubernetes events: one when something has changed for the user, none when nothing has. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from marketfeed.clock import Clock
from marketfeed_operator.conditions import condition
from marketfeed_operator.kinds import EVENT
from marketfeed_operator.reasons import Condition, Reason

COMPONENT: Final = "marketfeed-operator"
_LENGTH: Final = 1000
_WANTED: Final = (Reason.PAUSED, Reason.ROLLING_OUT)
"""Why a feed is not ready when that was asked for."""


@dataclass(frozen=True, slots=True)
class Happening:
    """What has changed."""

    kind: str
    """Normal or Warning."""
    reason: str
    message: str


def happenings(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Happening]:
    """What is worth an event between two statuses of a feed."""
    for kind, good in ((Condition.ACCEPTED, "True"), (Condition.READY, "True"), (Condition.DEGRADED, "False")):
        old, new = condition(before, kind), condition(after, kind)
        if new is None:
            continue
        turned = old is None or old.get("status") != new["status"]
        if not turned and (old is None or old.get("reason") == new["reason"]):
            continue
        if new["status"] == good:
            if turned and not (kind is Condition.DEGRADED and old is None):
                yield Happening("Normal", new["reason"], new["message"])
        elif kind is not Condition.READY:
            yield Happening("Warning", new["reason"], new["message"])
        elif turned and old is not None and new["reason"] != Reason.NOT_ACCEPTED:  # that one, Accepted tells
            yield Happening("Normal" if new["reason"] in _WANTED else "Warning", new["reason"], new["message"])


def manifest(feed: Mapping[str, Any], happening: Happening, clock: Clock, instance: str) -> dict[str, Any]:
    """The event. `instance`: which operator tells it."""
    metadata = feed["metadata"]
    now = datetime.fromtimestamp(clock.time_ns() // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "apiVersion": EVENT.api_version,
        "kind": EVENT.name,
        "metadata": {"generateName": f"{metadata['name']}-", "namespace": metadata["namespace"]},
        "involvedObject": {
            "apiVersion": feed["apiVersion"],
            "kind": feed["kind"],
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
        },
        "type": happening.kind,
        "reason": happening.reason,
        "message": happening.message[:_LENGTH],
        "source": {"component": COMPONENT},
        "reportingComponent": COMPONENT,
        "reportingInstance": instance,
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    }
