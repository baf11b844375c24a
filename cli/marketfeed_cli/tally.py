"""What a consumer sees of a feed, second by second: rates, latencies, newest prices, what is missing. Without I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


def quantile(ordered: Sequence[float], share: float) -> float | None:
    """The value below which a share of the ordered values lies: 0.5 is the median. None of no values."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None


@dataclass(slots=True)
class Latency:
    """Waits of one interval, in milliseconds."""

    p50_ms: float | None
    p99_ms: float | None

    @classmethod
    def of(cls, waits_ms: list[float]) -> Latency:
        ordered = sorted(waits_ms)
        return cls(quantile(ordered, 0.5), quantile(ordered, 0.99))


@dataclass(slots=True)
class Symbol:
    """The newest of one symbol."""

    price: str | None = None
    side: str | None = None
    bid: str | None = None
    ask: str | None = None
    events: int = 0
    """Since the last interval ended."""
    rate: float = 0.0
    """Events per second of the last interval."""


@dataclass(slots=True)
class Interval:
    """One interval, closed."""

    rate: float
    """Events per second."""
    exchange: Latency
    """From a trade's own time to its receipt by the shard."""
    consumer: Latency
    """From the shard's receipt to here."""


@dataclass(slots=True)
class Tally:
    """Adds events; `close` ends an interval."""

    events: int = 0
    """Data events since the beginning."""
    gaps: int = 0
    """Gap events, those apart that a start announces."""
    missing: int = 0
    """Events of which `n` tells that they did not arrive."""
    symbols: dict[str, Symbol] = field(default_factory=dict)
    _last_n: dict[tuple[str, str, str, str], int] = field(default_factory=dict)
    _closed_events: int = 0
    _exchange_ms: list[float] = field(default_factory=list)
    _consumer_ms: list[float] = field(default_factory=list)

    def add(self, event: Mapping[str, Any], now_ns: int) -> None:
        """An event that arrived now."""
        self._count(event)
        if event["type"] == "gap":
            self.gaps += event["reason"] != "started"
            return
        self.events += 1
        symbol = self.symbols.setdefault(event["symbol"], Symbol())
        symbol.events += 1
        if event["type"] == "trade":
            symbol.price, symbol.side = event["price"], event["side"]
            if event["ts"] is not None:
                self._exchange_ms.append((event["recv"] - event["ts"]) / 1e6)
        elif event["type"] == "bbo":
            symbol.bid, symbol.ask = event["bid_price"], event["ask_price"]
        self._consumer_ms.append((now_ns - event["recv"]) / 1e6)

    def _count(self, event: Mapping[str, Any]) -> None:
        stream = (event["exchange"], event["market"], event["channel"], event["symbol"])
        last = self._last_n.get(stream)
        begins = event["type"] == "gap" and event["reason"] == "started"
        if last is not None and not begins:
            self.missing += max(0, event["n"] - last - 1)
        self._last_n[stream] = event["n"]

    def close(self, seconds: float) -> Interval:
        """The interval of so many seconds that ends now; the next begins."""
        for symbol in self.symbols.values():
            symbol.rate, symbol.events = symbol.events / seconds, 0
        interval = Interval(
            (self.events - self._closed_events) / seconds, Latency.of(self._exchange_ms), Latency.of(self._consumer_ms)
        )
        self._closed_events = self.events
        self._exchange_ms, self._consumer_ms = [], []
        return interval
