"""What a plan is on this machine: ports and secrets. Decisions, without I/O."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from marketfeed.assignment import Assignment
from marketfeed.planner import succeed
from marketfeed.problem import NotAccepted, Problem


def placed(planned: Sequence[Assignment], offsets: dict[str, int], before: Mapping[str, Assignment]) -> list[Assignment]:
    """Assignments as they are on this machine: each with a gRPC port of its own, which it keeps while it lives.

    `offsets` by shard, from the manifest's port on: names that are planned get one, others lose theirs. Raises
    `NotAccepted` where there are more shards than ports.
    """
    names = [a.shard for a in planned]
    for gone in offsets.keys() - names:
        del offsets[gone]
    taken = set(offsets.values())
    for name in names:
        if name not in offsets:
            offsets[name] = next(i for i in range(len(names) + 1) if i not in taken)
            taken.add(offsets[name])
    return [succeed(before.get(a.shard), _with_port(a, offsets[a.shard])) for a in planned]


def _with_port(assignment: Assignment, offset: int) -> Assignment:
    grpc = assignment.publishers.grpc
    if grpc is None:
        return assignment
    port = grpc.port + offset
    if port > 65535:
        reason = f"{grpc.port} leaves no port for {assignment.shard}, which listens {offset} above it"
        raise NotAccepted([Problem("spec.publishers.grpc.port", reason, "choose a lower one")])
    publishers = assignment.publishers.model_copy(update={"grpc": grpc.model_copy(update={"port": port})})
    return assignment.model_copy(update={"publishers": publishers})


def secrets_wanted(planned: Collection[Assignment]) -> bool:
    """Whether a publisher or a proxy takes a value from a Secret."""
    return any(b'"secretKeyRef"' in assignment.dumps() for assignment in planned)
