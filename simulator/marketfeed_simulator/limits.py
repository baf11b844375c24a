"""The limits of an exchange, enforced: strict rolling windows, time as an argument."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from marketfeed.exchanges.exchange import Window
from marketfeed_simulator.exchange import Limits


class Violation(NamedTuple):
    """A limit that a client broke."""

    time_ns: int
    connection: int | None
    """Number of the connection; null where there was none yet."""
    rule: str
    """client_messages, streams_per_connection, connects, rest_weight, banned, pong, slow_reader."""
    detail: str


class RollingWindow:
    """Counts what happened in the last so many seconds."""

    def __init__(self, window: Window) -> None:
        self._window = window
        self._times: deque[tuple[float, int]] = deque()
        self._total = 0

    def add(self, now_s: float, weight: int = 1) -> bool:
        """One more; whether that is within the limit. What is not counts all the same."""
        while self._times and self._times[0][0] <= now_s - self._window.seconds:
            self._total -= self._times.popleft()[1]
        self._times.append((now_s, weight))
        self._total += weight
        return self._total <= self._window.count


class Refusal(NamedTuple):
    """How a call of an address is refused."""

    status: int
    retry_after_s: float
    rule: str


class AddressLimits:
    """What one address may do, and what becomes of it when it does more: 429, and after several of them 418 for a while."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._connects = RollingWindow(limits.connects)
        self._weight = RollingWindow(limits.rest_weight)
        self._warnings = 0
        self.banned_until_s = 0.0

    def connect(self, now_s: float) -> Refusal | None:
        """A connection attempt; null: it may."""
        return self._judge("connects", self._connects.add(now_s), self._limits.connects, now_s)

    def call(self, weight: int, now_s: float) -> Refusal | None:
        """A REST call of this weight; null: it may."""
        return self._judge("rest_weight", self._weight.add(now_s, weight), self._limits.rest_weight, now_s)

    def ban(self, seconds: float, now_s: float) -> None:
        """Whatever it does, for so long; 0 ends a ban."""
        self.banned_until_s = now_s + seconds
        self._warnings = 0

    def _judge(self, rule: str, within: bool, window: Window, now_s: float) -> Refusal | None:
        if now_s < self.banned_until_s:
            return Refusal(418, self.banned_until_s - now_s, "banned")
        if within:
            return None
        self._warnings += 1
        if self._warnings > self._limits.warnings:
            self.ban(self._limits.ban_s, now_s)
            return Refusal(418, self._limits.ban_s, rule)
        return Refusal(429, window.seconds, rule)
