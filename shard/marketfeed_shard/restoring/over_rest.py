"""What comes over REST, on its way into the streams: books, polls, changes of instruments. Each a port of `recovery`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable, Mapping
from dataclasses import asdict, dataclass, field

from marketfeed.events import INSTRUMENT
from marketfeed.exchanges.message import Message
from marketfeed_shard.carrying import Carrying
from marketfeed_shard.connection.manager import Manager
from marketfeed_shard.pipeline.pipeline import Pipeline
from marketfeed_shard.recovery.instruments import Facts
from marketfeed_shard.streams.table import Stream


@dataclass(frozen=True, slots=True)
class CarriedBooks:
    """The books of the pipeline, and the connections that bring them."""

    pipeline: Pipeline
    manager: Manager

    def unsynced(self) -> Collection[int]:
        return self.pipeline.books.unsynced()

    def subscribed(self) -> Container[int]:
        return self.manager.subscribed()

    def native(self, slot: int) -> str:
        return self.pipeline.table.streams[slot].native

    def snapshot(self, slot: int, body: bytes, received_ns: int) -> bool:
        return self.pipeline.supply.book(slot, body, received_ns)

    def renew(self, slots: Collection[int], now_s: float) -> None:
        self.manager.renew(slots, now_s)


@dataclass(frozen=True, slots=True)
class PolledStreams:
    """The streams that are polled, too."""

    pipeline: Pipeline

    def native(self, slot: int) -> str:
        return self.pipeline.table.streams[slot].native

    def publish(self, slot: int, message: Message, body: bytes, received_ns: int) -> None:
        for row in self.pipeline.supply.answer(slot, message, body):
            self.pipeline.supply.tell(slot, row.event, received_ns)


@dataclass(slots=True)
class ListedSymbols:
    """The `instruments` streams: a symbol has one from the first change on."""

    carrying: Carrying
    pipeline: Pipeline
    manager: Manager
    grown: Callable[[], None]
    """Told of a new stream."""
    remembered: Callable[[Mapping[str, Facts]], None]
    _slots: dict[str, int] = field(default_factory=dict)

    def carry(self, symbols: Iterable[str]) -> None:
        """Of other symbols nothing is told from now on."""
        gone = self._slots.keys() - set(symbols)
        self.pipeline.remove([self._slots.pop(symbol) for symbol in gone])

    def changed(self, symbol: str, facts: Facts, received_ns: int) -> None:
        slot = self._slots.get(symbol)
        if slot is None:
            (slot,) = self.pipeline.add([Stream(INSTRUMENT.channel, symbol, self.carrying.native(symbol))])
            self._slots[symbol] = slot
            self.grown()
        market = self.pipeline.market
        head = {"type": INSTRUMENT.name, "exchange": market.exchange, "market": market.name, "channel": INSTRUMENT.channel}
        event = {**head, "symbol": symbol, "ts": None, "recv": None, "n": None, **asdict(facts)}
        self.pipeline.supply.tell(slot, event, received_ns)

    def reopened(self, symbols: Collection[str], now_s: float) -> None:
        self.manager.reopened(self.carrying.of_symbols(symbols), now_s)

    def remember(self, known: Mapping[str, Facts]) -> None:
        self.remembered(known)
