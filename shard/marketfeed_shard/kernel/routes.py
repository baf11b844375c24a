"""What the compiled engine asks once per topic and symbol: which tables run it, and which stream it is."""

from __future__ import annotations

from collections.abc import Callable

import orjson

from marketfeed.events import event_type
from marketfeed.exchanges.exchange import Market
from marketfeed.normalizer import Normalizer
from marketfeed_shard.kernel import tables

Slot = Callable[[str, str], int | None]
"""(channel, normalised symbol) → slot, or None where the stream is none of ours."""


class Routes:
    """One market's groups of tables, and the way from a topic to them."""

    def __init__(self, market: Market, normalizer: Normalizer, slot: Slot) -> None:
        self._market = market
        self._normalizer = normalizer
        self._slot = slot
        self._groups: dict[tuple[int, ...], int] = {}
        self.tables = [tables.group(market.wire, ())]
        """The first finds a frame's topic; the others are those that `match` names."""
        for topic in self._samples():
            numbers = tuple(number for number, _ in normalizer.routes(topic))
            if numbers in self._groups or any(tables.runs_plain(market.wire.messages[n]) for n in numbers):
                continue
            try:
                group = tables.group(market.wire, numbers)
            except tables.TooWide:
                continue
            self._groups[numbers] = len(self.tables)
            self.tables.append(group)

    def _samples(self) -> list[str]:
        """A topic of each pattern: enough to know which messages can share one."""
        interval = next(iter(self._market.wire.intervals), "1m")
        return [
            pattern.format(symbol="x", interval=interval, any="x")
            for message in self._market.wire.messages
            for pattern in message.topics
        ]

    def match(self, topic: bytes) -> int:
        """The group of tables for a topic, or −1: the plain engine knows."""
        numbers = tuple(number for number, _ in self._normalizer.routes(topic.decode()))
        return self._groups.get(numbers, -1)

    def resolve(self, topic: bytes, number: int, symbol: bytes | None, key: bytes | None) -> int:
        """The slot of a record's stream, or −1: the plain engine knows why it is none."""
        found = next((f for n, f in self._normalizer.routes(topic.decode()) if n == number), None)
        message = self._market.wire.messages[number]
        native = symbol.decode() if symbol is not None else (found or {}).get("symbol")
        name = None if native is None else self._normalizer.names(native)
        if name is None:
            return -1
        channel = message.channel
        if channel == "candles":
            interval = self._normalizer.interval(message, found or {}, key.decode() if key is not None else None)
            if interval is None:
                return -1
            channel = f"candles.{interval}"
        slot = self._slot(channel, name)
        return -1 if slot is None else slot


def head(market: Market, channel: str, symbol: str) -> bytes:
    """What every event of a stream begins with, up to the value of `ts`."""
    keys = {
        "type": event_type(channel).name,
        "exchange": market.exchange,
        "market": market.name,
        "channel": channel,
        "symbol": symbol,
    }
    return orjson.dumps(keys)[:-1] + b',"ts":'
