"""How one shard is: written by the shard at `/status`, read by operator and tools. The way up.

Ages, round trips and lags are in seconds. A stream is one symbol × channel, named `<channel>:<symbol>`. Lists of names are
capped at `NAMES`. Fields are added, never changed.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

NAMES = 50
"""Longest list of names in a report."""


class ConnectionState(StrEnum):
    CONNECTING = "connecting"
    OPEN = "open"
    DRAINING = "draining"
    BACKOFF = "backoff"


class CatalogueState(StrEnum):
    CURRENT = "current"
    STALE = "stale"
    UNKNOWN = "unknown"


class PublisherState(StrEnum):
    CONNECTING = "connecting"
    CONNECTED = "connected"
    BACKOFF = "backoff"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class RejectedStream:
    """A stream whose name the exchange refused."""

    stream: str
    reason: str


@dataclass(frozen=True, slots=True)
class StreamsReport:
    desired: int = 0
    live: int = 0
    stale: list[str] = field(default_factory=list)
    rejected: list[RejectedStream] = field(default_factory=list)
    unproven: list[str] = field(default_factory=list)
    """Acknowledged perhaps, but nothing came yet: a quiet symbol, or an address that serves it no more."""


@dataclass(frozen=True, slots=True)
class ConnectionReport:
    id: int
    state: ConnectionState
    streams: int
    last_message_age: float | None
    round_trip: float | None
    reconnects: int
    opened: str | None
    """RFC 3339, UTC; null while it is not open."""
    silent: list[str] = field(default_factory=list)
    """Streams that it brings no more although another connection does: asked for again here, and whole all the same."""


@dataclass(frozen=True, slots=True)
class BooksReport:
    desired: int = 0
    synced: int = 0
    gaps: int = 0
    resyncs: int = 0


@dataclass(frozen=True, slots=True)
class CatalogueReport:
    """The exchange's instrument list, as far as it is about the symbols of this shard."""

    state: CatalogueState = CatalogueState.UNKNOWN
    age: float | None = None
    """Null: there was none yet."""
    error: str | None = None
    """Why the latest one could not be had."""
    halted: list[str] = field(default_factory=list)
    """Symbols that are not traded, with the exchange's word: their silence is no fault."""


@dataclass(frozen=True, slots=True)
class PublisherReport:
    state: PublisherState
    queued_bytes: int
    published: int
    """Events that the sink answered."""
    dropped: int
    """Events that this publisher's consumers can no longer get."""
    lag: float
    """Age of the oldest event that waits for an answer."""
    error: str | None


@dataclass(frozen=True, slots=True)
class ShardReport:
    """All of `/status`."""

    shard: str
    exchange: str
    market: str
    generation: int
    ready: bool
    streams: StreamsReport
    connections: list[ConnectionReport]
    books: BooksReport
    publishers: dict[str, PublisherReport]
    engine: str = "plain"
    """compiled or plain."""
    reasons: list[str] = field(default_factory=list)
    """Why it is not ready, in words; empty when it is."""
    catalogue: CatalogueReport = field(default_factory=CatalogueReport)

    def as_dict(self) -> dict[str, Any]:
        """As `/status` has it."""
        return asdict(self)
