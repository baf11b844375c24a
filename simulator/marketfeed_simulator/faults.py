"""Faults on command: what they do to data, and to whom. No socket here; cutting connections is the server's."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Literal

Corruption = Literal["truncated", "type", "decimal", "utf8"]
"""Cut in half; a price that is an object; a price that is no number; a byte that no UTF-8 has."""
EVERY = "*"
_decimal = re.compile(rb':"\d+(?:\.\d+)?"')


class Tampering(StrEnum):
    GAP = "gap"
    DUPLICATE = "duplicate"
    REORDER = "reorder"
    CORRUPT = "corrupt"


@dataclass(slots=True)
class _Rule:
    """The next `left` messages that it fits."""

    kind: Tampering
    stream: str
    connection: int | None
    left: int
    form: Corruption = "truncated"

    def fits(self, connection: int, stream: str) -> bool:
        return (self.connection is None or self.connection == connection) and fnmatchcase(stream, self.stream)


class Faults:
    """What is wrong just now. A stream is a pattern (`btcusdt@*`); a connection a number, or null: all, later ones too."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._stalled: set[int | None] = set()
        self._frozen: set[int | None] = set()
        self._delays: dict[int | None, float] = {}
        self._silent: list[str] = []
        self._rules: list[_Rule] = []
        self._held: dict[tuple[int, str], bytes] = {}
        self._rejections: list[str] = []
        self._refusing: tuple[int | None, float] | None = None

    @property
    def active(self) -> bool:
        """Whether any of them touches data."""
        return bool(self._stalled or self._frozen or self._delays or self._silent or self._rules or self._held)

    # ---- commands ----------------------------------------------------------------------------------------------------

    def stall(self, connection: int | None = None) -> None:
        """Send no data; control messages, pings and pongs go on. What would have been sent is lost."""
        self._stalled.add(connection)

    def freeze(self, connection: int | None = None) -> None:
        """Send nothing at all, not even pongs, and keep the socket: a peer that is gone without a word."""
        self._frozen.add(connection)

    def slow(self, delay_s: float, connection: int | None = None) -> None:
        """Send data so much later."""
        self._delays[connection] = delay_s

    def silence(self, stream: str) -> None:
        """Acknowledge these streams and deliver nothing of them."""
        self._silent.append(stream)

    def gap(self, messages: int = 1, stream: str = EVERY, connection: int | None = None) -> None:
        """Leave the next messages out, so that ids jump."""
        self._rules.append(_Rule(Tampering.GAP, stream, connection, messages))

    def duplicate(self, messages: int = 1, stream: str = EVERY, connection: int | None = None) -> None:
        """Send each of the next messages twice."""
        self._rules.append(_Rule(Tampering.DUPLICATE, stream, connection, messages))

    def reorder(self, messages: int = 1, stream: str = EVERY, connection: int | None = None) -> None:
        """Send each of the next messages after the one of its stream that follows it."""
        self._rules.append(_Rule(Tampering.REORDER, stream, connection, messages))

    def corrupt(
        self, messages: int = 1, stream: str = EVERY, connection: int | None = None, form: Corruption = "truncated"
    ) -> None:
        """Spoil the next messages."""
        self._rules.append(_Rule(Tampering.CORRUPT, stream, connection, messages, form))

    def reject_subscribes(self, count: int = 1, reason: str = "Invalid request") -> None:
        """Answer the next subscriptions with an error."""
        self._rejections += [reason] * count

    def refuse(self, status: int | None = 503, seconds: float = float("inf")) -> None:
        """Refuse new connections and REST calls for so long: with this HTTP status, or null, by a reset."""
        self._refusing = status, self._monotonic() + seconds

    def ban(self, seconds: float = 120.0, status: int = 418) -> None:
        """Refuse whoever comes as the exchange does with those it banned, and say until when."""
        self.refuse(status, seconds)

    def clear(self, connection: int | None = None) -> None:
        """End all of them; with a connection, what was said of this one alone."""
        if connection is not None:
            self._stalled.discard(connection)
            self._frozen.discard(connection)
            self._delays.pop(connection, None)
            self._rules = [rule for rule in self._rules if rule.connection != connection]
            return
        for state in (self._stalled, self._frozen, self._delays, self._silent, self._rules, self._held, self._rejections):
            state.clear()
        self._refusing = None

    # ---- what follows ------------------------------------------------------------------------------------------------

    def stalled(self, connection: int) -> bool:
        return not self._stalled.isdisjoint((None, connection))

    def frozen(self, connection: int) -> bool:
        return not self._frozen.isdisjoint((None, connection))

    def delay_s(self, connection: int) -> float:
        return self._delays.get(connection, self._delays.get(None, 0.0))

    def rejection(self) -> str | None:
        """Why the subscription at hand is refused, or null."""
        return self._rejections.pop(0) if self._rejections else None

    def refusal(self) -> tuple[int | None, float] | None:
        """How whoever comes now is refused, and for how many seconds yet; null: he is not."""
        if self._refusing is None:
            return None
        status, until_s = self._refusing
        left_s = until_s - self._monotonic()
        return (status, left_s) if left_s > 0 else None

    def apply(self, connection: int, stream: str, text: bytes) -> list[bytes]:
        """What goes out on a connection in place of one message."""
        if self.stalled(connection) or self.frozen(connection) or any(fnmatchcase(stream, s) for s in self._silent):
            return []
        earlier = self._held.pop((connection, stream), None)
        out = self._tamper(connection, stream, text)
        return out if earlier is None else [*out, earlier]

    def _tamper(self, connection: int, stream: str, text: bytes) -> list[bytes]:
        rule = next((rule for rule in self._rules if rule.fits(connection, stream)), None)
        if rule is None:
            return [text]
        rule.left -= 1
        if rule.left <= 0:
            self._rules.remove(rule)
        match rule.kind:
            case Tampering.GAP:
                return []
            case Tampering.DUPLICATE:
                return [text, text]
            case Tampering.CORRUPT:
                return [_spoil(text, rule.form)]
            case Tampering.REORDER:
                self._held[connection, stream] = text
                return []


def _spoil(text: bytes, form: Corruption) -> bytes:
    half = len(text) // 2
    match form:
        case "truncated":
            return text[:half]
        case "type":
            return _decimal.sub(b":{}", text, count=1)
        case "decimal":
            return _decimal.sub(b':"1.2.3"', text, count=1)
        case "utf8":
            return text[:half] + b"\xff" + text[half:]
