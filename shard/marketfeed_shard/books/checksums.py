"""How exchanges make a checksum of a book: a CRC32 over the texts of its best levels."""

from __future__ import annotations

import re
from binascii import crc32
from collections.abc import Sequence
from enum import Enum
from itertools import zip_longest

_integer = re.compile(r"0|-?[1-9][0-9]{0,17}").fullmatch


class Checksum(Enum):
    """The recipes; their values are the names that declarations give to the hook."""

    DIGITS = "digits_checksum"
    """Kraken, "Spot WebSockets v2: book checksum": of 10 asks, then 10 bids, the digits of price and size, unsigned."""
    TEXTS = "texts_checksum"
    """OKX, docs-v5 "order book channel" until 2026-06: 25 levels, bid and ask by turns, joined by colons, signed; 0: none."""

    @property
    def levels(self) -> int:
        """A side that count."""
        return 10 if self is Checksum.DIGITS else 25

    def of(self, bids: Sequence[Sequence[str]], asks: Sequence[Sequence[str]]) -> int:
        """The checksum of a book, its sides from the best on."""
        best_bids, best_asks = bids[: self.levels], asks[: self.levels]
        if self is Checksum.DIGITS:
            return crc32("".join(_digits(text) for level in (*best_asks, *best_bids) for text in level).encode())
        pairs = zip_longest(best_bids, best_asks, fillvalue=())
        unsigned = crc32(":".join(text for pair in pairs for level in pair for text in level).encode())
        return unsigned - (unsigned >> 31 << 32)

    def agrees(self, told: str | None, bids: Sequence[Sequence[str]], asks: Sequence[Sequence[str]]) -> bool:
        """Whether the exchange tells the checksum of this book. One that has no other proof has to tell it."""
        if self is Checksum.TEXTS and (told is None or told == "0"):
            return True
        return told is not None and _integer(told) is not None and int(told) == self.of(bids, asks)


def _digits(text: str) -> str:
    return text.replace(".", "").lstrip("0")
