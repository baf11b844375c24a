"""What an exchange says is wrong, in the body of an answer over REST: as told, or in its first words."""

from __future__ import annotations

from typing import Final

import orjson

from marketfeed.exchanges.exchange import Fault, Market

LONGEST_BYTES: Final = 65_536
"""No error is as long: longer answers are data, and are not decoded for this."""
SHOWN_CHARACTERS: Final = 120
"""Of a body that is not understood."""


def fault(market: Market, body: bytes) -> Fault | None:
    """What an answer says is wrong; null: nothing that is understood."""
    if len(body) > LONGEST_BYTES:
        return None
    try:
        decoded = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return market.fault(decoded)


def words(market: Market, body: bytes) -> str:
    """Why an answer is none, in one line; empty where the exchange says nothing."""
    found = fault(market, body)
    said = body[: 4 * SHOWN_CHARACTERS].decode(errors="replace") if found is None else found.reason
    return " ".join(said.split())[:SHOWN_CHARACTERS]
