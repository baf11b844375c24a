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

from marketfeed.exchanges.message import Message, Wire
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
    source: str = ""
    """Page and date."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What an exchange allows."""

    streams_per_connection: Limit
    messages_per_second: Limit
    """Client messages on one connection: control messages, pings and pongs."""
    connects_per_5_minutes: Limit
    """Attempts by address."""
    connections_per_shard: Limit
    request_topics: Limit
    """Topics in one (un)subscribe request."""
    request_bytes: Limit
    """Bytes of one (un)subscribe request."""
    rest: Window
    """Weight of REST calls by address."""
    lifetime_s: Limit | None = None
    """After this the exchange ends a connection; null: not published."""
    requests: Window | None = None
    """(Un)subscribe requests on one connection, where the exchange counts them over a longer time."""
    connects: Window | None = None
    """Attempts by address, beside those of 5 minutes."""
    connections_per_address: Limit | None = None
    """Connections that are open at the same time, of all shards."""
    topic_bytes: Limit | None = None
    """Characters of all topics of one connection together."""
    deep_books: Limit | None = None
    """Topics on one connection that are `deep`."""


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
    answer: str | None = None
    """The whole text of the answer, where it is no JSON; else `Market.control` knows it."""


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
    """The answer to our ping."""
    HEARTBEAT = "heartbeat"
    """Sent unasked where there is nothing else to send: the connection is well, whatever its streams are."""


@dataclass(frozen=True, slots=True)
class Control:
    """A control message, understood."""

    kind: ControlKind
    request: int | None = None
    """The id of the request that it answers."""
    reason: str = ""
    topics: tuple[str, ...] = ()
    """Names of the topics that it is about, where the exchange tells them; else all of the request."""
    native: str = ""
    """Of the request's topics only those of this symbol, where the exchange tells it and not the topic."""


@dataclass(frozen=True, slots=True)
class Closing:
    """What a close code tells about how to come back."""

    paced: bool = False
    """We sent too much: slow down."""
    banned_s: float = 0.0
    """No attempt for this long."""
    reason: str = ""


class FaultKind(StrEnum):
    """What an answer over REST that brings nothing tells about asking again."""

    PACED = "paced"
    """We asked too often: the same call will do later."""
    REFUSED = "refused"
    """The exchange refuses the call itself, and would again."""
    FAILED = "failed"
    """The exchange could not answer now."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with an answer over REST, by its body: some exchanges send their errors with HTTP 200."""

    kind: FaultKind
    reason: str
    """In the exchange's own words, with its code."""


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
class Topic:
    """Something to subscribe to."""

    name: str
    """Tells it from all others of its market; what `Control.topics` names."""
    native: str = ""
    """The symbol that it is about; empty: it serves many."""
    endpoint: str = "ws"
    """Which address: `ws`, or one that the exchange keeps apart (`wsPublic`, `wsMarket`, `wsBusiness`)."""
    path: str = ""
    """On that address. Topics of one address and path may share a connection."""
    group: str = ""
    """Only topics of one group go into one request."""
    deep: bool = False
    """It counts towards `Limits.deep_books`."""


@dataclass(frozen=True, slots=True)
class Call:
    """A REST call."""

    path: str
    """With its query; the base address goes before it."""
    weight: int = 1
    """Towards `Limits.rest`."""


@dataclass(frozen=True, slots=True)
class BookSnapshot:
    """A book over REST: where it begins, or what stands in for a snapshot that the socket did not bring."""

    call: Callable[[str, int | None], Call]
    """(native symbol, the manifest's bookDepth) → the call."""
    message: Message
    """Its body, declared; it has no topic."""
    after_s: float | None = None
    """Wait so long after the acknowledgement for the socket's own; null: there is none, books begin with REST."""


@dataclass(frozen=True, slots=True)
class Hole:
    """Missing trades of one symbol."""

    first: int | None
    """The first missing id, where the exchange numbers its trades."""
    last: int | None
    """The last missing one."""
    since_ns: int
    """Time of the last trade before it, or its receipt; 0: not known."""


