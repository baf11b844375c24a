"""A connection's streams go over to others: make before break. Decisions only; the caller says what time it is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from marketfeed_shard.connection.connection import Connection


class Takeover:
    """Which streams of an old connection go where. It goes when each of them is proven there."""

    def __init__(self, old: Connection, streams: Mapping[int, Connection], now_s: float) -> None:
        """`streams`: slot → where it goes."""
        self.old = old
        self.began_s = now_s
        self._streams = dict(streams)

    @property
    def replacement(self) -> Connection | None:
        """The connection that was opened in place of the old one; None where its streams go to several that were there."""
        return next((new for new in self._streams.values() if new.replaces is self.old), None)

    def parts(self) -> Iterator[tuple[Connection, list[int]]]:
        """The new connections, each with the streams that go there."""
        parts: dict[Connection, list[int]] = defaultdict(list)
        for slot, new in self._streams.items():
            parts[new].append(slot)
        return iter(parts.items())

    def concerns(self, connection: Connection) -> bool:
        """Whether streams go to this connection."""
        return any(new is connection for new in self._streams.values())

    def forget(self, slot: int) -> None:
        """A stream is wanted no more."""
        self._streams.pop(slot, None)

    def redirect(self, gone: Connection, streams: Mapping[int, Connection]) -> None:
        """One of the new connections was itself taken over before it had taken over."""
        self._streams |= {slot: streams[slot] for slot, new in self._streams.items() if new is gone and slot in streams}

    def missing(self, now_s: float) -> dict[Connection, list[int]]:
        """Streams that their new connection has not yet proven; those of one that is not open are all missing."""
        return {
            new: missing
            for new, slots in self.parts()
            if (missing := new.proof.missing(slots, now_s) if new.is_open else slots)
        }

    @property
    def streams(self) -> Mapping[int, Connection]:
        """Slot → where it goes."""
        return self._streams
