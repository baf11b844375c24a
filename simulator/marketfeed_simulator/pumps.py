"""What keeps data flowing: the market at its pace, the market as fast as it is read, a recording."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress

from marketfeed.clock import Clock
from marketfeed_simulator.blocks import Blocks
from marketfeed_simulator.exchange import Exchange
from marketfeed_simulator.faults import Faults
from marketfeed_simulator.generator import Generator, Message
from marketfeed_simulator.hub import Hub
from marketfeed_simulator.peer import Peer
from marketfeed_simulator.symbol import BLOCK

TICK_S = 0.005
SLOWEST_TICK_S = 0.05
CATCH_UP_S = 1.0
"""What was not sent in time is made up for, but for no more than this."""
CHUNK = 400
"""Messages between two looks at the sockets."""
BLOCKS_FROM = 20_000.0
"""Messages per second from which on they are made by the block, where nothing has to be done to each."""


class MarketPump:
    """The market and those who listen to it."""

    def __init__(self, exchange: Exchange, generator: Generator, hub: Hub, faults: Faults, clock: Clock, rate: float) -> None:
        """`rate`: messages per second of all live feeds together; 0: as fast as the slowest reader takes them."""
        self.rate = rate
        self.running = asyncio.Event()
        """While it is not set the market stands still."""
        self._exchange, self._generator, self._hub, self._faults, self._clock = exchange, generator, hub, faults, clock
        self._changed = asyncio.Event()
        self._turn = asyncio.Lock()
        """Held by whoever makes the market go on and waits for readers in between."""
        self._credit = 0.0
        self._idle_rounds = 0.0
        hub.on_change = self._on_change

    def _on_change(self) -> None:
        self._generator.want(self._hub.topics, self._clock.monotonic())
        self._changed.set()

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            await self.running.wait()
            if self.rate > 0:
                await self._paced()
            else:
                await self._flat_out()

    async def emit(self, messages: int) -> int:
        """So many messages of live feeds at once, whether it is running or not, and what is due of the others.

        How many of live feeds there were.
        """
        made = 0
        async with self._turn:
            for at in range(0, messages, CHUNK):
                made += self._pass_on(self._generator.take(min(CHUNK, messages - at), self._now_ms()))
                await self._hub.settle()
        self.tick()
        return made

    def tell(self) -> int:
        """At once what feeds that tell changes have not told yet; how many messages it were."""
        told = self._pass_on(self._generator.overdue(self._clock.monotonic(), self._now_ms()))
        self._hub.flush()
        return told

    def skip(self, rounds: int) -> None:
        """Every symbol makes so many steps, and feeds without a period are not told: as if nobody had listened."""
        self._generator.market.skip(rounds, self._now_ms())

    def reset_numbers(self) -> None:
        """Numbers of messages begin anew, as after a restart of the exchange's service."""
        self._generator.reset()

    def relist(self) -> None:
        """The market's list has changed."""
        self._generator.relist(self._clock.monotonic())
        self._pass_on(self._generator.news(self._now_ms()))
        self._hub.flush()

    def knows(self, topic: str) -> bool:
        """Whether a topic delivers anything."""
        return self._generator.feed(topic) is not None

    def first(self, topic: str) -> Iterable[Message]:
        """What a new subscriber gets at once."""
        return self._generator.first(topic, self._now_ms())

    def tick(self) -> None:
        """What is due of feeds with a period of their own."""
        self._pass_on(self._generator.due(self._clock.monotonic(), self._now_ms()))
        self._hub.flush()

    def _pass_on(self, messages: Iterable[Message]) -> int:
        count = 0
        for message in messages:
            self._hub.deliver(*message)
            count += 1
        return count

    def _now_ms(self) -> int:
        return self._clock.time_ns() // 1_000_000

    # ---- at a pace ---------------------------------------------------------------------------------------------------

    async def _paced(self) -> None:
        last_s = self._clock.monotonic()
        while self.running.is_set() and self.rate > 0:
            await asyncio.sleep(min(SLOWEST_TICK_S, max(TICK_S, 1 / self.rate)))
            if not self.running.is_set():
                return
            now_s = self._clock.monotonic()
            elapsed_s, last_s = now_s - last_s, now_s
            if self._generator.live:
                self._credit = min(self._credit + elapsed_s * self.rate, CATCH_UP_S * self.rate + 1)
                if self.rate >= BLOCKS_FROM and self._by_the_block:
                    await self._spend_on_blocks()
                    continue
                count = int(self._credit)
                self._credit -= count
                self._pass_on(self._generator.take(count, self._now_ms()))
            else:  # the market goes on though nobody listens
                self._idle_rounds += elapsed_s * self.rate / len(self._generator.listings)
                rounds = int(self._idle_rounds)
                self._idle_rounds -= rounds
                self.skip(rounds)
            self.tick()

    async def _spend_on_blocks(self) -> None:
        """As many rounds of blocks as the pace allows by now."""
        while self._credit > 0 and self.running.is_set():
            before = self._hub.sent
            await self._rounds()
            if self._hub.sent == before:
                return
            self._credit -= self._hub.sent - before
        self.tick()

    # ---- as fast as it is read ---------------------------------------------------------------------------------------

    @property
    def _by_the_block(self) -> bool:
        """Whether nobody looks at single messages (no ledger, no faults), and they are of the kind that can be made so."""
        return self._hub.ledger is None and not self._faults.active and self._generator.by_the_block

    async def _flat_out(self) -> None:
        while self.running.is_set() and self.rate <= 0:
            if not self._generator.live:
                self._changed.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), SLOWEST_TICK_S)
                self.skip(1)
            elif self._by_the_block:
                await self._rounds()
            else:
                await self.emit(CHUNK)
            self.tick()
            await asyncio.sleep(0)

    async def _rounds(self) -> None:
        async with self._turn:
            self._pass_on(self._generator.to_block(self._now_ms()))
            self._hub.flush()
            await self._round_of_blocks()

    async def _round_of_blocks(self) -> None:
        """Ten rounds of the market to everybody."""
        market, now_ms = self._generator.market, self._now_ms()
        for peer in list(self._hub.peers.values()):
            async with peer.turn:
                blocks = peer.blocks or self._blocks(peer)
                for group in range(len(blocks)):
                    await peer.writable()
                    if not peer.is_open:
                        break
                    peer.write(blocks.block(group, market.rounds, now_ms))
                    self._hub.sent += blocks.messages(group)
        market.skip(BLOCK, now_ms)

    def _blocks(self, peer: Peer) -> Blocks:
        served = [topic for topic in peer.session.topics if self._exchange.serves(peer.session, topic)]
        feeds = {topic: feed for topic in served if (feed := self._generator.feed(topic))}
        live = {topic: feed for topic, feed in feeds.items() if feed.every_s is None}
        peer.blocks = Blocks(self._exchange, self._generator.market, peer.session, live)
        return peer.blocks
