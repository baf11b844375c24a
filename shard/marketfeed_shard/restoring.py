"""All that a shard has over REST, put together: one budget, and the parts that share it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence

from marketfeed.assignment import Assignment
from marketfeed.clock import Clock
from marketfeed.report import NAMES, BooksReport, CatalogueReport
from marketfeed_shard.carrying import Carrying, turns
from marketfeed_shard.connection.manager import Manager
from marketfeed_shard.missed import MissedTrades
from marketfeed_shard.over_rest import CarriedBooks, ListedSymbols, PolledStreams
from marketfeed_shard.pipeline import Pipeline
from marketfeed_shard.recovery.backfill import Backfill
from marketfeed_shard.recovery.budget import Weights
from marketfeed_shard.recovery.calls import Calls
from marketfeed_shard.recovery.instruments import Facts, Instruments
from marketfeed_shard.recovery.polls import Polls
from marketfeed_shard.recovery.ports import Answer, Rest
from marketfeed_shard.recovery.resync import Resync


class Restoring:
    """It is the `RestEvents` of its client. What it hears there waits for the next tick."""

    def __init__(
        self,
        carrying: Carrying,
        pipeline: Pipeline,
        manager: Manager,
        rest: Rest,
        clock: Clock,
        random: Callable[[], float],
        wake: Callable[[], None],
        listed: Mapping[str, Facts],
        remember: Callable[[Mapping[str, Facts]], None],
        grown: Callable[[], None],
    ) -> None:
        """`listed`: what an earlier process knew of the symbols; `remember`: to be told what is known now."""
        market = pipeline.market
        self._carrying = carrying
        self._pipeline = pipeline
        self._clock = clock
        self._wake = wake
        self._news: deque[tuple[int, Answer | str]] = deque()
        """(number of a call, its answer or why there is none)"""
        self.calls = Calls(market, rest, manager)
        self._missed = MissedTrades(pipeline, clock, wake)
        self._missed.attach(self.calls)
        self._books = CarriedBooks(pipeline, manager)
        self.resync = Resync(market, self.calls, self._books, random)
        pipeline.books.on_broken = self._broken
        self.polls = Polls(market, self.calls, PolledStreams(pipeline))
        self._symbols = ListedSymbols(carrying, pipeline, grown, remember)
        self.instruments = Instruments(market, self.calls, self._symbols, random, listed, clock.monotonic())

    @property
    def backfill(self) -> Backfill:
        """Of missed trades."""
        return self._missed.backfill

    def follow(self, assignment: Assignment, gone: Sequence[int]) -> None:
        """The assignment has changed, and so has what is carried. `gone`: slots of streams that are not any more."""
        share = assignment.rest
        if share is None:
            self.calls.allow(None)
        elif self.calls.weights is None:
            self.calls.allow(Weights(share.count, share.seconds, turns(share, self._clock)))
        else:
            self.calls.weights.resize(share.count, share.seconds, turns(share, self._clock))
        self.backfill.enabled = assignment.backfill
        self.backfill.forget(gone)
        self.resync.depth = assignment.book_depth
        self.resync.forget(gone)
        for channel in self.polls.channels:
            self.polls.carry(channel, self._carrying.of_channel(channel))
        self.instruments.carry(self._carrying.symbols)
        self._symbols.carry(self._carrying.symbols)

    def halted(self) -> set[int]:
        """Slots of streams whose symbol is not traded: their silence is no fault."""
        return self._carrying.of_symbols(self.instruments.halted)

    def answered(self, number: int, answer: Answer) -> None:
        self._news.append((number, answer))
        self._wake()

    def failed(self, number: int, reason: str) -> None:
        self._news.append((number, reason))
        self._wake()

    def tick(self, now_s: float) -> float:
        """Do what is due. Returns when to call again, at the latest."""
        while self._news:
            number, outcome = self._news.popleft()
            if isinstance(outcome, Answer):
                self.calls.answered(number, outcome, now_s)
            else:
                self.calls.failed(number, outcome, now_s)
        self.calls.expire(now_s)
        due_s = [part.tick(now_s) for part in (self.backfill, self.resync, self.polls, self.instruments)]
        return min(*due_s, self.calls.tick(now_s))

    def close(self) -> None:
        """Ask for nothing more."""
        self.instruments.close()

    # ---- for status and metrics --------------------------------------------------------------------------------------

    def books(self) -> BooksReport:
        """How the books are."""
        books = self._pipeline.books
        return BooksReport(books.desired, books.synced_count, books.gaps, books.resyncs)

    def unsynced(self) -> Collection[int]:
        """Slots of the books that are out of sync."""
        return self._books.unsynced()

    def catalogue(self, now_s: float) -> CatalogueReport:
        """What is known of the carried symbols."""
        instruments, age_s = self.instruments, self.instruments.age_s(now_s)
        return CatalogueReport(
            instruments.state(now_s),
            None if age_s is None else round(age_s, 3),
            instruments.error or None,
            [f"{symbol}: {status}" for symbol, status in sorted(instruments.halted.items())][:NAMES],
        )

    # ---- inside ------------------------------------------------------------------------------------------------------

    def _broken(self, slot: int) -> None:
        """A book came out of sync."""
        self.resync.broken(slot)
        self._wake()
