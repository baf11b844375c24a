"""Books that are out of sync: a snapshot for each, from the socket or over REST. Without I/O; the caller says what time it is.

A book that breaks again and again waits longer each time, so that it does not spend what others need.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Container, Iterable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

from marketfeed.backoff import Backoff
from marketfeed.exchanges.exchange import BookSnapshot, Market
from marketfeed.grammar import Malformed
from marketfeed_shard.recovery.calls import Calls, Failure, Purpose
from marketfeed_shard.recovery.ports import Answer

log = logging.getLogger("marketfeed.shard")

LOOK_S = 0.25
"""Between two looks while a book is out of sync."""
SOCKET_S = 10.0
"""A snapshot that the socket owes after a subscription has come by then."""
BASE_S, MOST_S = 1.0, 300.0
"""Bounds of the wait before an attempt; it is a random part of a bound that doubles."""
REFUSED_S = 300.0
"""After the exchange refused to give a snapshot of this symbol."""


class Books(Protocol):
    """The books of the shard, and the subscriptions that bring them."""

    def unsynced(self) -> Collection[int]:
        """Slots of the books that are out of sync."""
        ...

    def subscribed(self) -> Container[int]:
        """Slots of the streams that are acknowledged or seen."""
        ...

    def native(self, slot: int) -> str:
        """The exchange's own symbol."""
        ...

    def snapshot(self, slot: int, body: bytes, received_ns: int) -> bool:
        """A book over REST; False: older than the changes that wait for it. Raises `Malformed`."""
        ...

    def renew(self, slots: Collection[int], now_s: float) -> None:
        """Subscribe again: the socket brings a snapshot."""
        ...


class _Way(Enum):
    """Where the next snapshot comes from."""

    REST = auto()
    SOCKET = auto()


@dataclass(slots=True)
class _Repair:
    way: _Way
    due_s: float
    """When to act, while no call is on its way."""
    number: int | None = None
    """Of the call on its way."""


class Resync:
    """All books of a shard."""

    def __init__(self, market: Market, calls: Calls, books: Books, random: Callable[[], float]) -> None:
        self._snapshot = market.snapshot
        self._calls = calls
        self._books = books
        self._random = random
        self._repairs: dict[int, _Repair] = {}
        self._backoffs: dict[int, Backoff] = {}
        """Of every book that was out of sync."""
        self._broken: set[int] = set()
        """Books that broke since the last look; others wait for their first snapshot."""
        self._look_s = 0.0
        self.faults: dict[int, str] = {}
        """Why the latest snapshot over REST could not be had, by slot of a book that still needs one."""
        self.depth: int | None = None
        """The manifest's bookDepth."""

    def broken(self, slot: int) -> None:
        """A book came out of sync: only noted here, `tick` acts."""
        self._broken.add(slot)
        self._look_s = 0.0

    def forget(self, slots: Iterable[int]) -> None:
        """These books are not wanted any more."""
        for slot in slots:
            self._end(slot)
            self._broken.discard(slot)
            self._backoffs.pop(slot, None)

    def tick(self, now_s: float) -> float:
        """Do what is due. Returns when to call again, at the latest."""
        if now_s >= self._look_s:
            self._look(now_s)
        due = [slot for slot, repair in self._repairs.items() if repair.number is None and repair.due_s <= now_s]
        if renewed := [slot for slot in due if self._repairs[slot].way is _Way.SOCKET]:
            self._books.renew(renewed, now_s)
            for slot in renewed:
                self._renewed(slot, now_s)
        for slot in due:
            if self._snapshot is not None and self._repairs[slot].way is _Way.REST and slot not in renewed:
                self._ask(slot, self._snapshot)
        waiting = [repair.due_s for repair in self._repairs.values() if repair.number is None]
        return min((self._look_s, *waiting))

    # ---- inside ------------------------------------------------------------------------------------------------------

    def _look(self, now_s: float) -> None:
        """Begin and end repairs by how the books are."""
        unsynced = set(self._books.unsynced())
        subscribed = self._books.subscribed() if unsynced else ()
        for slot in [s for s in self._repairs if s not in unsynced or s not in subscribed]:
            self._end(slot)
            if slot not in unsynced:
                self._backoffs[slot].succeeded(now_s)
        for slot in unsynced:
            if slot in subscribed and slot not in self._repairs:
                self._repairs[slot] = self._begin(slot, now_s)
        self._broken &= unsynced - self._repairs.keys()
        self._look_s = now_s + LOOK_S

    def _begin(self, slot: int, now_s: float) -> _Repair:
        backoff = self._backoffs.setdefault(slot, Backoff(self._random, BASE_S, MOST_S))
        broke, snapshot = slot in self._broken, self._snapshot
        if snapshot is not None and snapshot.after_s is None:
            return _Repair(_Way.REST, backoff.failed(now_s) if broke else now_s)
        if broke:
            return _Repair(_Way.SOCKET, backoff.failed(now_s))
        if snapshot is not None and snapshot.after_s is not None:
            return _Repair(_Way.REST, now_s + snapshot.after_s)
        return _Repair(_Way.SOCKET, now_s + SOCKET_S)

    def _renewed(self, slot: int, now_s: float) -> None:
        """Where the socket's snapshot does not come, REST stands in, or it is asked for again."""
        after_s = None if self._snapshot is None else self._snapshot.after_s
        if after_s is None:
            self._repairs[slot].due_s = self._backoffs[slot].failed(now_s, SOCKET_S)
        else:
            self._repairs[slot] = _Repair(_Way.REST, now_s + after_s)

    def _ask(self, slot: int, snapshot: BookSnapshot) -> None:
        call = snapshot.call(self._books.native(slot), self.depth)
        self._repairs[slot].number = self._calls.ask(Purpose.BOOK, call, lambda o, now_s: self._answered(slot, o, now_s))

    def _answered(self, slot: int, outcome: Answer | Failure, now_s: float) -> None:
        repair = self._repairs[slot]
        repair.number = None
        if isinstance(outcome, Failure):
            self.faults[slot] = outcome.reason
            repair.due_s = now_s + REFUSED_S if outcome.permanent else self._backoffs[slot].failed(now_s)
            return
        try:
            taken = self._books.snapshot(slot, outcome.body, outcome.received_ns)
        except Malformed as problem:
            log.warning("a book of %s that is none: %s", self._books.native(slot), problem)
            taken = False
        if taken:
            self._end(slot)
            self._backoffs[slot].succeeded(now_s)
        else:
            repair.due_s = self._backoffs[slot].failed(now_s)

    def _end(self, slot: int) -> None:
        self.faults.pop(slot, None)
        repair = self._repairs.pop(slot, None)
        if repair is not None and repair.number is not None:
            self._calls.drop(repair.number)
