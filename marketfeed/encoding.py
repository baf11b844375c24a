"""Events as bytes: the default encoding, one compact JSON object an event, keys in their order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson


def encode(event: Mapping[str, Any]) -> bytes:
    """One event as UTF-8 JSON without spaces or a line feed."""
    return orjson.dumps(event)
