"""What a publisher is: a sink behind a bounded buffer, with a promise of its own.

A publisher never blocks the reader or another publisher: `put` returns at once, whatever the sink does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from marketfeed.report import PublisherReport
from marketfeed_shard.streams.batch import Batch


@dataclass(slots=True)
class Loss:
    """Events of one stream that a publisher's consumers can no longer get."""

    slot: int
    count: int
    first_position: int
    """Of the first lost event in its stream, or UNKNOWN."""
    last_position: int
    before_ns: int
    """Receipt of the last batch that was delivered before the loss, or of the first lost one where there was none."""


Announce: TypeAlias = Callable[[list[Loss]], None]
"""Called by a publisher that delivers again, once for all that it lost meanwhile: gaps go out on each of these streams."""


class Publisher(Protocol):
    """One sink."""

    name: str
    """As the manifest has it: redisPubSub."""
    required: bool

    def put(self, batch: Batch) -> None:
        """Take a batch: hold it, deliver it or drop it, release it. Never blocks, never raises."""
        ...

    async def start(self) -> None:
        """Begin to connect; returns at once, goes on until `close`."""
        ...

    async def connected(self) -> None:
        """Returns when it has been connected once; waits for that as long as it takes."""
        ...

    async def close(self, deadline_s: float) -> None:
        """Deliver what waits within so many seconds, then let go."""
        ...

    def report(self) -> PublisherReport:
        """For `/status`."""
        ...
