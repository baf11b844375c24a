"""What a consumer received of a simulated exchange, held against what the exchange sent and what its market did.

A judge listens to events as they come. It notes at once what is wrong whatever comes later (an event twice, a loss in silence)
and tells what is still missing, so that a test can wait until nothing is.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import books
import expected
from received import bare

from marketfeed.exchanges.message import Numbering
from marketfeed_simulator.ledger import MemoryLedger
from marketfeed_simulator.server import Simulator
from marketfeed_simulator.tampering import Corruption, Tampering, spoil
from marketfeed_simulator.truth import Truth

Event = Mapping[str, Any]
UNREADABLE: tuple[Corruption, ...] = ("truncated", "type", "decimal", "utf8")


class Trades:
    """One symbol's: complete by the truth, or a gap with bounds says what is missing; none twice."""

    def __init__(self, truth: Truth, symbol: str, numbering: Numbering) -> None:
        self._truth, self.symbol = truth, symbol
        self._ordered = numbering is not Numbering.UNIQUE
        self._counted = numbering is Numbering.CONSECUTIVE
        self._rows: dict[int, Mapping[str, Any]] = {}
        """Position → the trade of the truth whose last part is there."""
        self._places: dict[str, int] = {}
        self._ends: list[int] = []
        self._steps = 0
        self._last: int | None = None
        self._gap: Event | None = None
        self._missing: set[int] = set()
        self._untold: set[int] = set()
        """Of which nothing tells that they are missing: ids do not count."""
        self.announced: set[int] = set()
        """Positions that a gap stands for."""
        self.backfilled = 0

    def take(self, event: Event) -> str | None:
        """The next event of the stream; what is wrong with it."""
        if event["type"] == "gap":
            self._gap = event
            return None
        self.backfilled += bool(event.get("backfill"))
        self._learn()
        covered = self._covered(event)
        if covered is None:
            return f"a trade that the market did not make: {event}"
        gap, self._gap = self._gap, None
        first, last = covered[0], covered[-1]
        if self._last is None:
            self._last = first - 1
        if first <= self._last:
            if self._ordered or not self._missing.issuperset(covered):
                return f"twice, or out of order: {event}"
            self._missing.difference_update(covered)
            return self._differs(event, covered)
        hole = set(range(self._last + 1, first))
        self._last = last
        if gap is None:
            self._missing |= hole
            silent = self._ordered and hole - self._untold
            return f"lost in silence before {event}" if silent else self._differs(event, covered)
        self.announced |= hole
        told = gap["from_seq"], gap["to_seq"]
        if hole and self._counted and told[0] is not None and told != (min(hole), max(hole)):
            return f"{gap} does not tell the bounds of {min(hole)} to {max(hole)}"
        return self._differs(event, covered)

    def spoilt(self, event: Event) -> None:
        """The exchange made this trade's message unreadable, left it out, or told it after a later one."""
        self._learn()
        if not self._counted:
            self._untold.update(self._covered(event) or ())

    def lacks(self) -> str | None:
        """What has not come yet."""
        self._learn()
        newest = self._ends[-1]
        if missing := self._missing - self._untold:
            return f"trades {sorted(missing)[:3]} of {self.symbol}"
        return None if self._last == newest else f"trades of {self.symbol} from {self._last} to {newest}"

    def _learn(self) -> None:
        for row in self._truth.trades(self.symbol, self._steps):
            at = int(row["id"]) if self._ordered else self._steps
            self._rows[at], self._places[row["id"]] = row, at
            self._ends.append(at)
            self._steps += 1

    def _covered(self, event: Event) -> range | None:
        """The positions that a trade stands for: OKX joins fills."""
        if not self._ordered:
            at = self._places.get(event["id"])
            return None if at is None else range(at, at + 1)
        last = int(event["id"])
        return range(last - int(event.get("count", 1)) + 1, last + 1)

    def _differs(self, event: Event, covered: range) -> str | None:
        at = bisect_left(self._ends, covered[-1])
        if at == len(self._ends):
            return f"a trade that the market did not make: {event}"
        row = self._rows[self._ends[at]]
        wanted = [("price", row["price"]), ("side", row["side"]), ("ts", row["time_ms"] * 10**6)]
        parts = self._ends[at] - (self._ends[at - 1] if at else covered[0] - 1)
        if parts == len(covered):
            wanted.append(("size", row["size"]))
        wrong = [name for name, value in wanted if not _same(event[name], value)]
        return f"{wrong} differ from {row}: {event}" if wrong else None


