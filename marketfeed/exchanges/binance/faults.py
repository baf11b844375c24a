"""Errors of Binance's REST servers, the same in all of its markets: `{"code":-1121,"msg":"Invalid symbol."}`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marketfeed.exchanges.exchange import Fault, FaultKind

_PACED = frozenset({-1003, -1034})
"""Too many requests, or connections."""
_FAILED = frozenset({-1000, -1001, -1004, -1006, -1007, -1008, -1016})
"""Unknown, disconnected, busy, unexpected response, time-out, overloaded, shutting down."""
# errors.md, 2026-07-21, and the derivatives' page error-code; the words of -1034 and whether -1004 is still sent: unverified.


def fault(body: Any) -> Fault | None:
    """Every other code is about the call."""
    code = body.get("code") if isinstance(body, Mapping) else None
    if not isinstance(code, int) or code >= 0:
        return None
    kind = FaultKind.PACED if code in _PACED else FaultKind.FAILED if code in _FAILED else FaultKind.REFUSED
    return Fault(kind, f"{code}: {body.get('msg', '')}")
