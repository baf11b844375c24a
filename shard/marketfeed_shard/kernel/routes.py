"""What the compiled engine asks once per topic and symbol: which tables run it, and which stream it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from marketfeed.exchanges.exchange import Market
from marketfeed.exchanges.message import Message
from marketfeed.normalizer import Normalizer
from marketfeed_shard.kernel import tables
from marketfeed_shard.streams.table import StreamTable

Slot = Callable[[str, str], int | None]
"""(channel, normalised symbol) → slot, or None where the stream is none of ours."""


class Owner(Protocol):
    """Whom a live engine asks for what is rare: the pipeline."""

    table: StreamTable

    def passes(self, slot: int, position: int, received_ns: int, connection: int) -> bool:
        """Whether an event of a flagged stream goes out."""
        ...

    def hole(self, slot: int, last: int, position: int, received_ns: int, connection: int) -> bool:
        """The exchange's numbers jumped from `last` to `position`: whether the event goes out now."""
        ...

    def candle(self, slot: int, ts_ns: int, own: bytes) -> None:
        """A candle goes out whose end the exchange does not tell; `ts_ns`: 0 where null, `own`: what follows its `n`."""
        ...

    def admit(self, slot: int, snapshot: bool, seq: int, prev: int, received_ns: int, connection: int) -> bool:
        """Whether a message of a flagged book, or of one that another connection leads, is looked at now."""
        ...

    def broken(self, slot: int, outcome: int, snapshot: bool, seq: int, prev: int, received_ns: int, connection: int) -> None:
        """A message of a book that does not pass, by `Outcome`."""
        ...

    def synced(self, slot: int) -> None:
        """A book that was none is one again."""
        ...


class Routes:
    """One market's groups of tables, and the way from a topic to them."""

    def __init__(self, market: Market, normalizer: Normalizer, slot: Slot) -> None:
        self._messages = market.wire.messages
        self._normalizer = normalizer
        self._slot = slot
        self._groups: dict[tuple[int, ...], int] = {}
        self.tables = [tables.group(market.wire, ())]
        """The first finds a frame's topic; the others are those that `match` names."""
        for topic in _samples(market):
            numbers = tuple(number for number, _ in normalizer.routes(topic))
            if numbers in self._groups or any(self._is_plain(self._messages[n]) for n in numbers):
                continue
            try:
                group = tables.group(market.wire, numbers, normalizer.depth)
            except tables.TooWide:
                continue
            self._groups[numbers] = len(self.tables)
            self.tables.append(group)

    def _is_plain(self, message: Message) -> bool:
        """What merges deltas has a state, and an index may have several streams: that is the plain engine's."""
        return message.of_index or (message.keeps and self._normalizer.merge)

    def match(self, topic: bytes) -> int:
        """The group of tables for a topic, or −1: the plain engine knows."""
        numbers = tuple(number for number, _ in self._normalizer.routes(topic.decode()))
        return self._groups.get(numbers, -1)

    def resolve(self, topic: bytes, number: int, symbol: bytes | None, key: bytes | None) -> int:
        """The slot of a record's stream, or −1: the plain engine knows why it is none."""
        found = next((found for n, found in self._normalizer.routes(topic.decode()) if n == number), {})
        message = self._messages[number]
        name = self._normalizer.names(found.get("symbol", "") if symbol is None else symbol.decode())
        if name is None:
            return -1
        channel = message.channel
        if channel == "candles":
            interval = self._normalizer.interval(message, found, None if key is None else key.decode())
            if interval is None:
                return -1
            channel = f"candles.{interval}"
        slot = self._slot(channel, name)
        return -1 if slot is None else slot


class LiveRoutes(Routes):
    """Routes whose streams have an owner, who decides what goes out."""

    def __init__(self, market: Market, normalizer: Normalizer, owner: Owner) -> None:
        super().__init__(market, normalizer, owner.table.slot)
        self.passes = owner.passes
        self.hole = owner.hole
        self.candle = owner.candle
        self.admit = owner.admit
        self.broken = owner.broken
        self.synced = owner.synced


def _samples(market: Market) -> list[str]:
    """A topic of each pattern: enough to know which messages can share one."""
    interval = next(iter(market.wire.intervals), "1m")
    return [
        pattern.format(symbol="x", interval=interval, any="x") for message in market.wire.messages for pattern in message.topics
    ]
