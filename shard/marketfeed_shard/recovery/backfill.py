"""Missed trades, fetched over REST while the live ones of their symbol wait. Without I/O; the caller says what time it is.

The wait is short and bounded: what is not there by then is announced as lost, and an answer that comes later is discarded.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from marketfeed.exchanges.exchange import Hole, Market, TradeHistory
from marketfeed.exchanges.message import Message, Numbering
from marketfeed.grammar import Malformed
from marketfeed.normalizer import Row
from marketfeed_shard.recovery.calls import Calls, Failure, Purpose
from marketfeed_shard.recovery.pages import Lost, NewestFirst, OldestFirst, Outcome, Pages, Unnumbered
from marketfeed_shard.recovery.ports import Answer
from marketfeed_shard.streams.durations import Durations

log = logging.getLogger("marketfeed.shard")

CHANNEL = "trades"
LONGEST_WAIT_S = 2.0
"""Live trades wait so long and no longer."""
SOON_S = 1.0
"""A call that does not go out by then is no hope: what is missing is announced at once."""
LAG_S = 0.2
"""Before the second call, where the exchange's history is behind its streams, or did not answer; then twice as long."""
OVERLAP_NS = 2_000_000_000
"""Where a history goes by time it is asked from so long before the last receipt: what was missed may have happened before."""
MOST_ROWS = 20_000
"""Of one hole."""


@dataclass(frozen=True, slots=True)
class Missing:
    """Trades of a stream that did not come."""

    last: int | None
    """Number of the last one before; null: not numbered, or not known."""
    first: int | None
    """Number of the first one after, which waits."""
    since_ns: int
    """Receipt of the last one before, or 0."""
    until_ns: int
    """Receipt of the first one after."""
    waited_s: float = 0.0
    """How long that has been waiting."""
    cut_s: float = 0.0
    """How long before it the connection was lost; 0.0: it was not, or nobody knows."""


class Streams(Protocol):
    """The streams of the shard, as far as missed trades go."""

    def native(self, slot: int) -> str:
        """The exchange's own symbol."""
        ...

    def rows(self, slot: int, message: Message, body: bytes) -> list[Row]:
        """The trades of an answer, in its order. Raises `Malformed`."""
        ...

    def waiting(self, slot: int) -> list[Row]:
        """The trades of the first message that waits."""
        ...

    def published(self, slot: int, identifier: str) -> bool:
        """Whether a trade went out not long ago, where only ids tell them apart."""
        ...

    def publish(self, slot: int, outcome: Outcome, received_ns: int) -> None:
        """Publish this in place of what is missing, then what waited; from now on the stream goes on."""
        ...


@dataclass(slots=True)
class _Fill:
    slot: int
    missing: Missing
    began_s: float
    ask_s: float
    """When to ask, while no call is on its way."""
    pages: Pages | None = None
    number: int | None = None
    """Of the call on its way."""
    received_ns: int = 0
    rows: int = 0
    lag_s: float = LAG_S
    full: bool = False

    @property
    def deadline_s(self) -> float:
        """When the wait ends, whatever there is."""
        return self.began_s if self.full else self.began_s + LONGEST_WAIT_S

    def lagged(self, now_s: float) -> None:
        """Ask again, a little later."""
        self.ask_s = now_s + self.lag_s
        self.lag_s *= 2.0


