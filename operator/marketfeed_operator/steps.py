"""What can be done now on the way to a plan. Pure: each pass looks anew, so that it matters not where the last one ended.

No stream may be held by two shards, and all shards of an exchange together never have more than the address's budget: who is to
get something waits until those who give something up have said that they did, and until pods that are to go are gone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from marketfeed.assignment import Assignment
from marketfeed.rollout import rollout


@dataclass(frozen=True, slots=True)
class Steps:
    """One pass."""

    drop: tuple[str, ...]
    """Shards to delete, before anything else."""
    write: tuple[Assignment, ...]
    """Shards to have as planned, in this order."""
    held: tuple[Assignment, ...]
    """Shards that have to wait for others."""


def steps(
    running: Mapping[str, Assignment],
    planned: Sequence[Assignment],
    unsettled: Collection[str],
    lingering: Collection[str],
) -> Steps:
    """From what runs to what is planned.

    `running`: by shard, what its ConfigMap assigns. `unsettled`: those of them that have not said yet that they read it.
    `lingering`: shards that are not to run, or have no Deployment, and still have pods.
    """
    todo = rollout(running, planned)
    changing = {a.shard for a in (*todo.first, *todo.then, *todo.start)}
    as_they_are = tuple(a for a in planned if a.shard not in changing)
    reduced = {a.shard for a in todo.first}
    givers = reduced.union(todo.stop, unsettled, lingering)
    exchanges = {a.shard: a.exchange for a in (*running.values(), *planned)}

    def held(assignment: Assignment) -> bool:
        own = assignment.exchange
        if assignment.shard in lingering or assignment.shard in reduced:
            return True
        return any(shard != assignment.shard and exchanges.get(shard, own) == own for shard in givers)

    getters = (*todo.then, *todo.start)
    free = tuple(a for a in getters if not held(a))
    return Steps(todo.stop, (*as_they_are, *todo.first, *free), tuple(a for a in getters if a not in free))
