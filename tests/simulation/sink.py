"""A sink that the judge reads, and that is slow at times."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from marketfeed.report import PublisherReport, PublisherState
from marketfeed_shard.streams.batch import Batch


class Sink:
    """It is a `Publisher`."""

    name = "sink"
    required = True

    def __init__(self, published: Callable[[Batch], None]) -> None:
        self._published = published
        self._held: deque[Batch] = deque()
        self.slow = False
        """It takes what it is given, and answers for nothing."""

    def put(self, batch: Batch) -> None:
        self._published(batch)
        batch.hold()
        self._held.append(batch)
        if not self.slow:
            self.answer()

    def answer(self) -> None:
        """For all that it was given."""
        while self._held:
            self._held.popleft().release()

    def forget(self) -> None:
        """Nobody waits for its answers any more."""
        self._held.clear()

    def report(self) -> PublisherReport:
        return PublisherReport(PublisherState.CONNECTED, 0, 0, 0, 0.0, None)

    async def start(self) -> None: ...

    async def connected(self) -> None: ...

    async def close(self, deadline_s: float) -> None: ...
