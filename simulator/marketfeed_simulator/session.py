"""One connection as an exchange knows it, what a client's text meets there, and what is answered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Session:
    """What the exchange knows of one connection."""

    topics: dict[str, None] = field(default_factory=dict)
    """Subscribed to, in that order."""
    combined: bool = False
    """Data comes in an envelope that names its stream (Binance)."""
    path: str = ""
    """Of the address at which it came in, where an exchange keeps several apart."""
    number: int = 0
    """Of the connection, from 1 on; what an exchange's ids of connections are made from."""


def _nothing() -> str | None:
    return None


def _granted() -> bool:
    return True


def _within(count: int = 1) -> bool:
    return True


def _known(topic: str) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Hearing:
    """What a client's text meets: the time, faults that were ordered, and the budgets of its connection."""

    now_ms: int = 0
    """Wall clock."""
    refusal: Callable[[], str | None] = _nothing
    """Why the subscription at hand is refused; null: it is not. To be asked once for each request (or topic, where each is
    answered for itself)."""
    granted: Callable[[], bool] = _granted
    """Whether the topic or request at hand may pass; else it is refused for its pace."""
    knows: Callable[[str], bool] = _known
    """Whether a topic delivers anything: its kind is one of this market's, its symbol is traded."""
    within: Callable[[int], bool] = _within
    """So many (un)subscribe requests more; whether that is within `Limits.requests`. What is not was written down."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What follows from a client's text; what it subscribed to is in the session."""

    replies: tuple[str, ...] = ()
    close: tuple[int, str] | None = None
    """Code and reason, after the replies."""
    rule: str = "streams_per_connection"
    """The limit that was broken, where one was."""
    violation: str | None = None
    """How."""
    again: tuple[str, ...] = ()
    """Topics that it had and asked for again: their first messages are sent once more."""
