from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence

import pytest

from marketfeed_shard.streams.batch import DATA, Batch

Make = Callable[..., Batch]


@pytest.fixture
def done() -> list[Batch]:
    """Batches that all sinks have answered."""
    return []


@pytest.fixture
def make(done: list[Batch]) -> Make:
    """A batch of events of ten bytes: (slot, position) or (slot, position, kind) each."""

    def batch(*rows: Sequence[int], received_ns: int = 1, events: Sequence[bytes] = ()) -> Batch:
        index, data = array("q"), b""
        for i, (slot, position, *kind) in enumerate(rows):
            event = events[i] if events else b"%010d" % i
            index.extend((slot, len(data), len(data) + len(event), position, kind[0] if kind else DATA))
            data += event
        return Batch(data, index, received_ns, done.append)

    return batch