class Backfill:
    """All holes of a shard that are being filled."""

    def __init__(self, market: Market, calls: Calls, streams: Streams) -> None:
        self._history = market.history
        self._numbering = Numbering.NONE if market.history is None else market.history.message.numbering
        self._calls = calls
        self._streams = streams
        self._fills: dict[int, _Fill] = {}
        self.enabled = True
        """Whether the feed wants it."""
        self.outcomes: Counter[str] = Counter({"filled": 0, "partial": 0, "lost": 0})
        """Holes that are over; `lost`: nothing could be had."""
        self.durations = Durations()
        """From the cut, or else from the first trade after a hole, until that is filled or its loss announced."""

    def wants(self, slot: int, channel: str, missing: Missing, now_s: float) -> bool:
        """Whether this will be fetched: then the stream waits until it is published. Only noted here; `tick` asks."""
        if self._history is None or not self.enabled or channel != CHANNEL or not self._placed(missing):
            return False
        weight = self._history.call(self._streams.native(slot), _hole(missing)).weight
        if missing.waited_s > SOON_S or not self._calls.promises(Purpose.BACKFILL, weight, SOON_S, now_s):
            self.outcomes["lost"] += 1
            return False
        self._fills[slot] = _Fill(slot, missing, now_s - missing.waited_s, now_s)
        return True

    def full(self, slot: int) -> None:
        """As much waits as may: the wait ends with the next tick."""
        if slot in self._fills:
            self._fills[slot].full = True

    def forget(self, slots: Iterable[int]) -> None:
        """These streams are not wanted any more."""
        for slot in slots:
            fill = self._fills.pop(slot, None)
            if fill is not None and fill.number is not None:
                self._calls.drop(fill.number)

    def tick(self, now_s: float) -> float:
        """Do what is due. Returns when to call again, at the latest."""
        for fill in list(self._fills.values()):
            if now_s >= fill.deadline_s:
                self._finish(fill, now_s)
            elif fill.number is None and now_s >= fill.ask_s:
                self._ask(fill, now_s)
        waiting = self._fills.values()
        return min((min(f.deadline_s, f.ask_s if f.number is None else f.deadline_s) for f in waiting), default=float("inf"))

    # ---- inside ------------------------------------------------------------------------------------------------------

    def _placed(self, missing: Missing) -> bool:
        """Whether it is known from where to where something is missing."""
        if self._numbering is Numbering.UNIQUE:
            return missing.since_ns > 0
        return missing.last is not None and missing.first is not None and missing.first > missing.last

    def _ask(self, fill: _Fill, now_s: float) -> None:
        history = self._history
        assert history is not None
        if fill.pages is None:
            fill.pages = self._pages(fill, history)
        call = history.call(self._streams.native(fill.slot), fill.pages.left())
        if fill.pages.complete or not self._calls.promises(Purpose.BACKFILL, call.weight, SOON_S, now_s):
            self._finish(fill, now_s)
            return
        fill.number = self._calls.ask(Purpose.BACKFILL, call, lambda outcome, now_s: self._answered(fill, outcome, now_s))

    def _pages(self, fill: _Fill, history: TradeHistory) -> Pages:
        waiting, missing = self._streams.waiting(fill.slot), fill.missing
        if missing.last is None or missing.first is None:
            ids = {str(row.event["id"]) for row in waiting}
            published = partial(self._streams.published, fill.slot)
            return Unnumbered(missing.since_ns, published, ids, newest_first=history.newest_first)
        joined = int(waiting[0].event.get("count") or 1) if waiting else 1
        since_ns = max(0, missing.since_ns - OVERLAP_NS)
        kind = NewestFirst if history.newest_first else OldestFirst
        return kind(missing.last, missing.first - joined, since_ns, consecutive=self._numbering is Numbering.CONSECUTIVE)

    def _answered(self, fill: _Fill, outcome: Answer | Failure, now_s: float) -> None:
        fill.number = None
        if isinstance(outcome, Answer):
            self._page(fill, outcome, now_s)
        elif outcome.permanent:
            self._finish(fill, now_s)
        else:
            fill.lagged(now_s)

    def _page(self, fill: _Fill, answer: Answer, now_s: float) -> None:
        history, pages = self._history, fill.pages
        assert history is not None
        assert pages is not None
        try:
            rows = self._streams.rows(fill.slot, history.message, answer.body)
        except Malformed as problem:
            log.warning("a trade history that is none: %s", problem)
            self._finish(fill, now_s)
            return
        pages.add(rows)
        fill.rows += len(rows)
        fill.received_ns = answer.received_ns
        full = len(rows) >= history.rows
        if pages.complete or fill.rows >= MOST_ROWS:
            self._finish(fill, now_s)
        elif pages.lags(full):
            fill.lagged(now_s)
        elif full and history.pages:
            self._ask(fill, now_s)
        else:
            self._finish(fill, now_s)

    def _finish(self, fill: _Fill, now_s: float) -> None:
        """Publish what there is; the rest is lost."""
        del self._fills[fill.slot]
        if fill.number is not None:
            self._calls.drop(fill.number)
        missing = fill.missing
        outcome: Outcome = [Lost(missing.last, missing.first)] if fill.pages is None else fill.pages.outcome()
        lost = any(isinstance(part, Lost) for part in outcome)
        found = any(isinstance(part, Row) for part in outcome)
        self.outcomes["filled" if not lost else "partial" if found else "lost"] += 1
        self.durations.add(now_s - fill.began_s + missing.cut_s)
        self._streams.publish(fill.slot, outcome, fill.received_ns or missing.until_ns)


def _hole(missing: Missing) -> Hole:
    first = None if missing.last is None else missing.last + 1
    last = None if missing.first is None else missing.first - 1
    return Hole(first, last, missing.since_ns)
