"""What an exchange is to the server: one object of this form per exchange and market, without I/O.

The server knows sockets, clocks and faults; what a client's text means, what goes over the wire and what REST answers is
said here. A market is a file (or several, `okx.py`, `okx_rest.py`) with a subclass of `Exchange`, and a line in `catalogue`.

How data gets to a client:

1. `receive` hears `{"op":"subscribe",…}`, puts names of its own choice into `session.topics` and returns the answers. One
   topic is what is told to all who want it in the same words: `books:BTC-USDT`.
2. `feed` says what a topic delivers: a message with each step of a symbol (`live`), or one when its time has come (`timed`).
   All subscribers of a topic share one `Timer`; it begins with the first of them.
3. `first` makes what a new subscriber alone gets, before all others of the topic: a snapshot as of what was told last.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Protocol

from marketfeed_simulator.feeds import Feed, Timer
from marketfeed_simulator.limits import Limits
from marketfeed_simulator.listing import Listing
from marketfeed_simulator.session import Answer, Hearing, Session
from marketfeed_simulator.symbol import Ids, Levels, Symbol

ABNORMAL: Final = 1006
"""No close code: the connection ends without a close frame."""


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
    idle: tuple[int, str] = (ABNORMAL, "")
    """Silent for too long."""
    slow: tuple[int, str] = (ABNORMAL, "")
    """It reads too slowly: by a reset where there is no code."""


@dataclass(frozen=True, slots=True)
class HttpReply:
    status: int
    body: str
    """JSON."""
    weight: int = 1
    """Of the call, towards its budget."""
    budget: str = ""
    """Of `Limits.rest`; one that is not there is not counted."""


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
    def listings(self) -> Sequence[Listing]:
        """All symbols that are listed."""
        ...

    def book(self, native: str, limit: int) -> Levels | None:
        """For REST; null where there is none."""
        ...

    def place(self, native: str) -> int | None:
        """The place of a symbol in the market; null where it is not listed, and in a recording."""
        ...

    def symbol(self, at: int) -> Symbol:
        """By its place."""
        ...

    def last_step(self, at: int) -> int:
        """The last step that a symbol has made."""
        ...

    def time_ms(self, at: int, step: int) -> int:
        """When a symbol made a step: the time of that trade."""
        ...

    def step_since(self, at: int, time_ms: int) -> int:
        """The first step of a symbol at this time or later; it may be yet to come."""
        ...


@dataclass(frozen=True)
class Exchange(ABC):
    """One market of one exchange. Subclasses are frozen dataclasses that give these four a value."""

    name: str
    market: str
    limits: Limits
    closings: Closings

    block_kinds: ClassVar[frozenset[str]] = frozenset()
    """Kinds of live feeds that have a message at every step, and nothing in it but the step, its ids and the time."""

    # ---- connections -------------------------------------------------------------------------------------------------

    @abstractmethod
    def open(self, path: str, query: Mapping[str, str]) -> Session | None:
        """The session that a WebSocket request begins; null where the path is unknown."""

    def welcome(self, session: Session, now_ms: int) -> Sequence[str]:
        """What is said to a connection as soon as it is open."""
        return ()

    @abstractmethod
    def receive(self, session: Session, text: str, hearing: Hearing) -> Answer:
        """A client's text: it changes the session, and is answered."""

    def heartbeat(self, session: Session) -> str:
        """What is sent after `Limits.heartbeat_s` without anything."""
        return "{}"

    def notice(self, session: Session, now_ms: int) -> str | None:
        """The message that announces that this connection is about to be closed; null: this exchange says nothing."""
        return None

    # ---- data --------------------------------------------------------------------------------------------------------

    def native(self, listing: Listing) -> str:
        """A symbol as the exchange writes it."""
        return listing.base + listing.quote

    def listed(self, listing: Listing) -> Listing:
        """A listing as this market has it: named, its decimals and sizes as they are here. Changed with `replace` alone."""
        return listing.called(self.native(listing))

    @abstractmethod
    def feed(self, topic: str, index: Mapping[str, int]) -> Feed | None:
        """What a topic delivers, with symbols by native name; null: nothing."""

    def serves(self, session: Session, topic: str) -> bool:
        """Whether this connection gets what a topic that it subscribed to delivers (Binance: not on the wrong path)."""
        return True

    def is_deep(self, topic: str) -> bool:
        """Whether a topic counts towards `Limits.deep_books`."""
        return False

    @abstractmethod
    def live(self, kind: str, symbol: Symbol, step: int, ids: Ids, now_ms: str) -> str | None:
        """The payload of a feed without period, for one step; null: this step brings none (no liquidation).

        Ids and time are text, put in as they are. The time is that of the step, for the trade and the message alike.
        """

    def timed(self, feed: Feed, symbol: Symbol, step: int, timer: Timer, now_ms: int) -> Sequence[str]:
        """Payloads that are due of a feed with a period, the symbol being at this step; keeps the timer's step and all else."""
        return ()

    def first(self, feed: Feed, symbol: Symbol, step: int, timer: Timer | None, now_ms: int) -> Sequence[str]:
        """Payloads that a new subscriber alone gets at once; of a feed with a period as of what its timer told last."""
        return ()

    def listing_payloads(self, feed: Feed, listings: Sequence[Listing], now_ms: int, *, first: bool) -> Sequence[str]:
        """Payloads about all that is listed, of a feed with a period and without a symbol: there are no others of it.

        `first`: a new subscriber's own; else the list has changed.
        """
        return ()

    def envelope(self, session: Session, topic: str, payload: str) -> str:
        """Data as this session gets it."""
        return payload

    def trade_id(self, symbol: Symbol, step: int) -> str:
        """The id of a step's trade, as the exchange's documented trades stream and its REST tell it."""
        return str(symbol.trade_id(step))

    # ---- REST --------------------------------------------------------------------------------------------------------

    @abstractmethod
    def http(self, path: str, query: Mapping[str, str], source: Source, now_ms: int) -> HttpReply | None:
        """A REST call; null where the path is unknown."""

    def refused(self, status: int, until_ms: int) -> str:
        """Body of a call or handshake that is refused with this HTTP status; 0: for no known time."""
        return "{}"

    # ---- recordings --------------------------------------------------------------------------------------------------

    @abstractmethod
    def recorded(self, line: str) -> Recorded | None:
        """A recorded line; null for a control message, or one that names no stream. Raises `ValueError` for no JSON."""
