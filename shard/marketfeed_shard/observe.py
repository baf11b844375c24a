"""What a shard tells at its addresses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest

from marketfeed_shard.metrics import Metrics
from marketfeed_shard.status import Status


class Observer:
    """The `Health` of one shard."""

    def __init__(self, status: Status) -> None:
        self._status = status
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(Metrics(status))

    async def unready(self) -> Sequence[str]:
        return self._status.report().reasons

    async def status(self) -> dict[str, Any]:
        return self._status.report().as_dict()

    async def metrics(self) -> bytes:
        return generate_latest(self._registry)