@dataclass(frozen=True, slots=True)
class TradeHistory:
    """Missed trades over REST."""

    call: Callable[[str, Hole], Call]
    """(native symbol, what is missing) → the call for the first page of it; for the next one the hole is what is left."""
    message: Message
    """Its body, declared; it has no topic. Its numbering is what proves that nothing is missing between two rows."""
    rows: int
    """In one answer at most: a shorter one is the last."""
    newest_first: bool = False
    """A page ends at the hole's end, and the next one goes back from there; else it begins at the hole's beginning."""
    pages: bool = True
    """Whether there is more than one page: some exchanges only have the latest trades."""


@dataclass(frozen=True, slots=True)
class Poll:
    """What there is no stream for, asked for again and again."""

    channel: str
    call: Callable[[str], Call]
    """Native symbol → the call."""
    message: Message
    """Its body, declared; it has no topic."""
    every_s: float
    """At the most often; less where the budget does not allow it."""


@dataclass(frozen=True, slots=True)
class InstrumentList:
    """The instruments of a market."""

    calls: tuple[Call, ...]
    """All of them make up the list."""
    parse: Callable[[Any], list[Instrument]]
    """Decoded body → the instruments of this market in it."""
    next_page: Callable[[Call, Any], Call | None] = lambda call, body: None
    """(call, its decoded body) → the call for the next page, where the list comes in several."""
    volumes_calls: tuple[Call, ...] = ()
    """Where the exchange tells 24 h volumes of all its instruments; none: it does not."""
    volumes: Callable[[Any], dict[str, Decimal]] = lambda body: {}
    """Decoded body from there → 24 h quote volume by native symbol."""


@dataclass(frozen=True, slots=True)
class Market:
    """One market of one exchange."""

    exchange: str
    name: str
    wire: Wire
    limits: Limits
    endpoints: Endpoints
    heartbeat: Heartbeat
    channels: tuple[str, ...]
    """Channels that this market offers, candles with their intervals."""
    rates: Mapping[str, float]
    """Expected messages per second of one stream by channel (`candles` for all intervals): what shards are balanced by."""
    topics: Callable[[str, str, int | None], tuple[Topic, ...]]
    """(channel, native symbol, the manifest's bookDepth) → all that has to be subscribed to for that stream."""
    subscribe: Callable[[Sequence[Topic], int], str]
    """(topics of one group, request id) → the frame to send."""
    unsubscribe: Callable[[Sequence[Topic], int], str]
    control: Callable[[Any], Control | None]
    """A decoded message that carries no data → what it tells, or null where it is not known."""
    closing: Callable[[int, str], Closing]
    """(close code, reason) → how to come back."""
    native: Callable[[str], str]
    """Normalised symbol → the exchange's, by its form alone."""
    symbol: Callable[[str], str | None]
    """The exchange's symbol → the normalised one, by its form alone; null: it has no form that is known."""
    instruments: InstrumentList
    envelope: Callable[[Any], Any] = lambda body: body
    """A decoded message without a topic of its own (a raw stream) → one with it, or the message unchanged."""
    fault: Callable[[Any], Fault | None] = lambda body: None
    """A decoded answer over REST, whatever it is → what it says is wrong; null: nothing."""
    refusal: Callable[[int, float | None], Closing] = http_refusal
    """(HTTP status, seconds of its Retry-After) → how to come back."""
    index: Callable[[str], str | None] = lambda native: None
    """Native symbol → the index that its price follows, where messages name that in its place."""
    depths: tuple[int, ...] = ()
    """Depths of the book that can be subscribed to; none: all of it."""
    default_depth: int | None = None
    """Of these, where the manifest names no `bookDepth`."""
    cuts_books: bool = False
    """Levels that fall out of the depth are not told: who keeps a book has to cut it after each change."""
    snapshot: BookSnapshot | None = None
    """Null: the socket brings a snapshot after each subscription."""
    history: TradeHistory | None = None
    """Null: missed trades cannot be had."""
    polls: tuple[Poll, ...] = ()
    compression: bool = False
    """The exchange states that its sockets offer permessage-deflate (RFC 7692)."""

    def depth(self, wanted: int | None) -> int | None:
        """The smallest depth of the exchange that holds `wanted` levels, the largest where none does; null: all of the book."""
        if not self.depths:
            return None
        least = self.default_depth if wanted is None else wanted
        return min((d for d in self.depths if least is None or d >= least), default=max(self.depths))
