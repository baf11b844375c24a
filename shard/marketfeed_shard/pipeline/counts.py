"""What the data path counts beside the columns of the stream table, for the metrics."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from marketfeed_shard.streams.durations import Durations

LATENCY_BOUNDS_MS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0, 10_000.0)


@dataclass(slots=True)
class Counts:
    """Of one shard."""

    gaps: Counter[str] = field(default_factory=Counter)
    """Gap events published, by reason."""
    announced: Durations = field(default_factory=Durations)
    """From the loss of a connection to each gap event that it caused."""
    malformed: int = 0
    """Messages that break their declaration."""
    ignored: int = 0
    """Messages of channels or symbols that nobody asked for."""
    last_malformed: str = ""
    """What was wrong with the latest one of these."""
