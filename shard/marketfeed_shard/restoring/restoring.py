"""All that a shard has over REST, put together: one budget, and the parts that share it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Sequence

from marketfeed.assignment import Assignment, Share
from marketfeed.clock import Clock
from marketfeed.report import NAMES, BooksReport, CatalogueReport
from marketfeed_shard.carrying import Carrying, turns
from marketfeed_shard.connection.manager import Manager
from marketfeed_shard.pipeline.pipeline import Pipeline
from marketfeed_shard.recovery.backfill import Backfill
from marketfeed_shard.recovery.budget import Weights
from marketfeed_shard.recovery.calls import Calls
from marketfeed_shard.recovery.instruments import Instruments
from marketfeed_shard.recovery.polls import Polls
from marketfeed_shard.recovery.ports import Answer, Rest
from marketfeed_shard.recovery.resync import Resync
from marketfeed_shard.restoring.missed import MissedTrades
from marketfeed_shard.restoring.over_rest import CarriedBooks, ListedSymbols, PolledStreams
from marketfeed_shard.state.memory import Memory, Past


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
        past: Past,
        memory: Memory,
        grown: Callable[[], None],
    ) -> None:
        """`grown`: told of each stream beside those of the assignment. `wake`: `tick` is to be called soon."""
        market = pipeline.market
        self._carrying = carrying
        self._pipeline = pipeline
        self._clock = clock
        self._wake = wake
        self._news: deque[tuple[int, Answer | str]] = deque()
        """(number of a call, its answer or why there is none)"""
        self._spent = past.spent
        self._weights: Weights | None = None
        self.calls = Calls(market, rest, manager, lambda weight: memory.spent(clock.time_ns(), weight))
        self._missed = MissedTrades(pipeline, clock, wake)
        self._missed.attach(self.calls)
        self._books = CarriedBooks(pipeline, manager)
        self.resync = Resync(market, self.calls, self._books, random)
        pipeline.books.on_broken = self._broken
        self.polls = Polls(market, self.calls, PolledStreams(pipeline))
        self._symbols = ListedSymbols(carrying, pipeline, manager, grown, memory.listed)
        self.instruments = Instruments(market, self.calls, self._symbols, random, past.listed, clock.monotonic())

    @property
    def backfill(self) -> Backfill:
        """Of missed trades."""
        return self._missed.backfill

    def follow(self, assignment: Assignment, gone: Sequence[int]) -> None:
        """The assignment has changed, and so has what is carried. `gone`: slots of streams that are not any more."""
        self.calls.allow(None if assignment.rest is None else self._budget(assignment.rest))
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

    def _budget(self, share: Share) -> Weights:
        """What may be spent, after what was spent, by earlier processes too."""
        own_turns = turns(share, self._clock)
        if self._weights is None:
            now_s, now_ns = self._clock.monotonic(), self._clock.time_ns()
            self._weights = Weights(share.count, share.seconds, own_turns)
            self._weights.remember((now_s - (now_ns - at_ns) / 1e9, weight) for at_ns, weight in self._spent if at_ns <= now_ns)
        self._weights.resize(share.count, share.seconds, own_turns)
        return self._weights

    def _broken(self, slot: int) -> None:
        """A book came out of sync."""
        self.resync.broken(slot)
        self._wake()
