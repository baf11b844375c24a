"""Names of channels, keys and topics, made from a template such as `md.{exchange}.{market}.{channel}.{symbol}`."""

from __future__ import annotations

import re

PLACEHOLDERS = ("exchange", "market", "channel", "symbol")

_PLACEHOLDER = re.compile(r"\{(" + "|".join(PLACEHOLDERS) + r")\}")


def fill(template: str, *, exchange: str, market: str, channel: str, symbol: str) -> str:
    """The name that a template gives to one stream."""
    values = {"exchange": exchange, "market": market, "channel": channel, "symbol": symbol}
    return _PLACEHOLDER.sub(lambda found: values[found[1]], template)


def literals(template: str) -> tuple[str, ...]:
    """A template's texts and placeholders by turns, a text first and last: `a.{symbol}` is `a.`, `symbol` and an empty text."""
    return tuple(_PLACEHOLDER.split(template))
