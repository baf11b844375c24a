"""What the market tells those who listen: a message of every live feed at each step, the others when they are due.

No clock and no socket of its own: whoever runs it says what is wanted, how many messages to make, and what time it is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from marketfeed_simulator.exchange import Exchange, Feed, Timer
from marketfeed_simulator.listing import Listing
from marketfeed_simulator.market import Market
from marketfeed_simulator.symbol import BLOCK, Levels


class Message(NamedTuple):
    """One data message, before its envelope."""

    topic: str
    payload: str


class _Live(NamedTuple):
    topic: str
    kind: str


class Generator:
    """A `Source` that makes its data."""

    def __init__(self, exchange: Exchange, market: Market) -> None:
        self.market = market
        self._exchange = exchange
        self._live: dict[int, list[_Live]] = {}
        self._order: list[int] = []
        """Symbols with a live feed that is wanted, in the market's order."""
        self._timed: dict[str, tuple[Feed, Timer]] = {}
        self._begun: deque[tuple[_Live, int, int]] = deque()
        """(feed, symbol, step): the rest of a step that was begun."""

    @property
    def listings(self) -> list[Listing]:
        return self.market.listings

    @property
    def live(self) -> int:
        """Live feeds that are wanted: messages in a round."""
        return sum(map(len, self._live.values()))

    def book(self, native: str, limit: int) -> Levels | None:
        at = self.market.index.get(native)
        return None if at is None else self.market.symbol(at).book(self.market.last_step(at), limit)

    def feed(self, topic: str) -> Feed | None:
        """What a topic delivers, if anything."""
        return self._exchange.feed(topic, self.market.index)

    def want(self, topics: Iterable[str], now_s: float) -> None:
        """From now on these topics, each named once, and no others. A feed with a period has its first message after it."""
        self._live = {}
        timed: dict[str, tuple[Feed, Timer]] = {}
        for topic in topics:
            feed = self.feed(topic)
            if feed is None:
                continue
            if feed.every_s is None:
                self._live.setdefault(feed.symbol, []).append(_Live(topic, feed.kind))
            else:
                begun = (feed, Timer(now_s + feed.every_s, self.market.last_step(feed.symbol)))
                timed[topic] = self._timed.get(topic, begun)
        self._timed = timed
        self._order = sorted(self._live)
        wanted = {live for feeds in self._live.values() for live in feeds}
        self._begun = deque(message for message in self._begun if message[0] in wanted)

    def take(self, count: int, now_ms: int) -> Iterator[Message]:
        """The next so many messages of live feeds, one symbol after the other; none where none is wanted."""
        now = str(now_ms)
        for _ in range(count):
            while not self._begun:
                if not self._order:
                    return
                at = self.market.advance(self._order)
                step = self.market.last_step(at)
                self._begun.extend((live, at, step) for live in self._live[at])
            (topic, kind), at, step = self._begun.popleft()
            symbol = self.market.symbol(at)
            yield Message(topic, self._exchange.live(kind, symbol, step, symbol.ids(step), now))

    def to_block(self, now_ms: int) -> Iterator[Message]:
        """What is missing until every symbol stands at the same multiple of `BLOCK`; something has to be wanted."""
        while self._begun or self.market.cursor or self.market.rounds % BLOCK:
            if self._begun or self.market.cursor <= self._order[-1]:
                yield from self.take(1, now_ms)
            else:
                self.market.finish_round()

    def due(self, now_s: float, now_ms: int) -> Iterator[Message]:
        """Messages of feeds with a period whose time has come."""
        for topic, (feed, timer) in self._timed.items():
            if now_s < timer.due_s or feed.every_s is None:
                continue
            timer.due_s = max(timer.due_s + feed.every_s, now_s)
            step = self.market.last_step(feed.symbol)
            for payload in self._exchange.timed(feed, self.market.symbol(feed.symbol), step, timer, now_ms):
                yield Message(topic, payload)
