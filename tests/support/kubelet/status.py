"""A pod's status as the API has it, from what is true on the node."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from kubelet.api import Object
from kubelet.container import Run, timestamp


@dataclass
class ContainerState:
    """One container of a pod, through all its runs."""

    name: str
    image: str
    restarts: int = 0
    run: Run | None = None
    started: bool = False
    ready: bool = False
    over: bool = False
    """It ended and is not to be started again."""
    waiting: tuple[str, str] = ("ContainerCreating", "")
    """Reason and message, while there is no run."""
    last: Object | None = None
    """How the run before ended."""

    @property
    def running(self) -> bool:
        return self.run is not None and self.run.running

    def terminated(self) -> Object:
        """How the run ended."""
        assert self.run is not None
        code = self.run.exit_code
        return {
            "exitCode": code,
            "reason": "Completed" if code == 0 else "Error",
            "startedAt": self.run.started,
            "finishedAt": self.run.finished,
            "containerID": f"process://{self.run.pid}",
            **({"signal": code - 128} if code > 128 else {}),
        }

    def status(self) -> Object:
        state: Object
        if self.running:
            assert self.run is not None
            state = {"running": {"startedAt": self.run.started}}
        elif self.over:
            state = {"terminated": self.terminated()}
        else:
            reason, message = self.waiting
            state = {"waiting": {"reason": reason, **({"message": message} if message else {})}}
        pid = self.run.pid if self.run is not None else 0
        return {
            "name": self.name,
            "image": self.image,
            "imageID": "",
            "containerID": f"process://{pid}" if pid else "",
            "restartCount": self.restarts,
            "started": self.running and self.started,
            "ready": self.running and self.ready,
            "state": state,
            "lastState": {"terminated": self.last} if self.last else {},
        }


@dataclass
class PodState:
    """One pod on a node."""

    containers: list[ContainerState]
    host: str
    """The node's address."""
    address: str | None = None
    began: str = field(default_factory=timestamp)
    refused: str | None = None
    """Why this node does not run it at all."""

    @property
    def phase(self) -> str:
        if self.refused is not None:
            return "Failed"
        if self.containers and all(container.over for container in self.containers):
            failed = any(c.run is None or c.run.exit_code for c in self.containers)
            return "Failed" if failed else "Succeeded"
        return "Running" if all(container.run is not None for container in self.containers) else "Pending"

    def status(self, pod: Object) -> Object:
        """`pod` tells which conditions there are already: their times move with the status only."""
        phase = self.phase
        ready = [c.name for c in self.containers if not (c.running and c.ready)]
        waits = f"containers with unready status: [{' '.join(ready)}]"
        done = phase == "Succeeded"
        verdicts = {
            "PodReadyToStartContainers": (self.address is not None and phase in {"Pending", "Running"}, "", ""),
            "Initialized": (self.refused is None, "PodFailed", ""),
            "ContainersReady": (not ready, "PodCompleted" if done else "ContainersNotReady", "" if done else waits),
            "Ready": (not ready, "PodCompleted" if done else "ContainersNotReady", "" if done else waits),
        }
        known = {condition["type"]: condition for condition in pod.get("status", {}).get("conditions", ())}
        status: Object = {
            "phase": phase,
            "observedGeneration": pod["metadata"].get("generation", 0),
            "hostIP": self.host,
            "hostIPs": [{"ip": self.host}],
            "startTime": self.began,
            "conditions": [_condition(kind, *verdict, known.get(kind)) for kind, verdict in verdicts.items()],
            "containerStatuses": [container.status() for container in self.containers],
        }
        if self.address is not None:
            status |= {"podIP": self.address, "podIPs": [{"ip": self.address}]}
        if self.refused is not None:
            status |= {"reason": "Unsupported", "message": self.refused}
        return status


def _condition(kind: str, true: bool, reason: str, message: str, known: Object | None) -> Object:
    status = "True" if true else "False"
    same = known is not None and known["status"] == status
    condition: dict[str, Any] = {"type": kind, "status": status}
    condition |= {"reason": None if true else reason or None, "message": None if true else message or None}
    condition["lastTransitionTime"] = known["lastTransitionTime"] if known is not None and same else timestamp()
    return condition


def differs(wanted: Object, found: Object) -> bool:
    """Whether a found status lacks anything of the wanted one; what others have added does not count."""
    found_conditions = {condition["type"]: condition for condition in found.get("conditions", ())}
    for condition in wanted["conditions"]:
        other = found_conditions.get(condition["type"], {})
        if any(other.get(key) != condition[key] for key in ("status", "reason", "message")):
            return True
    plain = wanted.keys() - {"conditions", "containerStatuses"}
    containers = [_pruned(status) for status in found.get("containerStatuses", ())]
    return any(found.get(key) != wanted[key] for key in plain) or containers != list(map(_pruned, wanted["containerStatuses"]))


def _pruned(status: Object) -> Object:
    """Without what the API server adds or leaves out by itself."""
    known = ("name", "containerID", "restartCount", "started", "ready", "state", "lastState")
    return {key: status.get(key) or None for key in known}
