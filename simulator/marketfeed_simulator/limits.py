"""The limits of an exchange, enforced: strict rolling windows, time as an argument.

The numbers stand in each exchange's file here, and not where the product has its own: what is too generous there is found out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from marketfeed.exchanges.exchange import Window


@dataclass(frozen=True, slots=True)
class Limits:
    """What the exchange allows and how long it waits; null: it does not count that. A test makes them short with `replace`."""

    client_messages: Window | None = None
    """On one connection, pings and pongs included."""
    requests: Window | None = None
    """(Un)subscribe requests on one connection."""
    streams_per_connection: int | None = None
    topic_characters: int | None = None
    """Of all topics of one connection together."""
    deep_books: int | None = None
    """Topics on one connection that `Exchange.is_deep`: an advice, so beyond it nothing happens but a violation."""
    request_topics: int | None = None
    """Topics in one request."""
    request_bytes: int | None = None
    """Of one request."""
    connects: tuple[Window, ...] = ()
    """Connection attempts of one address: all of these windows."""
    alive: int | None = None
    """Connections of one address at the same time."""
    rest: Mapping[str, Window] = field(default_factory=dict)
    """Weight of the REST calls of one address by their budget (`HttpReply.budget`)."""
    refused_status: int = 429
    """HTTP status of what is too much."""
    banned_status: int = 418
    """HTTP status of those who are banned."""
    warnings: float = float("inf")
    """So many refusals of an address, then it is banned."""
    ban_s: float = 0.0
    ping_interval_s: float | None = None
    """Between ping frames of the server; null: it sends none."""
    ping_timeout_s: float = 60.0
    """Without the pong for this long the connection is cut."""
    idle_s: float | None = None
    """Nothing came from the client and no data went to it for so long: it is cut."""
    heartbeat_s: float | None = None
    """Nothing was sent for so long to somebody who is subscribed: a heartbeat."""
    lifetime_s: float | None = None


class Violation(NamedTuple):
    """A limit that a client broke."""

    time_ns: int
    connection: int | None
    """Number of the connection; null where there was none yet."""
    rule: str
    """client_messages, requests, streams_per_connection, topic_characters, deep_books, request_topics, request_bytes, connects,
    alive, rest_weight, banned, pong, idle, slow_reader."""
    detail: str


class RollingWindow:
    """Counts what happened in the last so many seconds."""

    def __init__(self, window: Window) -> None:
        self.window = window
        self._times: deque[tuple[float, int]] = deque()
        self._total = 0

    def add(self, now_s: float, weight: int = 1) -> bool:
        """One more; whether that is within the limit. What is not counts all the same."""
        while self._times and self._times[0][0] <= now_s - self.window.seconds:
            self._total -= self._times.popleft()[1]
        self._times.append((now_s, weight))
        self._total += weight
        return self._total <= self.window.count


class Refusal(NamedTuple):
    """How a call of an address is refused."""

    status: int
    retry_after_s: float
    rule: str


class AddressLimits:
    """What one address may do, and what becomes of it when it does more: refused, after several times banned for a while."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._connects = [RollingWindow(window) for window in limits.connects]
        self._rest = {budget: RollingWindow(window) for budget, window in limits.rest.items()}
        self._warnings = 0
        self.banned_until_s = 0.0

    def connect(self, now_s: float, alive: int = 0) -> Refusal | None:
        """A connection attempt, so many being open; null: it may."""
        broken = [counted.window for counted in self._connects if not counted.add(now_s)]
        refusal = self._judge("connects", broken[0] if broken else None, now_s)
        if refusal is None and self._limits.alive is not None and alive >= self._limits.alive:
            return Refusal(self._limits.refused_status, 1.0, "alive")
        return refusal

    def call(self, weight: int, now_s: float, budget: str = "") -> Refusal | None:
        """A REST call of this weight; null: it may."""
        counted = self._rest.get(budget)
        within = counted is None or counted.add(now_s, weight)
        return self._judge("rest_weight", None if within or counted is None else counted.window, now_s)

    def ban(self, seconds: float, now_s: float) -> None:
        """Whatever it does, for so long; 0 ends a ban."""
        self.banned_until_s = now_s + seconds
        self._warnings = 0

    def _judge(self, rule: str, broken: Window | None, now_s: float) -> Refusal | None:
        if now_s < self.banned_until_s:
            return Refusal(self._limits.banned_status, self.banned_until_s - now_s, "banned")
        if broken is None:
            return None
        self._warnings += 1
        if self._warnings > self._limits.warnings:
            self.ban(self._limits.ban_s, now_s)
            return Refusal(self._limits.banned_status, self._limits.ban_s, rule)
        return Refusal(self._limits.refused_status, broken.seconds, rule)
