"""The compiled engine without streams: frames to events, for what was recorded."""

from __future__ import annotations

from types import ModuleType

import orjson

from marketfeed.exchanges.exchange import Market
from marketfeed.normalizer import Normalizer
from marketfeed_shard.kernel.routes import Routes

MOST_STREAMS = 1 << 17
"""Symbols come from outside: those beyond are left to the plain engine."""


class OfflineDecoder:
    """Decodes each message by itself: `recv` and `n` are null."""

    def __init__(self, engine: ModuleType, market: Market, normalizer: Normalizer) -> None:
        """`engine`: what `kernel.load` gave."""
        self._normalizer = normalizer
        self._envelope = market.envelope
        self._slots: dict[tuple[str, str], int] = {}
        routes = Routes(market, normalizer, self._slot)
        self._engine = engine.Engine(routes.tables, routes)

    def decode(self, frame: bytes) -> bytes | None:
        """The events of a message, each with a line feed after it, or None if it is for the plain engine."""
        events: bytes | None = self._engine.decode(frame)
        return self._decode_raw(frame) if events is None else events

    def _decode_raw(self, frame: bytes) -> bytes | None:
        """A message of a raw stream, with its topic put around its own bytes."""
        try:
            message = orjson.loads(frame)
        except orjson.JSONDecodeError:
            return None
        enveloped = self._envelope(message)
        if enveloped is message:
            return None
        members = (
            orjson.dumps(key) + b":" + (frame if value is message else orjson.dumps(value)) for key, value in enveloped.items()
        )
        events: bytes | None = self._engine.decode(b"{" + b",".join(members) + b"}")
        return events

    def _slot(self, channel: str, symbol: str) -> int | None:
        slot = self._slots.get((channel, symbol))
        if slot is None and len(self._slots) < MOST_STREAMS:
            slot = self._slots[channel, symbol] = len(self._slots)
            self._engine.define(slot, *self._normalizer.stream_head(channel, symbol))
        return slot
