from __future__ import annotations

import json
from typing import Any

import pytest

from marketfeed_shard import compiled
from marketfeed_shard.books.book import Book, PlainBook
from marketfeed_shard.books.checksums import Checksum

TWIN = compiled.module("books._book")

# "Spot WebSockets v2: book checksum", the page's own example.
KRAKEN_ASKS = """45285.2 0.00100000  45286.4 1.54571953  45286.6 1.54571109  45289.6 1.54560911  45290.2 0.15890660
    45291.8 1.54553491  45294.7 0.04454749  45296.1 0.35380000  45297.5 0.09945542  45299.5 0.18772827"""
KRAKEN_BIDS = """45283.5 0.10000000  45283.4 1.54582015  45282.1 0.10000000  45281.0 0.10000000  45280.3 1.54592586
    45279.0 0.07990000  45277.6 0.03310103  45277.5 0.30000000  45277.3 1.54602737  45276.6 0.15445238"""
# A recorded book with low prices and zeros at the end.
KRAKEN_LOW = {
    "bids": "0.016 255965.95133811  0.015 264465.46682136  0.014 198234.50375152  0.013 263077.71115063"
    " 0.012 135283.23181445  0.011 232726.34707055  0.010 211909.56878553  0.009 16666.66666666"
    " 0.008 13600.00000000  0.007 1000.00000000",
    "asks": "0.017 94510.50669693  0.018 232489.98702916  0.019 244770.01655926  0.020 103394.23779803"
    " 0.021 120226.44704447  0.022 122811.44535027  0.023 185766.68965043  0.024 95339.83830809"
    " 0.025 32960.86333331  0.026 86326.77204454",
}
# UNI-USD-SWAP, as sent by OKX on 2022-05-13: bid and ask by turns.
OKX_UNI = (
    "5.14:251:5.148:60:5.139:25:5.149:192:5.138:202:5.151:48:5.136:231:5.152:25:5.135:5:5.153:491:5.134:63:5.154:1988:5.133:338:"
    "5.155:156:5.132:439:5.156:73:5.131:397:5.157:5:5.13:1729:5.158:164:5.128:738:5.159:288:5.126:16:5.16:122:5.124:12745:"
    "5.161:109:5.123:57:5.162:16:5.122:1785:5.163:2613:5.121:412:5.166:11851:5.12:115:5.169:500:5.119:1069:5.17:64:5.117:35:"
    "5.175:163:5.114:45:5.178:419:5.113:3485:5.182:614:5.106:75:5.183:160:5.105:3391:5.187:396:5.103:53:5.189:3686:5.102:160:"
    "5.19:3058"
)


def levels(text: str) -> list[list[str]]:
    words = text.split()
    return [list(level) for level in zip(words[::2], words[1::2], strict=True)]


def by_turns(text: str) -> tuple[list[list[str]], list[list[str]]]:
    """As long as both sides are equally deep."""
    both = levels(text.replace(":", " "))
    return both[::2], both[1::2]


@pytest.fixture(params=[PlainBook] if TWIN is None else [PlainBook, TWIN.Book])
def kind(request: pytest.FixtureRequest) -> Any:
    return request.param


def book(kind: Any, checksum: Checksum, bids: list[list[str]], asks: list[list[str]]) -> Book:
    made: Book = kind(checksum)
    made.apply(True, bids, asks)
    return made


@pytest.mark.parametrize(
    ("bids", "asks", "told"),
    [
        (KRAKEN_BIDS, KRAKEN_ASKS, 3310070434),
        (KRAKEN_LOW["bids"], KRAKEN_LOW["asks"], 1931231958),
    ],
)
def test_digits_of_ten_levels_a_side(kind: Any, bids: str, asks: str, told: int) -> None:
    kept = book(kind, Checksum.DIGITS, levels(bids), levels(asks))
    assert kept.agrees(str(told))
    assert not kept.agrees(str(told + 1))
    kept.apply(False, [["0.0001", "5"]], [["99999", "5"]])  # beyond the ten that count
    assert kept.agrees(str(told))
    kept.apply(False, [["0.016", "255965.95133812"]], [])
    assert kept.agrees(str(told)) == (bids is KRAKEN_BIDS)


def test_zeros_at_the_end_count(kind: Any) -> None:
    floats = [[[str(float(text)) for text in level] for level in levels(side)] for side in KRAKEN_LOW.values()]
    kept = book(kind, Checksum.DIGITS, *floats)
    assert not kept.agrees("1931231958")
    assert kept.agrees("1608405200")


def test_where_nothing_else_proves_a_book_its_checksum_has_to_be_told(kind: Any) -> None:
    kept = book(kind, Checksum.DIGITS, levels(KRAKEN_BIDS), levels(KRAKEN_ASKS))
    assert not kept.agrees(None)
    assert not kept.agrees("0")
    assert not kept.agrees("x")


@pytest.mark.parametrize(
    ("bids", "asks", "told"),
    [
        ("3366.1 7", "3366.8 9 3368 8 3372 8", 831078360),
        ("3366.1 7 3366 6", "3366.8 9 3368 8", -1881014294),
    ],
)
def test_texts_by_turns_and_then_the_longer_side(kind: Any, bids: str, asks: str, told: int) -> None:
    kept = book(kind, Checksum.TEXTS, levels(bids), levels(asks))
    assert kept.agrees(str(told))
    assert not kept.agrees(str(-told))
    assert not kept.agrees(str(told % (1 << 32) + (told >= 0)))


def test_texts_of_25_levels_a_side(kind: Any) -> None:
    bids, asks = by_turns(OKX_UNI)
    assert len(bids) == len(asks) == 25
    kept = book(kind, Checksum.TEXTS, bids, asks)
    assert kept.agrees("555605283")
    kept.apply(False, [["5.1", "1"]], [["6", "1"]])
    assert kept.agrees("555605283")
    kept.apply(False, [["5.102", "161"]], [])
    assert not kept.agrees("555605283")


def test_zero_or_nothing_is_no_checksum_of_texts(kind: Any) -> None:
    kept = book(kind, Checksum.TEXTS, *by_turns(OKX_UNI))
    assert kept.agrees("0")
    assert kept.agrees(None)
    assert not kept.agrees("1")


def test_a_book_without_a_checksum_agrees_with_anything(kind: Any) -> None:
    kept: Book = kind()
    assert kept.agrees("1")
    assert kept.agrees(None)


def test_the_recipes_take_numbers_as_json_has_them() -> None:
    assert Checksum.DIGITS.agrees(json.dumps(3310070434), levels(KRAKEN_BIDS), levels(KRAKEN_ASKS))
