"""Events that no connection brought: over REST, or from the shard itself. Each has its place in its stream."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from marketfeed.encoding import encode
from marketfeed.exchanges.exchange import Market
from marketfeed.exchanges.message import Message
from marketfeed.normalizer import Data, Malformed, Normalizer, Row
from marketfeed_shard.pipeline.book_streams import Replay
from marketfeed_shard.pipeline.gaps import Gap
from marketfeed_shard.pipeline.rules import Rules
from marketfeed_shard.streams.batch import DATA
from marketfeed_shard.streams.table import INTERRUPTED, STARTED, UNKNOWN


class Supply:
    """What comes beside the connections, for all streams of a shard."""

    def __init__(self, market: Market, normalizer: Normalizer, rules: Rules, replay: Replay) -> None:
        self._market = market
        self._normalizer = normalizer
        self._rules = rules
        self._replay = replay
        self._table = rules.table
        self._engine = rules.engine
        self._output = rules.output

    def answer(self, slot: int, declared: Message, body: bytes) -> list[Row]:
        """The events of an answer over REST about a stream's symbol. Raises `Malformed`."""
        return self._normalizer.body(declared, self._table.streams[slot].symbol, body)

    def tell(self, slot: int, event: dict[str, Any], received_ns: int) -> bool:
        """Publish an event that the exchange does not number; False: not while its stream is held.

        Nor while it is interrupted: what is missing is only known when its connection brings something again.
        """
        if self._table.flags[slot] & ~STARTED:
            return False
        self._engine.mark_read(received_ns)
        gap = self._rules.continuity.gap(slot, UNKNOWN, received_ns)
        if gap is not None:
            self._output.announce(slot, gap)
        self._table.received_ns[slot] = received_ns
        self._table.n[slot] += 1
        event["recv"], event["n"] = received_ns, self._table.n[slot]
        self._engine.append(slot, encode(event), UNKNOWN, DATA)
        self._output.deliver()
        return True

    # ---- books -------------------------------------------------------------------------------------------------------

    def book(self, slot: int, body: bytes, received_ns: int) -> bool:
        """Begin a book anew with an answer over REST. False: older than what waits for it needs; ask again.

        Raises `Malformed`, and `LookupError` where the market has no books over REST.
        """
        if self._market.snapshot is None:
            raise LookupError(f"{self._market.exchange} {self._market.name} has no books over REST")
        rows = self.answer(slot, self._market.snapshot.message, body)
        if not rows:
            raise Malformed("no book")
        self._engine.mark_read(received_ns)
        is_taken = self._rules.books.load(slot, rows[0], received_ns)
        self._output.deliver()
        return is_taken

    # ---- missed events -----------------------------------------------------------------------------------------------

    def waiting(self, slot: int) -> list[Row]:
        """The events of the first message that waits for a stream's missed ones."""
        stream, first = self._table.streams[slot], next(iter(self._rules.gate.filling.waiting(slot)))
        decoded = self._normalizer.decode(first.content)
        rows = decoded.rows if isinstance(decoded, Data) else ()
        return [row for row in rows if (row.channel, row.symbol) == (stream.channel, stream.symbol)]

    def published(self, slot: int, identifier: str) -> bool:
        """Whether an event went out not long ago, of a stream that only tells its events apart by their ids."""
        return identifier.encode() in self._rules.gate.recents[slot]

    def fill(self, slot: int, parts: Iterable[Row | Gap], received_ns: int) -> int:
        """Publish missed events of a stream that waits for them, in the order given, and gaps where some are lost.

        Then what waited has its turn, and the stream waits no more. Returns how many missed events were no copies.
        """
        published = 0
        recents = self._rules.gate.recents
        self._engine.mark_read(received_ns)
        for part in parts:
            if isinstance(part, Gap):
                self._output.announce(slot, part)
            elif slot not in recents or recents[slot].add(str(part.event["id"]).encode(), received_ns):
                part.event["backfill"] = True
                self._output.publish(part, slot, received_ns)
                published += 1
        self._go_on(slot)
        return published

    def _go_on(self, slot: int) -> None:
        filling = self._rules.gate.filling
        self._replay(slot, filling.end(slot))
        if filling.broken(slot):
            self._table.flags[slot] |= INTERRUPTED
