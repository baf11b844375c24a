"""A recording, played to those who are subscribed: when it begins and how fast it goes.

It begins when the subscriptions have been quiet for `settle_s`, at least one of them being to a stream of the file, or, with
`streams`, as soon as so many streams of the file are subscribed to. Then it goes on whatever happens; nothing is sent twice,
and what nobody is subscribed to at its moment is not sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from marketfeed.clock import Clock
from marketfeed_simulator.generator import Message
from marketfeed_simulator.hub import Hub
from marketfeed_simulator.recording import Recording

Speed = Literal["original", "full"]
SETTLE_S = 2.0
"""Longer than the half second that clients leave between two requests."""
CHUNK = 200
TICK_S = 0.002
"""Messages nearer to one another leave together."""


@dataclass(frozen=True, slots=True)
class Replay:
    """How a recording is played."""

    recording: Recording
    speed: Speed = "full"
    settle_s: float = SETTLE_S
    streams: int | None = None


class ReplayPump:
    """Plays it once."""

    def __init__(self, replay: Replay, hub: Hub, clock: Clock) -> None:
        """Raises `ValueError` where the original speed is not known."""
        if replay.speed == "original" and not replay.recording.timed:
            raise ValueError("the times of receipt are not beside the file (NAME.recv): replay it at full speed")
        self.running = asyncio.Event()
        self.done = asyncio.Event()
        """All of it has been played."""
        self._replay, self._hub, self._clock = replay, hub, clock
        self._changed = asyncio.Event()
        hub.on_change = self._changed.set

    def knows(self, topic: str) -> bool:
        """Any is accepted: the file may have it or not."""
        return True

    def first(self, topic: str) -> Iterable[Message]:
        """What a new subscriber gets at once: what was recorded comes in its turn."""
        return ()

    async def run(self) -> None:
        """Until the end of the recording."""
        await self._begin()
        if self._replay.speed == "full":
            await self._full()
        else:
            await self._original()
        await self._hub.settle()
        self.done.set()

    async def _begin(self) -> None:
        """Wait until it may begin."""
        wanted = self._replay.streams
        while True:
            self._changed.clear()
            subscribed = len(self._replay.recording.topics.intersection(self._hub.topics))
            if wanted is not None and subscribed >= wanted:
                return
            settling = wanted is None and subscribed > 0
            try:
                await asyncio.wait_for(self._changed.wait(), self._replay.settle_s if settling else None)
            except TimeoutError:
                return

    async def _full(self) -> None:
        for count, (message, _) in enumerate(self._replay.recording.messages(), 1):
            for topic in message.topics:
                self._hub.deliver(topic, message.payload)
            if count % CHUNK == 0:
                await self._hub.settle()
                await asyncio.sleep(0)
                await self.running.wait()

    async def _original(self) -> None:
        """At the distances of receipt. A pause is made up for at its end."""
        began_s, first_ns = self._clock.monotonic(), None
        for count, (message, received_ns) in enumerate(self._replay.recording.messages(), 1):
            if received_ns is None:
                continue
            first_ns = received_ns if first_ns is None else first_ns
            wait_s = began_s + (received_ns - first_ns) / 1e9 - self._clock.monotonic()
            if wait_s > TICK_S or count % CHUNK == 0:
                await self._hub.settle()
                await asyncio.sleep(max(0.0, wait_s))
                await self.running.wait()
            for topic in message.topics:
                self._hub.deliver(topic, message.payload)
