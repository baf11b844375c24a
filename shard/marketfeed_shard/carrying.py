"""What a shard carries: its assignment, made into streams, topics and budgets."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from marketfeed.assignment import Assignment, Ban, Share, topic_url
from marketfeed.clock import Clock
from marketfeed.exchanges.exchange import Market
from marketfeed_shard.connection.budget import Turns
from marketfeed_shard.connection.ports import Settings, Source, Want
from marketfeed_shard.streams.table import Stream

log = logging.getLogger("marketfeed.shard")


@dataclass(frozen=True, slots=True)
class Difference:
    """Between what is carried and what an assignment names."""

    gone: tuple[int, ...]
    """Slots of streams that are not wanted any more."""
    new: tuple[Stream, ...]


class Carrying:
    """The streams that are wanted now, and their slots."""

    def __init__(self, market: Market, book_depth: int | None) -> None:
        """`book_depth`: the manifest's, when the shard begins."""
        self._market = market
        self._slots: dict[tuple[str, str], int] = {}
        """(channel, symbol) → slot."""
        self._natives: dict[str, str] = {}
        self._book_depth = book_depth

    @property
    def symbols(self) -> set[str]:
        """Those of which something is carried."""
        return {symbol for _, symbol in self._slots}

    def native(self, symbol: str) -> str:
        """The exchange's own name of a symbol that is carried."""
        return self._natives[symbol]

    def of_channel(self, channel: str) -> list[int]:
        """Slots of the streams of a channel."""
        return [slot for (own, _), slot in self._slots.items() if own == channel]

    def of_symbols(self, symbols: Iterable[str]) -> set[int]:
        """Slots of the streams of some symbols."""
        wanted = set(symbols)
        return {slot for (_, symbol), slot in self._slots.items() if symbol in wanted}

    def difference(self, assignment: Assignment) -> Difference:
        """What follows from an assignment. A book that has another depth goes and comes anew, in its slot."""
        self._natives = {s.symbol: s.native for s in assignment.symbols}
        wanted = {(c, s.symbol): Stream(c, s.symbol, s.native) for s in assignment.symbols for c in s.channels}
        before = self._book_depth
        if not self._market.cuts_books:  # else all books are cut as the first ones, until the shard is started anew
            self._book_depth = assignment.book_depth
        kept = {k for k, s in wanted.items() if k in self._slots and self._asked(s, before) == self._asked(s, self._book_depth)}
        gone = tuple(slot for key, slot in self._slots.items() if key not in kept)
        new = tuple(stream for key, stream in wanted.items() if key not in kept)
        log.info("generation %d: %d streams, %d new, %d gone", assignment.generation, len(wanted), len(new), len(gone))
        return Difference(gone, new)

    def carry(self, difference: Difference, slots: Iterable[int]) -> dict[int, Stream]:
        """The new streams have got these slots. Returns them by slot."""
        gone = set(difference.gone)
        added = dict(zip(slots, difference.new, strict=True))
        self._slots = {key: slot for key, slot in self._slots.items() if slot not in gone}
        self._slots |= {(stream.channel, stream.symbol): slot for slot, stream in added.items()}
        return added

    def wants(self, assignment: Assignment, streams: Mapping[int, Stream]) -> dict[int, Want]:
        """Where these streams are to be had."""
        return {slot: self._want(assignment, stream) for slot, stream in streams.items()}

    def _asked(self, stream: Stream, depth: int | None) -> tuple[object, ...]:
        """What the exchange is asked for, as far as the depth of books matters."""
        topics, snapshot = self._market.topics(stream.channel, stream.native, depth), self._market.snapshot
        if snapshot is None or snapshot.message.channel != stream.channel:
            return topics
        return (*topics, snapshot.call(stream.native, depth))

    def _want(self, assignment: Assignment, stream: Stream) -> Want:
        topics = self._market.topics(stream.channel, stream.native, self._book_depth)
        urls = (topic_url(self._market, assignment.endpoint, topic) for topic in topics)
        return Want(stream.channel, tuple(map(Source, topics, urls)))


def settings(assignment: Assignment, own_ban: Ban | None, clock: Clock) -> Settings:
    """What an assignment says about connections. `own_ban`: one that this shard met itself."""
    own = () if own_ban is None else (own_ban,)
    burst = assignment.connects_burst
    return Settings(
        limits=assignment.limits,
        connects=assignment.connects,
        bans=(*assignment.bans, *own),
        stale_after_s=assignment.watchdog.stale_after,
        check_interval_s=assignment.watchdog.check_interval,
        turns=turns(assignment.connects, clock),
        burst=burst,
        burst_turns=None if burst is None else turns(burst, clock),
        legs=assignment.legs,
    )


def turns(share: Share, clock: Clock) -> Turns | None:
    """The turns of a share, which it tells by the wall clock, on the clock that never jumps."""
    if share.turn_s is None or share.period_s is None:
        return None
    return Turns(clock.monotonic() + (share.turn_s - clock.time_ns() / 1e9) % share.period_s, share.period_s)
