"""What an exchange is to the server: one object of this form per exchange and market, without I/O.

The server knows sockets, clocks and faults; what a client's text means, what goes over the wire and what REST answers is
said here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from marketfeed.exchanges.exchange import Window
from marketfeed_simulator.listing import Listing
from marketfeed_simulator.symbol import Ids, Levels, Symbol


@dataclass(frozen=True, slots=True)
class Limits:
    """What the exchange allows and how long it waits. A test makes them short with `dataclasses.replace`."""

    client_messages: Window
    """On one connection, pings and pongs included."""
    streams_per_connection: int
    connects: Window
    """Connection attempts of one address."""
    rest_weight: Window
    """Weight of the REST calls of one address."""
    warnings: int
    """So many refusals of an address, then it is banned."""
    ban_s: float
    ping_interval_s: float
    ping_timeout_s: float
    """Without the pong for this long the connection is cut."""
    lifetime_s: float


@dataclass(frozen=True, slots=True)
class Closings:
    """How connections end: (close code, reason)."""

    flood: tuple[int, str]
    """Too many messages from the client."""
    streams: tuple[int, str]
    """Too many streams."""
    pong: tuple[int, str]
    """No answer to a ping."""
    lifetime: tuple[int, str]
    """It is too old."""


@dataclass(slots=True)
class Session:
    """What the exchange knows of one connection."""

    topics: dict[str, None] = field(default_factory=dict)
    """Subscribed to, in that order."""
    combined: bool = False
    """Data comes in an envelope that names its stream."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What follows from a client's text; what it subscribed to is in the session."""

    replies: tuple[str, ...] = ()
    close: tuple[int, str] | None = None
    """Code and reason, after the replies."""
    violation: str | None = None
    """The limit that was broken."""


@dataclass(frozen=True, slots=True)
class HttpReply:
    status: int
    body: str
    """JSON."""
    weight: int = 1
    """Of the call, towards the limit of the address."""


@dataclass(frozen=True, slots=True)
class Feed:
    """What a topic delivers."""

    symbol: int
    """Place in the market."""
    kind: str
    """The exchange's own word."""
    every_s: float | None = None
    """A message so often; null: one with every step."""
    interval_s: float = 0.0
    """Of candles."""
    label: str = ""
    """Of candles: their interval as the exchange writes it."""


@dataclass(slots=True)
class Timer:
    """Where a feed that has a period of its own stands."""

    due_s: float
    """Monotonic."""
    step: int
    """The last that it told."""
    opened_ms: int = -1
    """Of the current candle."""
    first_step: int = 0
    """Of the current candle."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A recorded data message."""

    topics: tuple[str, ...]
    """Those under which it may be asked for: one, unless it was recorded without its stream's name."""
    native: str
    payload: str
    """The exchange's own text, without an envelope."""


class Source(Protocol):
    """Where the data comes from: the market, or a recording."""

    @property
    def listings(self) -> list[Listing]: ...

    def book(self, native: str, limit: int) -> Levels | None:
        """For REST; null where there is none."""
        ...


class Exchange(Protocol):
    """One market of one exchange."""

    @property
    def name(self) -> str: ...

    @property
    def market(self) -> str: ...

    @property
    def limits(self) -> Limits: ...

    @property
    def closings(self) -> Closings: ...

    def open(self, path: str, query: Mapping[str, str]) -> Session | None:
        """The session that a WebSocket request begins; null where the path is unknown."""
        ...

    def receive(self, session: Session, text: str, refusal: Callable[[], str | None]) -> Answer:
        """A client's text. A new subscription asks `refusal` for the reason to refuse it, or null."""
        ...

    def http(self, path: str, query: Mapping[str, str], source: Source) -> HttpReply | None:
        """A REST call; null where the path is unknown."""
        ...

    def refused(self, status: int, until_ms: int) -> str:
        """Body of a 418 or 429."""
        ...

    def envelope(self, session: Session, topic: str, payload: str) -> str:
        """Data as this session gets it."""
        ...

    def feed(self, topic: str, index: Mapping[str, int]) -> Feed | None:
        """What a topic delivers, with symbols by native name; null: nothing."""
        ...

    def live(self, kind: str, symbol: Symbol, step: int, ids: Ids, now_ms: str) -> str:
        """The payload of a feed without period, for one step. Ids and time are text, put in as they are."""
        ...

    def timed(self, feed: Feed, symbol: Symbol, step: int, timer: Timer, now_ms: int) -> Sequence[str]:
        """Payloads that are due of a feed with a period, the symbol being at this step; keeps the timer's step and candle."""
        ...

    def shutdown_notice(self, session: Session, now_ms: int) -> str:
        """The message that announces that this connection is about to be closed."""
        ...

    def recorded(self, line: str) -> Recorded | None:
        """A recorded line; null for a control message, or one that names no stream. Raises `ValueError` for no JSON."""
        ...
