"""The end of candles, where the exchange does not tell it: a candle is final when the next one of its stream begins."""

from __future__ import annotations

import re
from dataclasses import dataclass

_open_time = re.compile(rb'"open_time":([0-9]+)').search


@dataclass(frozen=True, slots=True)
class Candle:
    """The latest state of one."""

    ts_ns: int
    """Of its event; 0: null."""
    open_ns: int
    own: bytes
    """Its own fields as they are published."""

    def closed(self, head: bytes, received_ns: int, n: int) -> bytes:
        """Its event once more, closed; `head`: what the stream's events begin with, up to the value of `ts`."""
        ts = b"%d" % self.ts_ns if self.ts_ns else b"null"
        own = self.own.replace(b'"closed":null', b'"closed":true')
        return b'%s%s,"recv":%d,"n":%d%s' % (head, ts, received_ns, n, own)


class Candles:
    """The latest candle of each stream."""

    def __init__(self) -> None:
        self._latest: dict[int, Candle] = {}

    def ended(self, slot: int, ts_ns: int, own: bytes) -> Candle | None:
        """The candle that ends with this event of its stream, where this is the first one of the next."""
        found = _open_time(own)
        if found is None:
            raise ValueError(f"a candle without a beginning: {own!r}")
        open_ns, before = int(found[1]), self._latest.get(slot)
        if before is not None and open_ns < before.open_ns:
            return None
        self._latest[slot] = Candle(ts_ns, open_ns, own)
        return before if before is not None and before.open_ns < open_ns else None

    def forget(self, slot: int) -> None:
        """Something of a stream was missed: what is known of its candle need not be the last of it."""
        self._latest.pop(slot, None)
