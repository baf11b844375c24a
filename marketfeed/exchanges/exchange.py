"""What an exchange is, to everything that runs one: limits, endpoints, frames to send, replies to understand.

A market of an exchange is one value of `Market`: data and a few functions without I/O, written in one file per exchange
and listed in `catalogue`. Nothing outside that file knows an exchange by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any

from marketfeed.exchanges.message import Wire
from marketfeed.symbols import Instrument


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit that a manifest may tighten, or raise to the ceiling, with the document that states it."""

    default: float
    ceiling: float
    source: str
    """Page and date."""


@dataclass(frozen=True, slots=True)
class Window:
    """At most `count` in any `seconds`: a strict rolling window, never a bucket with a burst."""

    count: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Limits:
    """What an exchange allows."""

    streams_per_connection: Limit
    messages_per_second: Limit
    """Client messages on one connection: control messages, pings and pongs."""
    connects_per_5_minutes: Limit
    """Attempts by address."""
    connections_per_shard: Limit
    request_topics: int
    """Topics in one (un)subscribe request."""
    request_bytes: int
    """Bytes of one (un)subscribe request."""
    lifetime_s: float | None
    """After this the exchange ends a connection; null: not published."""


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Base addresses, without paths; a manifest's `endpoint` replaces them."""

    ws: str
    rest: str
    others: Mapping[str, str] = field(default_factory=dict)
    """Those that an exchange keeps apart: wsPublic, wsMarket, wsBusiness."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """How a connection is kept alive and proven alive."""

    interval_s: float
    """Between our own pings."""
    timeout_s: float
    """Without an answer for this long the connection is dead."""
    payload: str | None = None
    """Text to send; null: a WebSocket ping frame."""


class ControlKind(StrEnum):
    """What a message that is not data tells."""

    ACKNOWLEDGED = "acknowledged"
    REJECTED = "rejected"
    """The exchange refuses the names of this request."""
    PACED = "paced"
    """The exchange refuses the pace: to be sent again later, within the budget."""
    CLOSING = "closing"
    """The exchange is about to close this connection: open another one first."""
    ALIVE = "alive"
    """A pong, a heartbeat, a status: proof of life and nothing else."""


@dataclass(frozen=True, slots=True)
class Control:
    """A control message, understood."""

    kind: ControlKind
    request: int | None = None
    """The id of the request that it answers."""
    reason: str = ""
    topics: tuple[str, ...] = ()
    """The topics that it is about, where the exchange names them; else all of the request."""


@dataclass(frozen=True, slots=True)
class Closing:
    """What a close code tells about how to come back."""

    paced: bool = False
    """We sent too much: slow down."""
    banned_s: float = 0.0
    """No attempt for this long."""
    reason: str = ""


def http_refusal(status: int, retry_after_s: float | None) -> Closing:
    """What a refused handshake or REST call tells by its HTTP status; the same on all exchanges at hand."""
    if status == 418:
        return Closing(banned_s=max(retry_after_s or 0.0, 120.0), reason="Banned (HTTP 418)")
    if status == 429:
        return Closing(paced=True, banned_s=retry_after_s or 60.0, reason="TooManyRequests (HTTP 429)")
    if status == 403:
        return Closing(banned_s=retry_after_s or 300.0, reason="Forbidden (HTTP 403)")
    if status == 451:
        return Closing(banned_s=retry_after_s or 300.0, reason="RegionBlocked (HTTP 451)")
    return Closing(banned_s=retry_after_s or 0.0, reason=f"HTTP {status}")


@dataclass(frozen=True, slots=True)
class Market:
    """One market of one exchange."""

    exchange: str
    name: str
    wire: Wire
    limits: Limits
    endpoints: Endpoints
    heartbeat: Heartbeat
    quotes: tuple[str, ...]
    """Quote currencies, for splitting a native symbol where no instrument list is at hand."""
    channels: tuple[str, ...]
    """Channels that this market offers, candles with their intervals."""
    rates: Mapping[str, float]
    """Expected messages per second of one stream by channel (`candles` for all intervals): what shards are balanced by."""
    topic: Callable[[str, str], str]
    """(channel, native symbol) → the topic to subscribe to."""
    path: Callable[[str], tuple[str, str]]
    """channel → (which endpoint: `ws`, `wsMarket` …; the path on it): streams of one path may share a connection."""
    subscribe: Callable[[Sequence[str], int], str]
    """(topics, request id) → the frame to send."""
    unsubscribe: Callable[[Sequence[str], int], str]
    control: Callable[[Any], Control | None]
    """A decoded message that carries no data → what it tells, or null where it is not known."""
    closing: Callable[[int, str], Closing]
    """(close code, reason) → how to come back."""
    native: Callable[[str], str]
    """Normalised symbol → the exchange's."""
    instruments: Callable[[Any], list[Instrument]]
    """Decoded body of the instrument list → the instruments of this market."""
    instruments_path: str
    envelope: Callable[[Any], Any]
    """A decoded message without a topic of its own (a raw stream) → one with it, or the message unchanged."""
    refusal: Callable[[int, float | None], Closing] = http_refusal
    """(HTTP status, seconds of its Retry-After) → how to come back."""
    volumes_path: str | None = None
    """Where the exchange tells 24 h volumes of all its instruments; null: it does not."""
    volumes: Callable[[Any], dict[str, Decimal]] = lambda body: {}
    """Decoded body from there → 24 h quote volume by native symbol."""
