"""What a publisher is given beside its part of the manifest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from marketfeed.clock import Clock
from marketfeed_shard.publishers.publisher import Announce
from marketfeed_shard.secrets import Secrets
from marketfeed_shard.streams.table import Stream


@dataclass(frozen=True, slots=True)
class Context:
    """The shard around a publisher."""

    feed: str
    shard: str
    exchange: str
    market: str
    streams: Sequence[Stream]
    """By slot; the shard's own list, which grows."""
    announce: Announce
    clock: Clock
    secrets: Secrets
    host: str
    """Address that servers listen on."""
