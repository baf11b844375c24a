"""What OKX answers to a client's text: an acknowledgement or an error for each argument, with the exchange's own words.

Sources: docs-v5 overview-websocket, error-codes and close-frame (2026-07), and frames as seen in the field. That good arguments
of a request survive a bad one beside it is not documented.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from marketfeed_simulator.limits import Limits
from marketfeed_simulator.session import Answer, Hearing, Session

PUBLIC: Final = "/ws/v5/public"
BUSINESS: Final = "/ws/v5/business"
TOO_MANY_CHANNELS: Final = (4009, "The number of subscription channels for this connection exceeds the limit")
TOO_LONG: Final = (1009, "Request message exceeds the maximum frame length")
_MOVED: Final = (
    "More details can refer to: https://www.okx.com/help-center/changes-to-v5-api-websocket-subscription-parameter-and-url"
)
_WRONG_PATH: Final = {
    PUBLIC: ("64001", f"This channel has been migrated to the '/business' URL. Please subscribe using the new URL. {_MOVED}"),
    BUSINESS: (
        "64002",
        'This channel is not supported by "/business" URL. Please use "/private" URL(for private channels), or "/public" '
        f"URL(for public channels). {_MOVED}",
    ),
}
_UNKNOWN: Final = "doesn't exist. Please use the correct URL, channel and parameters referring to API document."
_id = re.compile(r"[A-Za-z0-9]{1,32}").fullmatch


class _InvalidError(Exception):
    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


@dataclass(frozen=True, slots=True)
class Control:
    """The answers of one market."""

    limits: Limits

    def receive(self, session: Session, text: str, hearing: Hearing) -> Answer:
        """See `Exchange.receive`."""
        if text == "ping":
            return Answer(("pong",))
        most = self.limits.request_bytes
        if most is not None and (length := len(text.encode())) > most:
            return Answer((), TOO_LONG, "request_bytes", f"{length} bytes")
        number: str | None = None
        try:
            body = _parse(text)
            number = _number(body)
            _admit(body["op"], hearing)
        except _InvalidError as invalid:
            return Answer((_error(session, invalid, number),))
        if body["op"] == "unsubscribe":
            return _unsubscribe(session, body["args"], number)
        return self._subscribe(session, body["args"], number, hearing)

    def _subscribe(self, session: Session, args: list[Mapping[str, str]], number: str | None, hearing: Hearing) -> Answer:
        replies: list[str] = []
        again: list[str] = []
        most = self.limits.streams_per_connection
        for arg in args:
            try:
                topic = _wanted(session, arg, hearing)
            except _InvalidError as invalid:
                replies.append(_error(session, invalid, number))
                continue
            if topic in session.topics:
                again.append(topic)
            elif most is not None and len(session.topics) >= most:
                return Answer(tuple(replies), TOO_MANY_CHANNELS, violation=f"{most + 1} on one connection")
            session.topics[topic] = None
            replies.append(_reply(session, {"event": "subscribe", "arg": arg}, number))
        return Answer(tuple(replies), again=tuple(again))


def notice(session: Session) -> str | None:
    """What is said 60 s before a service upgrade; not on `/business` "for now" (docs-v5 overview-websocket, 2026-07)."""
    if session.path == BUSINESS:
        return None
    reason = "The connection will soon be closed for a service upgrade. Please reconnect."
    return _reply(session, {"event": "notice", "code": "64008", "msg": reason}, None)


def topic_of(arg: Mapping[str, str]) -> str:
    """`books:BTC-USDT`, `liquidation-orders:SWAP`."""
    return f"{arg['channel']}:{arg.get('instId') or arg.get('instType', '')}"


def is_of_business(channel: str) -> bool:
    """Whether a channel is served on `/business` alone."""
    return channel.startswith("candle") or channel == "trades-all"


# ---- requests ------------------------------------------------------------------------------------------------------------


def _parse(text: str) -> dict[str, Any]:
    """The request, with an operation and arguments."""
    try:
        body = json.loads(text)
    except ValueError:
        body = None
    if not isinstance(body, dict) or "op" not in body or not isinstance(body.get("args"), list) or not body["args"]:
        raise _InvalidError("60012", f"Invalid request: {text}")
    if body["op"] not in {"subscribe", "unsubscribe"}:
        raise _InvalidError("60019", f"Invalid op: {body['op']}")
    if not all(_is_arg(arg) for arg in body["args"]):
        raise _InvalidError("60013", "Invalid args")
    return body


def _is_arg(arg: Any) -> bool:
    return isinstance(arg, dict) and "channel" in arg and all(isinstance(value, str) for value in arg.values())


def _number(body: Mapping[str, Any]) -> str | None:
    number = body.get("id")
    if number is None or (isinstance(number, str) and _id(number)):
        return number
    raise _InvalidError("60033", "Parameter id error.")


def _admit(operation: str, hearing: Hearing) -> None:
    if not hearing.within(1) or not hearing.granted():
        raise _InvalidError("60014", "Requests too frequent")
    if operation == "subscribe" and (reason := hearing.refusal()) is not None:
        raise _InvalidError("60012", reason)


def _wanted(session: Session, arg: Mapping[str, str], hearing: Hearing) -> str:
    """The topic of an argument that is subscribed to."""
    if is_of_business(arg["channel"]) != (session.path == BUSINESS):
        raise _InvalidError(*_WRONG_PATH[session.path])
    topic = topic_of(arg)
    if not hearing.knows(topic):
        named = ",".join(f"{key}:{value}" for key, value in arg.items())
        raise _InvalidError("60018", f"Wrong URL or {named} {_UNKNOWN}")
    return topic


def _unsubscribe(session: Session, args: list[Mapping[str, str]], number: str | None) -> Answer:
    for arg in args:
        session.topics.pop(topic_of(arg), None)
    return Answer(tuple(_reply(session, {"event": "unsubscribe", "arg": arg}, number) for arg in args))


# ---- answers -------------------------------------------------------------------------------------------------------------


def _error(session: Session, invalid: _InvalidError, number: str | None) -> str:
    return _reply(session, {"event": "error", "code": invalid.code, "msg": invalid.reason}, number)


def _reply(session: Session, body: Mapping[str, Any], number: str | None) -> str:
    head = {} if number is None else {"id": number}
    return json.dumps({**head, **body, "connId": f"{0xA4D30000 + session.number:08x}"}, separators=(",", ":"))
