"""What Kraken answers to a client's text: an acknowledgement or an error for each symbol.

Sources: docs.kraken.com, spot-websocket-v2 subscribe and ping (2026-11), and frames recorded in 2026. The texts of errors other
than "Currency pair not supported" and "Exceeded msg rate" are those of the WebSocket API v1; those of v2 are not published.
"""

from __future__ import annotations

import json
from binascii import crc32
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from marketfeed_simulator.kraken_payloads import stamp
from marketfeed_simulator.session import Answer, Hearing, Session

DEPTHS: Final = (10, 25, 100, 500, 1000)
MINUTES: Final = (1, 5, 15, 30, 60, 240, 1440, 10_080, 21_600)
TRIGGERS: Final = ("trades", "bbo")
INSTRUMENT: Final = "instrument"
_TOO_FAST: Final = "Exceeded msg rate"


@dataclass(frozen=True, slots=True)
class _Option:
    """The parameter that tells subscriptions of one channel apart."""

    name: str
    values: tuple[int | str, ...]
    """The first is taken where none is named."""
    error: str
    snapshot: bool = True
    """Whether a snapshot is sent where nothing is said of it."""


_CHANNELS: Final = {
    "book": _Option("depth", DEPTHS, "Subscription depth not supported"),
    "ticker": _Option("event_trigger", TRIGGERS, "Event trigger not supported"),
    "ohlc": _Option("interval", MINUTES, "Subscription ohlc interval not supported"),
    "trade": _Option("", ("",), "", snapshot=False),
    INSTRUMENT: _Option("", ("",), ""),
}


class _InvalidError(Exception):
    """The message is what the client is told."""


@dataclass(frozen=True, slots=True)
class _Request:
    """A request to subscribe or unsubscribe."""

    method: str
    channel: str
    symbols: tuple[str | None, ...]
    """Null: the channel has none."""
    value: int | str
    """Of the channel's option."""
    snapshot: bool
    number: int | None

    def topic(self, symbol: str | None) -> str:
        """`book/100:BTC/USD`, `trade:BTC/USD`, `instrument`."""
        group = f"{self.channel}/{self.value}" if self.value else self.channel
        return group if symbol is None else f"{group}:{symbol}"

    def result(self, symbol: str | None) -> dict[str, Any]:
        """What an acknowledgement repeats."""
        option = _CHANNELS[self.channel]
        told: dict[str, Any] = {"channel": self.channel}
        if option.name:
            told[option.name] = self.value
        if symbol is not None:
            told["symbol"] = symbol
        return told | {"snapshot": self.snapshot} if self.method == "subscribe" else told


def receive(session: Session, text: str, hearing: Hearing) -> Answer:
    """See `Exchange.receive`."""
    number: int | None = None
    method: Any = None
    try:
        body = _parse(text)
        number, method = body.get("req_id"), body["method"]
        if method == "ping":
            return Answer((_reply(hearing, {"method": "pong"}, number),))
        request = _request(body)
    except _InvalidError as invalid:
        return Answer((_refusal(hearing, str(invalid), method, None, number),))
    act = _subscribe if request.method == "subscribe" else _unsubscribe
    return act(session, request, hearing, hearing.within(1))


def topics(channel: str, symbol: str, value: object = None) -> tuple[str, ...]:
    """Topics that bring messages of a channel about a symbol; `value`: of its option, where the messages tell it."""
    values: Iterable[object] = _CHANNELS[channel].values if value is None else (value,)
    return tuple(f"{channel}/{each}:{symbol}" if each else f"{channel}:{symbol}" for each in values)


# ---- requests ------------------------------------------------------------------------------------------------------------


def _parse(text: str) -> dict[str, Any]:
    """An object with a method, and with a whole number for an id if any."""
    try:
        body = json.loads(text)
    except ValueError:
        raise _InvalidError("Malformed request") from None
    if not isinstance(body, dict) or not isinstance(body.get("method"), str):
        raise _InvalidError("Malformed request")
    if not isinstance(body.get("req_id", 0), int):
        raise _InvalidError("Malformed request")
    return body


def _request(body: Mapping[str, Any]) -> _Request:
    params = body.get("params")
    if body["method"] not in {"subscribe", "unsubscribe"} or not isinstance(params, dict):
        raise _InvalidError("Malformed request")
    channel = params.get("channel")
    option = _CHANNELS.get(channel) if isinstance(channel, str) else None
    if option is None:
        raise _InvalidError("Subscription name invalid")
    value = params.get(option.name, option.values[0])
    if value not in option.values:
        raise _InvalidError(option.error)
    symbols = (None,) if channel == INSTRUMENT else params.get("symbol")
    if not symbols or not isinstance(symbols, (list, tuple)):
        raise _InvalidError("Malformed request")
    snapshot = params.get("snapshot", option.snapshot)
    return _Request(body["method"], str(channel), tuple(symbols), value, bool(snapshot), body.get("req_id"))


def _subscribe(session: Session, request: _Request, hearing: Hearing, within: bool) -> Answer:
    """`within`: the client is not too fast; else a part of the symbols, the same in every run, is refused."""
    replies: list[str] = []
    again: list[str] = []
    for symbol in request.symbols:
        topic = request.topic(symbol)
        reason = hearing.refusal()
        if reason is None and not (hearing.granted() and (within or _is_spared(session, request, symbol))):
            reason = _TOO_FAST
        if reason is None and not hearing.knows(topic):
            reason = f"Currency pair not supported {symbol}"
        if reason is not None:
            replies.append(_refusal(hearing, reason, request.method, symbol, request.number))
            continue
        if topic in session.topics:
            again.append(topic)
        session.topics[topic] = None
        replies.append(_acknowledged(hearing, request, symbol))
    return Answer(tuple(replies), again=tuple(again))


def _unsubscribe(session: Session, request: _Request, hearing: Hearing, within: bool) -> Answer:
    replies: list[str] = []
    for symbol in request.symbols:
        topic, reason = request.topic(symbol), None
        if not within and not _is_spared(session, request, symbol):
            reason = _TOO_FAST
        elif topic not in session.topics:
            reason = "Subscription Not Found"
        if reason is not None:
            replies.append(_refusal(hearing, reason, request.method, symbol, request.number))
            continue
        del session.topics[topic]
        replies.append(_acknowledged(hearing, request, symbol))
    return Answer(tuple(replies))


def _is_spared(session: Session, request: _Request, symbol: str | None) -> bool:
    return crc32(f"{session.number}:{request.number}:{symbol}".encode()) % 2 == 0


# ---- answers -------------------------------------------------------------------------------------------------------------


def _acknowledged(hearing: Hearing, request: _Request, symbol: str | None) -> str:
    return _reply(hearing, {"method": request.method, "result": request.result(symbol), "success": True}, request.number)


def _refusal(hearing: Hearing, reason: str, method: Any, symbol: str | None, number: int | None) -> str:
    told: dict[str, Any] = {"error": reason, "success": False}
    if isinstance(method, str):
        told["method"] = method
    if symbol is not None:
        told["symbol"] = symbol
    return _reply(hearing, told, number)


def _reply(hearing: Hearing, body: Mapping[str, Any], number: int | None) -> str:
    now = stamp(hearing.now_ms)
    told = {**body, "time_in": now, "time_out": now}
    if number is not None:
        told["req_id"] = number
    return json.dumps(told, separators=(",", ":"), sort_keys=True)
