"""The server's pings on one connection, and what becomes of it when they are not answered. Time as an argument."""

from __future__ import annotations

from enum import Enum


class Due(Enum):
    """What is to be done."""

    NOTHING = "nothing"
    PING = "ping"
    CUT = "cut"


class Keepalive:
    """A ping every `interval_s`; without the pong to one of them within `timeout_s` the connection is cut."""

    def __init__(self, interval_s: float | None, timeout_s: float, now_s: float) -> None:
        """`interval_s` null: the server sends none."""
        self._interval_s = float("inf") if interval_s is None else interval_s
        self._timeout_s = timeout_s
        self._next_s = now_s + self._interval_s
        self._waiting: dict[bytes, float] = {}

    def due(self, now_s: float) -> Due:
        """At this time; a ping that is due counts from then on."""
        if self._waiting and now_s - next(iter(self._waiting.values())) >= self._timeout_s:
            return Due.CUT
        if now_s < self._next_s:
            return Due.NOTHING
        self._next_s = now_s + self._interval_s
        return Due.PING

    def pinged(self, payload: bytes, now_s: float) -> None:
        """A ping went out."""
        self._waiting[payload] = now_s

    def ponged(self, payload: bytes) -> None:
        """A pong came: it answers the ping with the same payload and those before. Any other proves nothing."""
        if payload in self._waiting:
            while next(iter(self._waiting)) != payload:
                del self._waiting[next(iter(self._waiting))]
            del self._waiting[payload]
