"""What recovery asks of the outside, and what it is told: calls over REST, by number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from marketfeed.exchanges.exchange import Call


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a call, whatever its status."""

    status: int
    """Of HTTP."""
    body: bytes
    received_ns: int
    """Wall clock when all of it was there."""
    retry_after_s: float | None = None
    """Of the header of that name, where it tells seconds."""


class Rest(Protocol):
    """The client of one address. Calls are told apart by numbers, which the caller gives, each once."""

    def get(self, number: int, call: Call) -> None:
        """Begin a call. The answer is `RestEvents.answered` or `RestEvents.failed`, later, never from inside this method."""
        ...

    def cancel(self, number: int) -> None:
        """Let go of a call; nothing more is heard of it. One that is over is no error."""
        ...


class RestEvents(Protocol):
    """Receives what becomes of calls."""

    def answered(self, number: int, answer: Answer) -> None:
        """The exchange answered, with whatever status; redirects are not followed."""
        ...

    def failed(self, number: int, reason: str) -> None:
        """No answer, or none that could be taken: not connected, cut short, too large, too slow. A few words, no secrets."""
        ...
