"""Frames that Bybit's stream servers understand and send (websocket/wss-authentication.mdx, 2026-07-24)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from marketfeed.exchanges.exchange import Closing, Control, ControlKind, Topic, http_refusal

PING = '{"op":"ping"}'
_ACCESS_TOO_FREQUENT_S = 600.0
"""How long to keep away after HTTP 403 "access too frequent" (rate-limit/rate-limit.mdx, 2026-07-24)."""
_PACE = ("too many", "too frequent", "rate limit")
_topics_of = re.compile(r"topic:\s*(.+)").search


def subscribe(topics: Sequence[Topic], request: int) -> str:
    return _request("subscribe", topics, request)


def unsubscribe(topics: Sequence[Topic], request: int) -> str:
    return _request("unsubscribe", topics, request)


def _request(op: str, topics: Sequence[Topic], request: int) -> str:
    return orjson.dumps({"req_id": str(request), "op": op, "args": [topic.name for topic in topics]}).decode()


def control(body: Any) -> Control | None:
    """Pongs, whose `op` is `ping` on spot, linear and inverse; answers to requests, which name no topic when all is well."""
    if not isinstance(body, Mapping) or "topic" in body:
        return None
    if body.get("op") in ("ping", "pong"):
        return Control(ControlKind.ALIVE)
    number = _number(body.get("req_id"))
    if body.get("type") == "COMMAND_RESP":
        return _command_response(body, number)
    if body.get("op") not in ("subscribe", "unsubscribe") or not isinstance(body.get("success"), bool):
        return None
    reason = str(body.get("ret_msg", ""))
    if body["success"]:
        return Control(ControlKind.ACKNOWLEDGED, number)
    if any(word in reason.lower() for word in _PACE):
        return Control(ControlKind.PACED, number, reason)
    return Control(ControlKind.REJECTED, number, reason, _named(reason))


def _command_response(body: Mapping[str, Any], number: int | None) -> Control:
    """The form that names topics, which options and spreads have (the page's other markets do not)."""
    data = body.get("data")
    failed = data.get("failTopics") if isinstance(data, Mapping) else None
    if failed:
        return Control(ControlKind.REJECTED, number, str(body.get("ret_msg", "")), tuple(str(topic) for topic in failed))
    kind = ControlKind.ACKNOWLEDGED if body.get("success") is True else ControlKind.REJECTED
    return Control(kind, number, str(body.get("ret_msg", "")))


def _named(reason: str) -> tuple[str, ...]:
    """The topic of `error:handler not found,topic:orderbook.500.BTCUSDT`; none where all of a request is meant."""
    found = _topics_of(reason)
    return tuple(name for name in found[1].split(",") if name) if found else ()


def _number(request: Any) -> int | None:
    return int(request) if isinstance(request, str) and re.fullmatch("[0-9]{1,18}", request) else None


def closing(code: int, reason: str) -> Closing:
    """No page tells what close codes mean."""
    return Closing(reason=reason)


def refusal(status: int, retry_after_s: float | None) -> Closing:
    if status == 403:
        return Closing(paced=True, banned_s=max(retry_after_s or 0.0, _ACCESS_TOO_FREQUENT_S), reason="Forbidden (HTTP 403)")
    return http_refusal(status, retry_after_s)
