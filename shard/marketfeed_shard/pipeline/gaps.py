"""What is missing between two events of a stream: from where to where. Decisions only; the pipeline writes the events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from marketfeed.events import GapReason
from marketfeed.exchanges.exchange import Market
from marketfeed_shard.publishers.publisher import Loss
from marketfeed_shard.state.progress import Mark
from marketfeed_shard.streams.table import INTERRUPTED, STARTED, SUSPECTED, UNKNOWN, Stream, StreamTable

RENUMBERED_NS = 1_000_000_000
"""After an interruption, numbers that a stream passed so long ago are no late copies: the exchange began anew."""
REPEATING_NS = 10_000_000_000
"""A stream that brought nothing but repetitions for so long may have been numbered anew."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Events after `last` and before `first` are missing.

    Both may be UNKNOWN. A `first` that is not above `last` is numbered anew: how far the old numbers went is not known.
    """

    reason: GapReason
    last: int
    first: int
    from_ns: int
    """Receipt of the last event before it, or 0."""
    to_ns: int
    """Receipt of the first event after it."""
    cut_ns: int = 0
    """When the connection was lost, or 0: it was not, or nobody knows."""

    @classmethod
    def of(cls, loss: Loss, to_ns: int) -> Gap:
        """What a publisher's consumers can no longer get."""
        last = UNKNOWN if loss.first_position == UNKNOWN else loss.first_position - 1
        first = UNKNOWN if loss.last_position == UNKNOWN else loss.last_position + 1
        return cls(GapReason.DROPPED, last, first, loss.before_ns, to_ns)

    @property
    def position(self) -> int:
        """Number of the last event that it stands for, or UNKNOWN."""
        return UNKNOWN if self.first == UNKNOWN else self.first - 1

    def event(self, market: Market, stream: Stream, n: int) -> dict[str, Any]:
        """As it is published."""
        return {
            "type": "gap",
            "exchange": market.exchange,
            "market": market.name,
            "channel": stream.channel,
            "symbol": stream.symbol,
            "ts": None,
            "recv": self.to_ns,
            "n": n,
            "reason": self.reason.value,
            "from_seq": None if self.last == UNKNOWN else self.last + 1,
            "to_seq": None if self.first == UNKNOWN or self.first <= self.last else self.first - 1,
            "from_ts": self.from_ns or None,
            "to_ts": self.to_ns,
        }


class Continuity:
    """Whether a stream that started or was interrupted goes on where it ended."""

    def __init__(self, table: StreamTable, known: Mapping[str, Mark]) -> None:
        """`known`: how far streams were published before this process began, by name."""
        self._table = table
        self._known = dict(known)
        self._passed = self._recent = table.position[:]
        """How far the streams were between one and two seconds ago, and less than one."""
        self._repeated = table.repeated[:]

    def know(self, slot: int) -> None:
        """A stream is about to start again: note how far it was, if it was anywhere."""
        table = self._table
        if table.position[slot] != UNKNOWN:
            self._known[table.streams[slot].name] = Mark(table.position[slot], table.received_ns[slot])

    def remember_positions(self) -> None:
        """Note how far the streams are: to be called once a second."""
        self._passed, self._recent = self._recent, self._table.position[:]

    def suspect_repetitions(self, now_ns: int) -> None:
        """Look at every stream of which only repetitions come: it may have been numbered anew. To be called now and then."""
        table = self._table
        for slot, repeated in enumerate(table.repeated):
            before = self._repeated[slot] if slot < len(self._repeated) else 0
            if repeated != before and now_ns - table.received_ns[slot] > REPEATING_NS:
                counts = table.streams[slot].channel != "book" and table.position[slot] != UNKNOWN
                table.flags[slot] |= SUSPECTED if counts else INTERRUPTED  # what joins is judged elsewhere, or cannot be
        self._repeated = table.repeated[:]

    def gap(self, slot: int, position: int, received_ns: int) -> Gap | None:
        """What is missing before the next event of a stream; from then on it runs, unless that is still to be seen."""
        flags = self._table.flags[slot]
        if flags & STARTED:
            return self._started(slot, position, received_ns)
        if flags & INTERRUPTED:
            return self._resumed(slot, position, received_ns)
        return self._suspected(slot, position, received_ns) if flags & SUSPECTED else None

    def _started(self, slot: int, position: int, received_ns: int) -> Gap:
        table = self._table
        mark = self._known.pop(table.streams[slot].name, Mark(UNKNOWN, 0))
        table.n[slot] = 0
        table.position[slot] = UNKNOWN
        table.flags[slot] &= ~(STARTED | INTERRUPTED | SUSPECTED)
        return Gap(GapReason.STARTED, mark.position, position, mark.received_ns, received_ns)

    def _resumed(self, slot: int, position: int, received_ns: int) -> Gap | None:
        table = self._table
        last, last_ns, cut_ns = table.position[slot], table.received_ns[slot], table.cut_since_event_ns(slot)
        numbered = position != UNKNOWN and last != UNKNOWN
        if numbered and position <= last:
            passed = self._passed[slot] if slot < len(self._passed) else UNKNOWN
            if position > passed and received_ns - last_ns < RENUMBERED_NS:
                return None  # a repetition, left out as such; what is missing is known when a new one comes
            if position == last:
                table.flags[slot] &= ~INTERRUPTED
                return None  # told again as it still is, such as the best prices of a quiet symbol: nothing is missing
            return self._renumbered(slot, last, received_ns)
        table.flags[slot] &= ~INTERRUPTED
        if numbered and position == last + 1:
            return None
        if position != UNKNOWN:
            table.position[slot] = position - 1
        return Gap(GapReason.DISCONNECTED, last, position, last_ns, received_ns, cut_ns)

    def _suspected(self, slot: int, position: int, received_ns: int) -> Gap | None:
        """The same number as before, time and again, is a quiet stream; a lower one is a new beginning."""
        table = self._table
        table.flags[slot] &= ~SUSPECTED
        last = table.position[slot]
        return self._renumbered(slot, last, received_ns) if UNKNOWN != position < last else None

    def _renumbered(self, slot: int, last: int, received_ns: int) -> Gap:
        table = self._table
        for column in (self._passed, self._recent):
            if slot < len(column):
                column[slot] = UNKNOWN  # of the old numbers, which count no more
        table.flags[slot] &= ~(INTERRUPTED | SUSPECTED)
        table.position[slot] = UNKNOWN
        cut_ns = table.cut_since_event_ns(slot)
        return Gap(GapReason.DISCONNECTED, last, UNKNOWN, table.received_ns[slot], received_ns, cut_ns)
