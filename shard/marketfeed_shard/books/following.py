"""Where two connections bring one book, one leads; what the other one brings beyond it is kept, for when it has to lead.

Their messages cannot be mixed: each connection cuts the stream of changes where it likes. Where changes have numbers, those
that the leader has passed are forgotten. Where they have none, all is kept since the follower's snapshot, as long as it is not
too much: the book then begins anew with it. Else it begins anew with another snapshot.
"""

from __future__ import annotations

from marketfeed_shard.streams.current import Current
from marketfeed_shard.streams.kept import Kept
from marketfeed_shard.streams.table import UNKNOWN, StreamTable

KEPT_BYTES = 32 << 20
"""How much is kept of all books together: small changes take about three times as much memory. The largest gives way."""


class Following:
    """What followers brought, by slot."""

    def __init__(self, table: StreamTable, current: Current) -> None:
        self._table = table
        self._current = current
        self._kept: dict[int, Kept] = {}
        self._size_bytes = 0

    def keep(self, slot: int, snapshot: bool, seq: int, prev: int, received_ns: int, connection: int) -> None:
        """A message of a follower: kept if the leader may not have come as far."""
        last = self._table.position[slot]
        kept = self._kept.get(slot)
        if seq != UNKNOWN:
            if seq <= last:
                self._table.repeated[slot] += 1
                return
            kept = self._kept.setdefault(slot, Kept())
        elif snapshot:
            self.forget(slot)
            kept = self._kept[slot] = Kept()
        elif kept is None or kept.frames[0].connection != connection:
            self._table.repeated[slot] += 1
            return
        if self._current.is_last_of(kept):
            return
        before_bytes = kept.size_bytes
        kept.add(self._current.frame(connection, received_ns, seq, prev))
        if seq != UNKNOWN:
            kept.pass_by(last)
            kept.trim()
        self._size_bytes += kept.size_bytes - before_bytes
        self._bound(slot, kept)

    def end(self, slot: int, leader: int) -> Kept | None:
        """What the connection that leads from now on brought beyond the one before."""
        kept = self._kept.get(slot)
        if kept is None:
            return None
        self.forget(slot)
        kept.pass_by(self._table.position[slot])
        kept.leave_only(leader)
        return kept if kept.frames else None

    def forget(self, slot: int) -> None:
        """Nothing of a book is kept."""
        kept = self._kept.pop(slot, None)
        if kept is not None:
            self._size_bytes -= kept.size_bytes

    def _bound(self, slot: int, kept: Kept) -> None:
        if kept.full:  # else it was trimmed
            self.forget(slot)
        while self._size_bytes > KEPT_BYTES:
            self.forget(max(self._kept, key=lambda each: self._kept[each].size_bytes))
