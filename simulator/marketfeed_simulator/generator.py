"""What the market tells those who listen: a message of every live feed at each step, the others when they are due.

No clock and no socket of its own: whoever runs it says what is wanted, how many messages to make, and what time it is.
"""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from marketfeed_simulator.exchange import Exchange
from marketfeed_simulator.feeds import Feed, Timer
from marketfeed_simulator.listing import Listing
from marketfeed_simulator.market import Market
from marketfeed_simulator.symbol import BLOCK, Levels, Symbol


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
        self._wanted: dict[str, Feed | None] = {}
        self._live: dict[int, list[_Live]] = {}
        self._order: list[int] = []
        """Symbols with a live feed that is wanted, in the market's order."""
        self._timed: dict[str, tuple[Feed, Timer]] = {}
        self._begun: deque[tuple[_Live, int, int, str]] = deque()
        """(feed, symbol, step, its time): the rest of a step that was begun."""

    # ---- the source --------------------------------------------------------------------------------------------------

    @property
    def listings(self) -> Sequence[Listing]:
        return self.market.listings

    def book(self, native: str, limit: int) -> Levels | None:
        at = self.market.index.get(native)
        return None if at is None else self.market.symbol(at).book(self.market.last_step(at), limit)

    def place(self, native: str) -> int | None:
        return self.market.index.get(native)

    def symbol(self, at: int) -> Symbol:
        return self.market.symbol(at)

    def last_step(self, at: int) -> int:
        return self.market.last_step(at)

    def time_ms(self, at: int, step: int) -> int:
        return self.market.times.at(step, at)

    def step_since(self, at: int, time_ms: int) -> int:
        return self.market.times.since(time_ms, at)

    # ---- what is wanted ----------------------------------------------------------------------------------------------

    @property
    def live(self) -> int:
        """Live feeds that are wanted: messages in a round."""
        return sum(map(len, self._live.values()))

    @property
    def by_the_block(self) -> bool:
        """Whether all of them can be made by the block."""
        return all(live.kind in self._exchange.block_kinds for feeds in self._live.values() for live in feeds)

    def feed(self, topic: str) -> Feed | None:
        """What a topic delivers, if anything."""
        return self._exchange.feed(topic, self.market.index)

    def want(self, topics: Iterable[str], now_s: float) -> None:
        """From now on these topics, each named once, and no others. A feed with a period has its first message after it."""
        wanted = dict.fromkeys(topics)
        gone = [topic for topic in self._wanted if topic not in wanted]
        for topic in gone:
            self._forget(topic)
        for topic in wanted:
            if topic not in self._wanted:
                self._follow(topic, now_s)
        if gone and self._begun:
            self._begun = deque(message for message in self._begun if message[0].topic in wanted)

    def relist(self, now_s: float) -> None:
        """The market's list has changed: what is wanted is looked up again."""
        topics = list(self._wanted)
        changed = [topic for topic in topics if self._wanted[topic] != self.feed(topic)]
        everywhere = [topic for topic, feed in self._wanted.items() if feed is not None and feed.symbol is None]
        for topic in dict.fromkeys(changed + everywhere):
            self._forget(topic)
            self._follow(topic, now_s)
        self._begun = deque(m for m in self._begun if m[0] in self._live.get(m[1], ()))

    def _follow(self, topic: str, now_s: float) -> None:
        feed = self._wanted[topic] = self.feed(topic)
        if feed is None:
            return
        if feed.every_s is not None:
            if feed.symbol is not None:
                self._timed[topic] = feed, Timer(now_s + feed.every_s, self.market.last_step(feed.symbol), now_s)
            return
        for at in self.market.index.values() if feed.symbol is None else (feed.symbol,):
            if at not in self._live:
                self._live[at] = []
                insort(self._order, at)
            self._live[at].append(_Live(topic, feed.kind))

    def _forget(self, topic: str) -> None:
        feed = self._wanted.pop(topic)
        self._timed.pop(topic, None)
        if feed is None or feed.every_s is not None:
            return
        for at in list(self._live) if feed.symbol is None else (feed.symbol,):
            left = [live for live in self._live[at] if live.topic != topic]
            if left:
                self._live[at] = left
            else:
                del self._live[at]
                self._order.remove(at)

    # ---- messages ----------------------------------------------------------------------------------------------------

    def take(self, count: int, now_ms: int) -> Iterator[Message]:
        """The next so many messages of live feeds, one symbol after the other; none where none is wanted.

        A feed that has nothing to tell of a step (no liquidation) counts, and brings none.
        """
        for _ in range(count):
            while not self._begun:
                if not self._order:
                    return
                at = self.market.advance(self._order, now_ms)
                step, now = self.market.last_step(at), str(now_ms)
                self._begun.extend((live, at, step, now) for live in self._live[at])
            (topic, kind), at, step, now = self._begun.popleft()
            symbol = self.market.symbol(at)
            payload = self._exchange.live(kind, symbol, step, symbol.ids(step), now)
            if payload is not None:
                yield Message(topic, payload)

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
            if now_s < timer.due_s or feed.every_s is None or feed.symbol is None:
                continue
            step = self.market.last_step(feed.symbol)
            if feed.repeat_s is not None and step == timer.step and now_s < timer.told_s + feed.repeat_s:
                continue
            timer.due_s, timer.told_s = max(timer.due_s + feed.every_s, now_s), now_s
            yield from self._tell(topic, feed, timer, step, now_ms)

    def overdue(self, now_s: float, now_ms: int) -> Iterator[Message]:
        """What feeds that tell changes have not told yet, though it is not time."""
        for topic, (feed, timer) in self._timed.items():
            if feed.symbol is not None and feed.repeat_s is not None and timer.step != self.market.last_step(feed.symbol):
                timer.told_s = now_s
                yield from self._tell(topic, feed, timer, self.market.last_step(feed.symbol), now_ms)

    def _tell(self, topic: str, feed: Feed, timer: Timer, step: int, now_ms: int) -> Iterator[Message]:
        assert feed.symbol is not None
        for payload in self._exchange.timed(feed, self.market.symbol(feed.symbol), step, timer, now_ms):
            yield Message(topic, payload)

    def first(self, topic: str, now_ms: int) -> Iterator[Message]:
        """What a new subscriber of a topic that is wanted gets at once."""
        feed = self._wanted.get(topic)
        if feed is None:
            return
        if feed.symbol is None:
            yield from self._of_list(topic, feed, now_ms, first=True)
            return
        timer = self._timed[topic][1] if topic in self._timed else None
        step = self.market.last_step(feed.symbol)
        for payload in self._exchange.first(feed, self.market.symbol(feed.symbol), step, timer, now_ms):
            yield Message(topic, payload)

    def news(self, now_ms: int) -> Iterator[Message]:
        """What those are told who want the list of symbols, after it has changed."""
        for topic, feed in self._wanted.items():
            if feed is not None and feed.symbol is None:
                yield from self._of_list(topic, feed, now_ms, first=False)

    def _of_list(self, topic: str, feed: Feed, now_ms: int, *, first: bool) -> Iterator[Message]:
        for payload in self._exchange.listing_payloads(feed, self.listings, now_ms, first=first):
            yield Message(topic, payload)

    def reset(self) -> None:
        """The exchange's service was restarted: where a feed numbers its messages, it begins anew with the next one."""
        for _, timer in self._timed.values():
            timer.reset = True
