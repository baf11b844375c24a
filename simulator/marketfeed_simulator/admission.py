"""Who is let in: every HTTP request is judged here, WebSocket or REST, by faults, the limits of its address and its path."""

from __future__ import annotations

import http
from collections.abc import Callable, Mapping

from websockets.datastructures import Headers
from websockets.http11 import Response

from marketfeed.clock import Clock
from marketfeed_simulator.exchange import Exchange, Source
from marketfeed_simulator.faults import Faults
from marketfeed_simulator.limits import AddressLimits, Refusal
from marketfeed_simulator.session import Session

_NOT_FOUND = '{"code":404,"msg":"there is nothing at this path"}'


class Admission:
    """The door of one exchange."""

    def __init__(
        self,
        exchange: Exchange,
        source: Source,
        faults: Faults,
        clock: Clock,
        alive: Callable[[str], int],
        on_violation: Callable[[str, str], None],
    ) -> None:
        """`alive`: how many connections of an address are open. `on_violation`: (rule, detail) of a limit that was broken."""
        self._exchange, self._source, self._faults, self._clock = exchange, source, faults, clock
        self._alive, self._on_violation = alive, on_violation
        self._addresses: dict[str, AddressLimits] = {}

    def judge(self, address: str, path: str, query: Mapping[str, str]) -> Session | Response | None:
        """A session for a WebSocket that may come in, a response for all else; null: reset the connection."""
        refusal = self._faults.refusal()
        if refusal is not None:
            status, seconds = refusal
            if status in {self._exchange.limits.refused_status, self._exchange.limits.banned_status}:
                self._on_violation("banned", path)
            return None if status is None else self._refused(status, seconds)
        limits = self._addresses.setdefault(address, AddressLimits(self._exchange.limits))
        session = self._exchange.open(path, query)
        if session is None:
            return self._call(limits, path, query)
        broken = limits.connect(self._clock.monotonic(), self._alive(address))
        return session if broken is None else self._broken(broken, path)

    def _call(self, limits: AddressLimits, path: str, query: Mapping[str, str]) -> Response:
        """A REST call."""
        reply = self._exchange.http(path, query, self._source, self._clock.time_ns() // 1_000_000)
        if reply is None:
            return response(404, _NOT_FOUND)
        broken = limits.call(reply.weight, self._clock.monotonic(), reply.budget)
        if broken is not None:
            return self._broken(broken, path)
        status = self._faults.rest_refusal()
        if status is not None:
            return self._refused(status, float("inf"))
        return response(reply.status, self._faults.rest_body(reply.body))

    def _broken(self, refusal: Refusal, path: str) -> Response:
        self._on_violation(refusal.rule, path)
        return self._refused(refusal.status, refusal.retry_after_s)

    def _refused(self, status: int, seconds: float) -> Response:
        endless = seconds == float("inf")
        until_ms = 0 if endless else self._clock.time_ns() // 1_000_000 + round(seconds * 1000)
        return response(status, self._exchange.refused(status, until_ms), None if endless else seconds)


def response(status: int, body: str, retry_after_s: float | None = None) -> Response:
    """JSON, after which the connection is closed."""
    content = body.encode()
    headers = Headers([("Content-Type", "application/json"), ("Content-Length", str(len(content))), ("Connection", "close")])
    if retry_after_s is not None:
        headers["Retry-After"] = str(max(1, round(retry_after_s)))
    return Response(status, http.HTTPStatus(status).phrase, headers, content)
