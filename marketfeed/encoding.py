"""Events as bytes: the default encoding, one compact JSON object an event, keys in their order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from marketfeed.events import HEAD


def encode(event: Mapping[str, Any]) -> bytes:
    """One event as UTF-8 JSON without spaces or a line feed."""
    return orjson.dumps(event)


def own_fields(event: Mapping[str, Any]) -> bytes:
    """What follows `n` in an encoded event: its own fields, with the comma before them."""
    own = dict(list(event.items())[len(HEAD) :])
    return b"," + encode(own)[1:]
