"""Recorded books, and what others counted in them; a pipeline that they go through, with a consumer of each book."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from books import Consumer
from pipeline_bed import Bed
from recordings import RECORDINGS, lines

from marketfeed.exchanges.catalogue import MARKETS
from marketfeed.exchanges.exchange import Market
from marketfeed.normalizer import Data, Malformed, Normalizer, Row
from marketfeed_shard.streams.table import Stream


@dataclass(frozen=True)
class Capture:
    """The messages of books of one file, and what others counted in it."""

    market: Market
    path: Path
    what: str
    """What was counted: links of a chain, or checksums."""
    count: int

    @property
    def frames(self) -> list[tuple[bytes, list[Row]]]:
        return _frames(self.market.exchange, self.market.name, self.path)

    @property
    def depth(self) -> int | None:
        """As it was subscribed to, where that matters."""
        found = re.search(rb'"channel":"book","depth":(\d+)', self.path.read_bytes()) if self.market.cuts_books else None
        return int(found[1]) if found else None


@cache
def _frames(exchange: str, name: str, path: Path) -> list[tuple[bytes, list[Row]]]:
    market = MARKETS[exchange, name]
    normalizer, found = Normalizer(market, market.symbol), []
    for frame in lines(path):
        try:
            decoded = normalizer.decode(frame)
        except Malformed:
            continue
        if isinstance(decoded, Data) and decoded.rows and decoded.rows[0].channel == "book":
            found.append((frame, decoded.rows))
    return found


_COUNTED = re.compile(r"(CRC32|OKX checksum|u\+1|U/u or pu chain|prevSeqId) (\d+)/(\d+)")


def counted() -> Iterator[Capture]:
    """Files whose integrity was counted by others, those that are streams."""
    table = (RECORDINGS / "SOURCES.md").read_text().splitlines() if (RECORDINGS / "SOURCES.md").exists() else []
    for row in table:
        name = re.match(r"\| `(\w+)/(\w+)/([^`]+\.jsonl(?:\.gz)?)` ", row)
        told = _COUNTED.search(row)
        if name and told and told[2] == told[3] and "go-shapes" not in name[3] and (name[1], name[2]) in MARKETS:
            path = RECORDINGS / name[1] / name[2] / name[3]
            if path.exists():
                yield Capture(MARKETS[name[1], name[2]], path, told[1], int(told[2]))


class Replay:
    """One pipeline, and a consumer of each of its books."""

    def __init__(self, folder: Path, capture: Capture) -> None:
        folder.mkdir(exist_ok=True)
        self.market = capture.market
        self.bed = Bed(folder, capture.market, book_depth=capture.depth)
        self.slots: dict[str, int] = {}
        self.consumers: dict[str, Consumer] = {}
        self.kinds: Counter[str] = Counter()
        self.published: list[dict[str, Any]] = []

    def feed(self, frame: bytes, rows: list[Row]) -> None:
        for row in rows:
            if row.symbol not in self.slots:
                self.begin(row)
        self.bed.feed(frame.decode())
        self.take()

    def begin(self, row: Row) -> None:
        """A book is met for the first time; where it has to begin over REST, it does so right before this change."""
        self.add(row.symbol)
        if self.market.snapshot is not None and not row.event["snapshot"] and self.market.snapshot.after_s is None:
            self.load(row.symbol, json.dumps({"lastUpdateId": row.event["prev_seq"], "bids": [], "asks": []}).encode())

    def add(self, symbol: str) -> None:
        (self.slots[symbol],) = self.bed.pipeline.add([Stream("book", symbol, self.market.native(symbol))])
        self.consumers[symbol] = Consumer()

    def load(self, symbol: str, body: bytes) -> bool:
        taken = self.bed.pipeline.supply.book(self.slots[symbol], body, self.bed.now_ns)
        self.take()
        return taken

    def take(self) -> None:
        for event in self.bed.take():
            self.published.append(event)
            kind = event["reason"] if event["type"] == "gap" else "snapshot" if event["snapshot"] else "change"
            self.kinds[kind] += 1
            self.consumers[event["symbol"]].take(event)

    def close(self) -> None:
        self.bed.progress.close()
