"""One stream held against what the exchange told of it: in order, each event once, each missing stretch announced."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from marketfeed.exchanges.message import Numbering
from marketfeed.normalizer import Row
from tests.simulation.broken import BrokenError
from tests.simulation.figures import Figures

MERGED = "ticker"
"""It may come as deltas, so that only which message it was is held against the truth: a lost one is announced, and what it
changed is not known until it changes again."""


@dataclass(slots=True)
class Told:
    """One event, as the exchange told it."""

    key: Hashable
    event: dict[str, Any]
    made_s: float
    withheld: bool


class Account:
    """One stream without levels. `take` raises `BrokenError`."""

    def __init__(self, channel: str, symbol: str, figures: Figures, *, polled: bool) -> None:
        """`polled`: some of it comes over REST, of which nothing is told."""
        self.name = f"{channel}:{symbol}"
        self._channel = channel
        self._polled = polled
        self._numbering = Numbering.NONE
        """As declared for the messages that come."""
        self._figures = figures
        self._due: deque[Told] = deque()
        """Told, and neither published nor announced yet."""
        self._keys: set[Hashable] = set()
        """Of those that are due."""
        self._repeats: dict[Hashable, dict[str, Any]] = {}
        self._gaps: list[dict[str, Any]] = []
        """Announced since the last event."""
        self._last: int | None = None
        """Number of the last event that was told or announced, where they are numbered."""
        self._passed = 0
        self._n = 0
        self._received_ns = 0
        """Receipt of the last event that was published."""

    # ---- what the exchange does --------------------------------------------------------------------------------------

    def told(self, row: Row, now_s: float, *, withheld: bool) -> None:
        """See `Chronicle`."""
        self._numbering = row.message.numbering
        if self._numbered and row.position is not None:
            if self._last is not None and row.position <= self._last:
                return  # told again
            self._last = row.position
        told = Told(self._key(row.event), row.event, now_s, withheld)
        self._due.append(told)
        self._keys.add(told.key)

    def repeated(self, row: Row) -> None:
        """See `Chronicle`."""
        self._repeats[self._key(row.event)] = row.event

    # ---- what the shard publishes ------------------------------------------------------------------------------------

    def take(self, event: dict[str, Any], now_s: float) -> None:
        """An event of this stream has been published."""
        self.count(event)
        if event["type"] == "gap":
            self._figures.gap(event["reason"])
            self._gaps.append(event)
        elif not self._is_poll(event):
            self._data(event, now_s)
            self._received_ns = event["recv"]

    def overdue(self, before_s: float) -> str | None:
        """What was told before this moment and is neither published nor announced; null: nothing."""
        first = next((told for told in self._due if not told.withheld), None)
        if first is None or first.made_s >= before_s:
            return None
        return f"{self.name}: nothing is known of {first.key}, told at {first.made_s:.3f} s"

    def count(self, event: dict[str, Any]) -> None:
        """`n` rises by one, and begins anew with a start alone."""
        begins = event["type"] == "gap" and event["reason"] == "started"
        expected = 1 if begins else self._n + 1
        if event["n"] != expected:
            raise BrokenError(f"{self.name}: n is {event['n']} where {expected} is due: {event}")
        self._n = event["n"]

    # ---- inside ------------------------------------------------------------------------------------------------------

    @property
    def _numbered(self) -> bool:
        return self._numbering in {Numbering.CONSECUTIVE, Numbering.RISING}

    def _key(self, event: dict[str, Any]) -> Hashable:
        match self._channel.partition(".")[0]:
            case "trades":
                fields = ["id"]
            case "bbo" if event["seq"] is not None:
                fields = ["seq"]
            case "candles":
                fields = ["ts", "open_time", "closed"]
            case "liquidations":
                fields = ["ts", "price", "size"]
            case _:
                fields = ["ts"]
        return tuple(event[field] for field in fields)

    def _is_poll(self, event: dict[str, Any]) -> bool:
        """What came over REST, where the exchange's stream does not tell it."""
        return self._polled and "open_interest" in event

    def _data(self, event: dict[str, Any], now_s: float) -> None:
        key = self._key(event)
        if key not in self._keys:
            if key not in self._repeats:
                raise BrokenError(f"{self.name}: published twice, out of order, or never told: {event}")
            self._same(event, self._repeats[key], besides_time=True)
            return
        missing: list[Told] = []
        while (told := self._due.popleft()).key != key:
            missing.append(told)
        self._keys.difference_update(told.key for told in (told, *missing))
        self._same(event, told.event, besides_time=key in self._repeats)
        self._account(missing, event, now_s)
        self._figures.published += 1
        if event.get("backfill"):
            self._figures.filled(now_s - told.made_s)
        self._gaps.clear()
        self._repeats.clear()

    def _same(self, event: dict[str, Any], told: dict[str, Any], *, besides_time: bool) -> None:
        """What was published says what was told."""
        skipped = {"recv", "n", "backfill"} | ({"ts"} if besides_time else set())
        if self._channel == MERGED:
            return
        for key in (event.keys() | told.keys()) - skipped:
            if event.get(key) != told.get(key):
                raise BrokenError(f"{self.name}: {key} is {event.get(key)!r} and was told as {told.get(key)!r}: {event}")

    def _account(self, missing: list[Told], event: dict[str, Any], now_s: float) -> None:
        """Each missing event is within a gap that was announced, and no gap claims what was published."""
        for told in missing:
            if not any(self._holds(gap, told, event) for gap in self._gaps):
                if told.withheld and self._numbering is not Numbering.CONSECUTIVE:
                    continue  # nobody can know of it
                raise BrokenError(f"{self.name}: {told.key}, told at {told.made_s:.3f} s, was lost in silence before {event}")
            self._figures.lost += 1
        if missing and self._gaps:
            self._figures.announced(now_s - missing[0].made_s)

    def _holds(self, gap: dict[str, Any], told: Told, event: dict[str, Any]) -> bool:
        """Whether its bounds hold an event."""
        if self._numbered:
            number = int(told.event["id"] if self._channel == "trades" else told.event["seq"])
            return (gap["from_seq"] is None or gap["from_seq"] <= number) and (gap["to_seq"] is None or number <= gap["to_seq"])
        if gap["from_ts"] is not None and gap["from_ts"] > self._received_ns > 0:
            raise BrokenError(f"{self.name}: a gap begins after the last event that was published: {gap}")
        return bool(gap["to_ts"] <= event["recv"])
