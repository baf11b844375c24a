"""What Binance answers to a client's text: acknowledgements and errors, to the letter.

Source: the page "WebSocket Streams for Binance" (web-socket-streams.md, 2026-07-21). The page prints errors flat; frames seen
in the field wrap them, and "Too many subscriptions" was seen wrapped only.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Final, Literal

from marketfeed_simulator.session import Answer, Hearing, Session

ErrorForm = Literal["flat", "wrapped"]
METHODS: Final = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")
LONGEST_ID: Final = 36
TOO_MANY_STREAMS: Final = (1008, "Invalid request")
TOO_MANY_REQUESTS: Final = (1008, "Too many requests")
_method = re.compile(r'"method"\s*:\s*("(?:[^"\\]|\\.)*")')


class _InvalidError(Exception):
    """`with_id`: the page prints the id in this error though it is flat."""

    def __init__(self, code: int, reason: str, *, with_id: bool = False) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.with_id = with_id


@dataclass(frozen=True, slots=True)
class Control:
    """The answers of one endpoint."""

    streams_per_connection: int
    errors: ErrorForm = "flat"

    def receive(self, session: Session, text: str, hearing: Hearing) -> Answer:
        """See `Exchange.receive`."""
        number: Any = None
        try:
            body = _parse(text)
            number = body["id"]
            return self._act(session, body, number, hearing)
        except _InvalidError as invalid:
            return Answer((self._error(invalid, number),))

    def _act(self, session: Session, body: dict[str, Any], number: Any, hearing: Hearing) -> Answer:
        method, params = body["method"], body.get("params", [])
        if not isinstance(params, list):
            raise _InvalidError(2, "Invalid request: params must be an array")
        if method == "LIST_SUBSCRIPTIONS":
            if params:
                raise _InvalidError(2, "Invalid request: too many parameters")
            return _result(list(session.topics), number)
        if method in {"SET_PROPERTY", "GET_PROPERTY"}:
            return _property(session, method, params, number)
        if not all(isinstance(topic, str) for topic in params):
            raise _InvalidError(2, "Invalid request: stream names must be strings")
        if method == "UNSUBSCRIBE":
            for topic in params:
                session.topics.pop(topic, None)
            return _result(None, number)
        if not hearing.granted():
            return Answer(close=TOO_MANY_REQUESTS)
        reason = hearing.refusal()
        if reason is not None:
            raise _InvalidError(2, reason)
        wanted = session.topics | dict.fromkeys(params)
        if len(wanted) > self.streams_per_connection:
            error = {"error": {"code": 4, "msg": "Too many subscriptions"}, "id": number}
            return Answer((_dumps(error),), TOO_MANY_STREAMS, violation=f"{len(wanted)} streams on one connection")
        session.topics = wanted
        return _result(None, number)

    def _error(self, invalid: _InvalidError, number: Any) -> str:
        error: dict[str, Any] = {"code": invalid.code, "msg": invalid.reason}
        if self.errors == "wrapped":
            return _dumps({"error": error, "id": number})
        return _dumps(error | {"id": number} if invalid.with_id else error)


def _parse(text: str) -> dict[str, Any]:
    try:
        body = json.loads(text)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}"
        raise _InvalidError(3, f"Invalid JSON: expected value at {place}") from None
    if not isinstance(body, dict) or "method" not in body:
        raise _InvalidError(2, f"Invalid request: missing field `method` at line 1 column {len(text)}")
    method = body["method"]
    if method not in METHODS:
        found = _method.search(text)
        column = found.end(1) if found else len(text)
        known = ", ".join(f"`{name}`" for name in METHODS)
        raise _InvalidError(
            2, f"Invalid request: unknown variant `{method}`, expected one of {known} at line 1 column {column}"
        )
    if not _is_id(body.get("id", ...)):
        raise _InvalidError(2, "Invalid request: request ID must be an unsigned integer")
    return body


def _is_id(value: Any) -> bool:
    """A 64-bit integer, a short alphanumeric text, or null; a missing one is none."""
    if isinstance(value, str):
        return len(value) <= LONGEST_ID and value.isascii() and value.isalnum()
    return value is None or (type(value) is int and -(2**63) <= value < 2**63)


def _property(session: Session, method: str, params: list[Any], number: Any) -> Answer:
    setting = method == "SET_PROPERTY"
    if not params or not isinstance(params[0], str):
        raise _InvalidError(2, "Invalid request: property name must be a string")
    if len(params) > 1 + setting:
        raise _InvalidError(2, "Invalid request: too many parameters")
    if params[0] != "combined":
        raise _InvalidError(0, "Unknown property", with_id=True)
    if not setting:
        return _result(session.combined, number)
    if len(params) < 2 or not isinstance(params[1], bool):
        raise _InvalidError(1, "Invalid value type: expected Boolean")
    session.combined = params[1]
    return _result(None, number)


def _result(value: Any, number: Any) -> Answer:
    return Answer((_dumps({"result": value, "id": number}),))


def _dumps(body: Any) -> str:
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False)