class Told:
    """One stream of which each message stands alone: what was sent, in its order, each once; a hole has its gap."""

    def __init__(self, channel: str, symbol: str) -> None:
        self._channel, self.symbol = channel, symbol
        self._places: dict[Any, int] = {}
        self._texts: list[list[Event]] = []
        """By place, the event in all ways in which it was told: a new subscriber is told at another time."""
        self._extra: set[int] = set()
        """Places of what a new subscriber alone was told, where nothing tells that it is no news."""
        self._newest = -1
        self._last: int | None = None
        self._gap = False

    def sent(self, own: Event, first: bool) -> None:
        """The exchange sent it, on some connection; `first`: to a new subscriber alone."""
        number = own.get("seq")
        key = json.dumps(own) if number is None else number
        place = self._places.get(key)
        if place is not None:
            self._texts[place].append(own)
        elif number is None or number >= self._newest:
            self._newest = self._newest if number is None else number
            self._places[key] = len(self._texts)
            if first and number is None:
                self._extra.add(len(self._texts))
            self._texts.append([own])

    def take(self, event: Event) -> str | None:
        if event["type"] == "gap":
            self._gap = True
            return None
        own = bare(event)
        number = event.get("seq")
        place = self._places.get(json.dumps(own) if number is None else number)
        if place is None or own not in self._texts[place]:
            return f"not as it was sent: {event}"
        announced, self._gap = self._gap, False
        before, self._last = self._last, place
        if before is not None and place <= before:
            return f"twice, or out of order: {event}"
        lost = set() if before is None else set(range(before + 1, place)) - self._extra
        return f"{len(lost)} lost in silence before {event}" if lost and not announced else None

    def lacks(self) -> str | None:
        last = max((place for place in range(len(self._texts)) if place not in self._extra), default=None)
        return None if last is None or (self._last or 0) >= last else f"the latest {self._channel} of {self.symbol}"


class Book:
    """One symbol's book, kept by what the contract says of its events, and level by level as the market had it."""

    def __init__(self, truth: Truth, symbol: str, depth: int | None) -> None:
        """`depth`: levels on each side that the stream tells; None: all."""
        self._truth, self.symbol, self.depth = truth, symbol, depth
        self._book = books.Consumer()
        self.updates: dict[int, int] = {}
        """`seq` → the update id that the truth knows."""
        self.compared = 0

    def take(self, event: Event) -> str | None:
        try:
            self._book.take(dict(event))
        except AssertionError as error:
            return f"{error}: {event}"
        if event["type"] == "gap" or event["seq"] is None:
            return None
        update = self.updates.get(event["seq"], event["seq"])
        self.compared += 1
        return self._differs(self._truth.book(self.symbol, update=update))

    def lacks(self) -> str | None:
        if not self._book.is_known:
            return f"a book of {self.symbol}"
        return self._differs(self._truth.book(self.symbol))

    def _differs(self, truth: Mapping[str, Any]) -> str | None:
        for side, levels in zip(("bids", "asks"), self._book.levels(), strict=True):
            ours, theirs = _cut(levels, self.depth), _cut(truth[side], self.depth)
            if ours != theirs:
                odd = next((pair for pair in zip(ours, theirs, strict=False) if pair[0] != pair[1]), (len(ours), len(theirs)))
                return f"{side} of {self.symbol} at seq {self._book.seq} differ: {odd}"
        return None


