"""Why a shard's pod tells no status, as far as the pod itself says it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from marketfeed_operator.observed import Absence
from marketfeed_operator.store import is_leaving

SLOW_S: Final = 30.0
_HOPELESS: Final = frozenset(
    {
        "CrashLoopBackOff",
        "CreateContainerConfigError",
        "CreateContainerError",
        "ErrImageNeverPull",
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "RunContainerError",
    }
)
"""Why a container waits, where waiting alone does not help."""


def absence(pod: Mapping[str, Any] | None) -> Absence | None:
    """Why a pod cannot be asked; null: it can."""
    if pod is None:
        return Absence("there is no pod")
    if is_leaving(pod):
        return Absence("the pod is on its way out")
    status = pod.get("status", {})
    for container in _containers(status):
        waiting = container.get("state", {}).get("waiting")
        if waiting is not None:
            reason = waiting.get("reason", "unknown")
            return Absence(f"the container waits: {reason}", fault=reason in _HOPELESS)
        if "terminated" in container.get("state", {}):
            return Absence("the container has ended")
    if status.get("phase") != "Running" or not status.get("podIP"):
        unfit = any(
            c.get("type") == "PodScheduled" and c.get("reason") == "Unschedulable" for c in status.get("conditions", ())
        )
        return Absence("no node fits the pod", fault=True) if unfit else Absence(f"the pod is {status.get('phase', 'Pending')}")
    return None


def is_ending(pod: Mapping[str, Any], now_ns: int) -> bool:
    """Whether a pod is being deleted and may still run: until its grace is over, and a little longer for a slow node."""
    text = pod["metadata"].get("deletionTimestamp")  # the time at which it is to have ended
    return text is not None and now_ns / 1e9 < datetime.fromisoformat(text).timestamp() + SLOW_S


def _containers(status: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    return (container for container in status.get("containerStatuses", ()) if container.get("name") == "shard")
