"""Whether a whole connection can be saved: its streams would fit on others. Decisions only.

Streams come and go without a connection being closed for it, so some are emptier than they need be. Only when all has
been calm for long, one at a time is emptied, and nothing is interrupted by it.
"""

from __future__ import annotations

from collections import defaultdict

from marketfeed.report import ConnectionState
from marketfeed_shard.connection.connection import Connection
from marketfeed_shard.connection.pool import Pool

CALM_S = 600.0
"""Nothing changed for so long. Also the time between two of them."""


class Compacting:
    """Looks for a connection that is not needed."""

    def __init__(self, now_s: float) -> None:
        self._calm_since_s = now_s

    def disturbed(self, now_s: float) -> None:
        """Streams came or went, or a connection was lost."""
        self._calm_since_s = now_s

    def plan(self, pool: Pool, now_s: float) -> tuple[Connection, dict[int, Connection]] | None:
        """A connection to empty, and where each of its streams goes."""
        if now_s - self._calm_since_s < CALM_S or any(c.state is not ConnectionState.OPEN for c in pool):
            return None
        self._calm_since_s = now_s
        groups: dict[tuple[str, int], list[Connection]] = defaultdict(list)
        for connection in pool:
            groups[connection.url, connection.leg].append(connection)
        plans = (self._emptied(pool, group) for group in groups.values() if len(group) > 1)
        return next((plan for plan in plans if plan is not None), None)

    def _emptied(self, pool: Pool, group: list[Connection]) -> tuple[Connection, dict[int, Connection]] | None:
        least = min(group, key=lambda c: sum(1 for _ in c.subscriptions.held()))
        placement = pool.placement(c for c in group if c is not least)
        streams: dict[int, Connection] = {}
        for slot in least.subscriptions.slots:
            topics = [subscription.topic for subscription in least.subscriptions.of(slot)]
            place = placement.find(topics, least.url, least.leg)
            if place is None:
                return None
            streams[slot] = place
        return least, streams
