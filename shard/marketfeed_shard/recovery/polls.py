"""What there is no stream for is asked for again and again, spread evenly, and less often where the budget is small.

Without I/O; the caller says what time it is.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from marketfeed.exchanges.exchange import Market, Poll
from marketfeed.exchanges.message import Message
from marketfeed.grammar import Malformed
from marketfeed_shard.recovery.calls import Calls, Failure, Purpose
from marketfeed_shard.recovery.ports import Answer

log = logging.getLogger("marketfeed.shard")

REFUSED_S = 300.0
"""A symbol of which the exchange refuses to tell is asked for again after so long."""


class Streams(Protocol):
    """The streams of the shard, as far as polls go."""

    def native(self, slot: int) -> str:
        """The exchange's own symbol."""
        ...

    def publish(self, slot: int, message: Message, body: bytes, received_ns: int) -> None:
        """Publish what an answer tells. Raises `Malformed`."""
        ...


@dataclass(slots=True)
class _Ring:
    """The streams of one poll, asked for in turn."""

    poll: Poll
    slots: list[int] = field(default_factory=list)
    next_s: float = 0.0
    number: int | None = None
    """Of the latest call, while it waits or is on its way."""
    refused_s: dict[int, float] = field(default_factory=dict)
    """Slot → when to ask again."""
    _at: int = 0

    def turn(self, now_s: float) -> int | None:
        """The stream whose turn it is; None where all are refused."""
        for _ in self.slots:
            self._at = (self._at + 1) % len(self.slots)
            slot = self.slots[self._at]
            if self.refused_s.get(slot, 0.0) <= now_s:
                return slot
        return None


class Polls:
    """All polls of a shard."""

    def __init__(self, market: Market, calls: Calls, streams: Streams) -> None:
        self._calls = calls
        self._streams = streams
        self._rings = [_Ring(poll) for poll in market.polls]

    def carry(self, channel: str, slots: Iterable[int]) -> None:
        """The streams of a channel, from now on these."""
        wanted = set(slots)
        for ring in self._rings:
            if ring.poll.channel == channel:
                ring.slots = [s for s in ring.slots if s in wanted] + sorted(wanted.difference(ring.slots))
                ring.refused_s = {slot: until_s for slot, until_s in ring.refused_s.items() if slot in wanted}

    @property
    def channels(self) -> set[str]:
        """Channels of which something is polled."""
        return {ring.poll.channel for ring in self._rings}

    def tick(self, now_s: float) -> float:
        """Ask for what is due. Returns when to call again, at the latest."""
        for ring in self._rings:
            if ring.slots and now_s >= ring.next_s:
                ring.next_s = now_s + ring.poll.every_s / len(ring.slots)
                self._ask(ring, now_s)
        return min((ring.next_s for ring in self._rings if ring.slots), default=float("inf"))

    def _ask(self, ring: _Ring, now_s: float) -> None:
        """Ask for one stream, unless a call waits for the budget: then this turn is left out."""
        if ring.number is not None and self._calls.waits(ring.number):
            return
        slot = ring.turn(now_s)
        if slot is not None:
            call = ring.poll.call(self._streams.native(slot))
            ring.number = self._calls.ask(Purpose.POLL, call, lambda o, now_s: self._answered(ring, slot, o, now_s))

    def _answered(self, ring: _Ring, slot: int, outcome: Answer | Failure, now_s: float) -> None:
        if slot not in ring.slots:
            return
        if isinstance(outcome, Failure):
            if outcome.permanent:
                ring.refused_s[slot] = now_s + REFUSED_S
            return
        try:
            self._streams.publish(slot, ring.poll.message, outcome.body, outcome.received_ns)
        except Malformed as problem:
            log.warning("%s of %s cannot be read: %s", ring.poll.channel, self._streams.native(slot), problem)
            ring.refused_s[slot] = now_s + REFUSED_S
