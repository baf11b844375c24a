"""Recorded streams of one market: whether anything in them is missing or wrong, as far as their exchange lets it be known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import astuple

from marketfeed.exchanges.exchange import Control, ControlKind, Market
from marketfeed.exchanges.message import Numbering
from marketfeed.normalizer import Row
from marketfeed_cli.checked import Checked, CheckedBook, CheckedIds, CheckedNumbers, Counts
from marketfeed_shard.books.checksums import Checksum

_COLUMNS = ("messages", "in sequence", "gaps", "repeated", "checksums", "wrong", "crossed", "joined")


class Integrity:
    """Every stream that is met, by its declaration and symbol."""

    def __init__(self, market: Market, snapshots: Iterable[Row] = ()) -> None:
        """`snapshots`: books that came over REST, in their order."""
        self._market = market
        self._numbers = {id(message): number for number, message in enumerate(market.wire.messages)}
        self._snapshots: dict[str, list[Row]] = {}
        for row in snapshots:
            self._snapshots.setdefault(row.symbol, []).append(row)
        self._acknowledged: set[str] = set()
        """Names of topics."""
        self._streams: dict[tuple[int, str, str], Checked] = {}

    def control(self, control: Control) -> None:
        """A control message: an acknowledgement may tell how deep a book is."""
        if control.kind is ControlKind.ACKNOWLEDGED:
            self._acknowledged.update(control.topics)

    def take(self, rows: Sequence[Row]) -> list[str]:
        """The events of the next message; a sentence for each that is wrong."""
        found = []
        for row in rows:
            key = (self._numbers[id(row.message)], row.channel, row.symbol)
            checked = self._streams.get(key)
            if checked is None:
                checked = self._streams[key] = self._begun(row)
            wrong = checked.take(row)
            if wrong is not None:
                found.append(f"{row.channel} {row.symbol}: {wrong}")
        return found

    @property
    def faults(self) -> int:
        """All that should not be."""
        return sum(checked.counts.faults for checked in self._streams.values())

    def counts(self) -> dict[str, Counts]:
        """By stream, sorted: its channel and symbol, and the topic where several feed one channel."""
        messages = self._market.wire.messages
        several = {m.channel for m in messages if sum(m.channel == other.channel for other in messages) > 1}
        named = {}
        for (number, channel, symbol), checked in self._streams.items():
            topic = messages[number].topics[0].replace("{symbol}", " ") if messages[number].channel in several else ""
            named[f"{channel} {symbol}{topic}"] = checked.counts
        return dict(sorted(named.items()))

    def table(self) -> list[str]:
        """A head, and a line a stream; `-` where there is nothing that could be counted."""
        rows: list[tuple[str, ...]] = [("stream", *_COLUMNS)]
        rows += [(name, *(str(count or "-") for count in astuple(counts))) for name, counts in self.counts().items()]
        widths = [max(len(row[at]) for row in rows) for at in range(len(_COLUMNS) + 1)]
        return [
            "  ".join([row[0].ljust(widths[0]), *(text.rjust(width) for text, width in zip(row[1:], widths[1:], strict=True))])
            for row in rows
        ]

    def _begun(self, row: Row) -> Checked:
        numbering, hook = row.message.numbering, row.message.hook
        if numbering is Numbering.UNIQUE:
            return CheckedIds()
        if numbering is not Numbering.CHAINED:
            return CheckedNumbers(numbering)
        checksum = None if hook is None else Checksum(hook.name)
        return CheckedBook(checksum, lambda levels: self._depth(row.symbol, levels), self._snapshots.get(row.symbol, []))

    def _depth(self, symbol: str, levels: int) -> int | None:
        """Levels a side of a book that is cut without telling: as acknowledged, else the least that holds its snapshot."""
        market = self._market
        if not market.cuts_books:
            return None
        native = market.native(symbol)
        names = {depth: {topic.name for topic in market.topics("book", native, depth)} for depth in market.depths}
        known = (depth for depth, topics in names.items() if topics & self._acknowledged)
        return next(known, market.depth(levels))