class Judge:
    """Of all streams of a run."""

    def __init__(self, simulator: Simulator, channels: Sequence[str], depth: int | None, numbering: Numbering) -> None:
        """`depth`: levels of a book that its stream tells, None: all. `numbering`: of trades."""
        assert simulator.truth is not None
        assert isinstance(simulator.ledger, MemoryLedger)
        self._exchange = simulator.exchange
        self._ledger: MemoryLedger = simulator.ledger
        self._tampered = simulator.faults.tampered()
        self._forgotten: set[str] = set()
        self._unreadable: set[str] = set()
        """What messages became that were spoilt."""
        self._read = self._heard = self._spoilt = 0
        self.wrong: list[str] = []
        names, truth = [listing.symbol for listing in simulator.source.listings], simulator.truth
        self.trades = {name: Trades(truth, name, numbering) for name in names if "trades" in channels}
        self.books = {name: Book(truth, name, depth) for name in names if "book" in channels}
        alone = [channel for channel in channels if channel not in {"trades", "book"}]
        self.told = {(channel, name): Told(channel, name) for channel in alone for name in names}
        self.gaps: dict[str, list[Event]] = defaultdict(list)
        """By reason."""

    def hear(self, events: Sequence[Event]) -> None:
        """All events so far, in the order in which they came."""
        self._read_tampered()
        self._read_ledger()
        for event in events[self._heard :]:
            self._heard += 1
            if event["type"] == "gap":
                self.gaps[event["reason"]].append(event)
            of = self._of(event["channel"], event["symbol"])
            problem = of.take(event) if of is not None else f"of no stream: {event}"
            if problem is not None:
                self.wrong.append(problem)

    def forget(self, symbol: str) -> None:
        """It is no longer traded: nothing more is expected of it."""
        self._forgotten.add(symbol)

    def lacks(self) -> list[str]:
        """What a consumer that has all that there is would have, and this one has not."""
        streams: Iterable[Trades | Told | Book] = (*self.trades.values(), *self.told.values(), *self.books.values())
        expected_ones = (stream for stream in streams if stream.symbol not in self._forgotten)
        return [lack for stream in expected_ones if (lack := stream.lacks()) is not None]

    def _of(self, channel: str, symbol: str) -> Trades | Told | Book | None:
        if channel == "trades":
            return self.trades.get(symbol)
        return self.books.get(symbol) if channel == "book" else self.told.get((channel, symbol))

    def _read_ledger(self) -> None:
        while self._read < len(self._ledger):
            text = self._ledger[self._read].text
            self._read += 1
            if text not in self._unreadable:
                for event in self._expected(text):
                    self._note(event, text)

    def _read_tampered(self) -> None:
        for kind, _, _, text in self._tampered[self._spoilt :]:
            self._spoilt += 1
            if kind is Tampering.CORRUPT:
                spoilt = (spoil(text.encode(), form) for form in UNREADABLE)
                self._unreadable |= {each.decode(errors="backslashreplace") for each in spoilt} - {text}
            if kind is not Tampering.DUPLICATE:
                for event in self._expected(text):
                    if event["type"] == "trade":
                        self.trades[event["symbol"]].spoilt(event)

    def _expected(self, text: str) -> Sequence[Event]:
        return expected.events(self._exchange.name, self._exchange.market, text.encode()) or ()

    def _note(self, event: Event, text: str) -> None:
        channel, symbol = event["channel"], event["symbol"]
        if channel == "book" and self._exchange.name == "bybit" and symbol in self.books:
            self.books[symbol].updates[event["seq"]] = json.loads(text)["data"]["seq"]
        elif (told := self.told.get((channel, symbol))) is not None:
            told.sent(bare(event), '"type":"snapshot"' in text)


def _same(ours: Any, theirs: Any) -> bool:
    return bool(ours == theirs or (_number(ours) is not None and _number(ours) == _number(theirs)))


def _number(text: Any) -> Decimal | None:
    try:
        return Decimal(text) if isinstance(text, str) else None
    except ArithmeticError:
        return None


def _cut(levels: Iterable[Sequence[str]], depth: int | None) -> list[tuple[Decimal, Decimal]]:
    return [(Decimal(price), Decimal(size)) for price, size in levels][:depth]
