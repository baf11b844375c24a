"""One stream held against what the exchange told of it: in order, each event once, each missing stretch announced."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from marketfeed.exchanges.message import Numbering
from marketfeed.normalizer import Row
from tests.simulation.broken import BrokenError
from tests.simulation.figures import Figures
from tests.simulation.keys import Key, key, keys

MERGED = "ticker"
"""It may come as deltas, so that only which message it was is held against the truth: a lost one is announced, and what it
changed is not known until it changes again."""
OUR_OWN = frozenset({"recv", "n", "backfill"})


@dataclass(slots=True)
class Told:
    """One event as the exchange told it, or one fill of a joined trade."""

    key: Key
    event: dict[str, Any]
    made_s: float
    withheld: bool


class Account:
    """One stream without levels. `take` raises `BrokenError`."""

    def __init__(
        self,
        channel: str,
        symbol: str,
        figures: Figures,
        *,
        polled: bool = False,
        ends: bool = False,
        fills: Callable[[int], bool] = lambda missing: False,
        seamless: bool = False,
    ) -> None:
        """`polled`: some of it comes over REST. `ends`: the end of a candle is not told, but follows from the next one.

        `fills`: whether so many missing events could be had over REST now. `seamless`: nothing of it can be missing, where it
        is numbered.
        """
        self.name = f"{channel}:{symbol}"
        self._channel = channel
        self._polled = polled
        self._ends = ends
        self._fills = fills
        self._seamless = seamless
        self._numbering = Numbering.NONE
        """As declared for the messages that come."""
        self._figures = figures
        self._due: deque[Told] = deque()
        """Told, and neither published nor announced yet."""
        self._keys: set[Key] = set()
        """Of those that are due."""
        self._newest: Key = ()
        """Of the event that was told last."""
        self._last: int | None = None
        """Its number, where it has one."""
        self._repeats: dict[Key, dict[str, Any]] = {}
        """Told again, to new subscribers alone or because nothing changed; until the next event that is new."""
        self._gaps: list[dict[str, Any]] = []
        """Announced since the last event."""
        self._event: dict[str, Any] = {}
        """The last one that was told and published."""
        self._n = 0
        self._received_ns = 0
        """Receipt of the last event that was published."""

    # ---- what the exchange does --------------------------------------------------------------------------------------

    def told(self, row: Row, now_s: float, *, withheld: bool) -> None:
        """See `Chronicle`."""
        event, self._numbering = row.event, row.message.numbering
        if self._is_numbered and row.position is not None:
            if self._last is not None and row.position <= self._last:
                return
            self._last = row.position
        newest = key(self._channel, event)
        if newest == self._newest:
            self._repeats[newest] = event
            return
        self._newest = newest
        for each in keys(self._channel, event):
            self._due.append(Told(each, event, now_s, withheld))
            self._keys.add(each)

    def repeated(self, row: Row) -> None:
        """See `Chronicle`."""
        self._repeats[key(self._channel, row.event)] = row.event

    # ---- what the shard publishes ------------------------------------------------------------------------------------

    def take(self, event: dict[str, Any], now_s: float) -> None:
        """An event of this stream has been published."""
        self.count(event)
        if event["type"] == "gap":
            self._figures.gap(event["reason"])
            self._gaps.append(event)
            if self._seamless and self._is_numbered and event["reason"] != "started":
                raise BrokenError(f"{self.name}: one of two legs is enough, and yet: {event}")
            return
        if not self._is_poll(event) and not self._is_end(event):
            self._data(event, now_s)
        self._received_ns = event["recv"]

    def count(self, event: dict[str, Any]) -> None:
        """`n` rises by one, and begins anew with a start alone."""
        begins = event["type"] == "gap" and event["reason"] == "started"
        expected = 1 if begins else self._n + 1
        if event["n"] != expected:
            raise BrokenError(f"{self.name}: n is {event['n']} where {expected} is due: {event}")
        self._n = event["n"]

    def overdue(self, since_s: float, before_s: float) -> str | None:
        """What was told between these moments and is neither published nor announced; null: nothing.

        What was lost earlier is announced with the next event at the latest.
        """
        first = next((told for told in self._due if not told.withheld and since_s <= told.made_s < before_s), None)
        return None if first is None else f"{self.name}: nothing is known of {first.key}, told at {first.made_s:.3f} s"

    @property
    def is_proven(self) -> bool:
        """Whether its numbers tell of every loss."""
        return self._numbering is Numbering.CONSECUTIVE

    # ---- inside ------------------------------------------------------------------------------------------------------

    @property
    def _is_numbered(self) -> bool:
        return self._numbering in {Numbering.CONSECUTIVE, Numbering.RISING}

    def _is_poll(self, event: dict[str, Any]) -> bool:
        """What the exchange's stream does not tell."""
        return self._polled and "open_interest" in event

    def _is_end(self, event: dict[str, Any]) -> bool:
        """The end of the candle that was published last: it says what that did."""
        if not self._ends or not event["closed"]:
            return False
        self._same(event, self._event, OUR_OWN | {"closed", "ts"})
        return True

    def _data(self, event: dict[str, Any], now_s: float) -> None:
        own = key(self._channel, event)
        if own not in self._keys:
            if own not in self._repeats:
                raise BrokenError(f"{self.name}: published twice, out of order, or never told: {event}")
            self._same(event, self._repeats[own], OUR_OWN | {"ts"})
            return
        before = self._until(own)
        told = before.pop()
        joined = int(event.get("count") or 1)
        if len(before) < joined - 1:
            raise BrokenError(f"{self.name}: fills of it were published before: {event}")
        if joined == int(told.event.get("count") or 1):
            self._same(event, told.event, OUR_OWN | ({"ts"} if own in self._repeats else set()))
        self._account(before[: len(before) - joined + 1], event, now_s)
        self._figures.published += 1
        if event.get("backfill"):
            self._figures.filled(now_s - told.made_s)
        self._gaps.clear()
        self._repeats = {own: self._repeats[own]} if own in self._repeats else {}  # it may come yet
        self._event = event

    def _until(self, own: Key) -> list[Told]:
        """What was told up to an event that is due."""
        found: list[Told] = []
        while not found or found[-1].key != own:
            found.append(self._due.popleft())
            self._keys.discard(found[-1].key)
        return found

    def _same(self, event: dict[str, Any], told: dict[str, Any], besides: set[str] | frozenset[str]) -> None:
        """What was published says what was told."""
        if self._channel == MERGED:
            return
        for field in (event.keys() | told.keys()) - besides:
            if event.get(field) != told.get(field) and not (field == "count" and event.get("backfill")):
                raise BrokenError(f"{self.name}: {field} was told as {told.get(field)!r}: {event}")

    def _account(self, missing: list[Told], event: dict[str, Any], now_s: float) -> None:
        """Each missing event is within a gap that was announced, and no gap claims what was published."""
        if self._is_numbered:
            self._claims(event)
        for told in missing:
            if not any(self._holds(gap, told, event) for gap in self._gaps):
                if told.withheld and self._numbering is not Numbering.CONSECUTIVE:
                    continue  # nobody can know of it
                raise BrokenError(f"{self.name}: {told.key}, told at {told.made_s:.3f} s, was lost in silence before {event}")
            self._figures.lost += 1
        started = any(gap["reason"] == "started" for gap in self._gaps)
        if missing and not started and self._fills(len(missing)):
            raise BrokenError(f"{self.name}: {len(missing)} from {missing[0].key} on could be had over REST, and were not")
        if missing and self._gaps:
            self._figures.announced(now_s - missing[0].made_s)

    def _claims(self, event: dict[str, Any]) -> None:
        """No gap claims what was published.

        A process that starts knows no more than what the sinks had answered for; the end of a gap before a joined trade is
        told by its last fill.
        """
        before, after = self._number(self._event), self._number(event)
        for gap in self._gaps:
            claims_earlier = gap["reason"] != "started" and gap["from_seq"] is not None and gap["from_seq"] <= before
            if claims_earlier or (gap["to_seq"] is not None and gap["to_seq"] >= after):
                raise BrokenError(f"{self.name}: a gap claims what was published, between {before} and {after}: {gap}")

    def _number(self, event: dict[str, Any]) -> int:
        """Of a numbered event; what comes before all, where there is none."""
        return int(key(self._channel, event)[0]) if event else -1

    def _holds(self, gap: dict[str, Any], told: Told, event: dict[str, Any]) -> bool:
        """Whether its bounds hold an event."""
        if self._is_numbered:
            number = int(told.key[0])
            return (gap["from_seq"] is None or gap["from_seq"] <= number) and (gap["to_seq"] is None or number <= gap["to_seq"])
        if gap["from_ts"] is not None and gap["from_ts"] > self._received_ns > 0:
            raise BrokenError(f"{self.name}: a gap begins after the last event that was published: {gap}")
        return bool(gap["to_ts"] <= event["recv"])
