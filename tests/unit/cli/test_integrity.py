from __future__ import annotations

import json
from typing import Any

import pytest
from books import binance, binance_rest, bybit, kraken, kraken_checksum, okx
from hypothesis import given
from hypothesis import strategies as st

from marketfeed.exchanges.catalogue import MARKETS
from marketfeed.exchanges.exchange import Control, ControlKind
from marketfeed.normalizer import Data, Normalizer, Row
from marketfeed_cli.checked import Counts
from marketfeed_cli.integrity import Integrity


class Bed:
    """One market's messages, looked at one by one."""

    def __init__(self, exchange: str, market: str = "spot", *snapshots: bytes) -> None:
        market_ = MARKETS[exchange, market]
        self.normalizer = Normalizer(market_, market_.symbol)
        rows: list[Row] = []
        for body in snapshots:
            assert market_.snapshot is not None
            rows += self.normalizer.body(market_.snapshot.message, "BTC-USDT", body)
        self.integrity = Integrity(market_, rows)

    def take(self, *messages: dict[str, Any] | str) -> list[str]:
        """What is wrong, message by message."""
        wrong = []
        for message in messages:
            decoded = self.normalizer.decode((message if isinstance(message, str) else json.dumps(message)).encode())
            assert isinstance(decoded, Data)
            wrong += self.integrity.take(decoded.rows)
        return wrong

    @property
    def counts(self) -> Counts:
        (counts,) = self.integrity.counts().values()
        return counts


def trade(number: int, kind: str = "trade") -> dict[str, Any]:
    ids = {"t": number} if kind == "trade" else {"a": number}
    data = {"e": kind, "s": "BTCUSDT", "p": "1", "q": "1", "T": 1767225600000, "m": True, **ids}
    return {"stream": f"btcusdt@{kind}", "data": data}


def liquid(*ids: str) -> dict[str, Any]:
    rows = [{"T": 1767225600000, "s": "BTCUSDT", "S": "Buy", "v": "1", "p": "1", "i": i} for i in ids]
    return {"topic": "publicTrade.BTCUSDT", "type": "snapshot", "ts": 1767225600000, "data": rows}


def test_numbers_that_rise_by_one_tell_what_is_missing() -> None:
    bed = Bed("binance")
    assert bed.take(trade(5), trade(6), trade(9), trade(9), trade(10)) == ["trades BTC-USDT: gap: 7 to 8"]
    assert bed.counts == Counts(messages=5, in_sequence=2, gaps=1, repeated=1)
    assert bed.integrity.faults == 1


def test_numbers_that_only_rise_may_jump() -> None:
    bed = Bed("binance", "linear")
    assert bed.take(trade(5), trade(9), trade(7)) == []
    assert bed.counts == Counts(messages=3, in_sequence=1, repeated=1)


def test_ids_that_promise_no_order_tell_copies() -> None:
    bed = Bed("bybit", "linear")
    assert bed.take(liquid("b", "a"), liquid("b")) == []
    assert bed.counts == Counts(messages=3, repeated=1)


def test_two_topics_of_one_channel_are_looked_at_apart() -> None:
    bed = Bed("binance")
    assert bed.take(trade(5), trade(900, "aggTrade"), trade(6), trade(901, "aggTrade")) == []
    assert bed.integrity.counts().keys() == {"trades BTC-USDT @aggTrade", "trades BTC-USDT @trade"}


def test_changes_of_a_book_follow_by_their_numbers_and_go_on_after_a_gap() -> None:
    bed = Bed("binance")
    assert bed.take(binance(7, 5), binance(9, 7), binance(15, 12), binance(15, 12), binance(16, 15)) == [
        "book BTC-USDT: gap: 10 to 12"
    ]
    assert bed.counts == Counts(messages=5, in_sequence=2, gaps=1, repeated=1)


@pytest.mark.parametrize(("seq", "joined"), [(4, 0), (5, 1), (6, 1), (7, 1), (8, 1), (9, 0)])
def test_a_snapshot_over_rest_joins_where_a_change_covers_what_comes_after_it(seq: int, joined: int) -> None:
    bed = Bed("binance", "spot", binance_rest(seq, [("1", "1")], [("2", "1")]))
    assert bed.take(binance(7, 5), binance(9, 7)) == []
    assert bed.counts == Counts(messages=2, in_sequence=1, joined=joined)


def test_a_book_whose_sides_cross_is_told() -> None:
    bed = Bed("binance", "spot", binance_rest(5, [("1", "1")], [("2", "1")]))
    assert bed.take(binance(7, 5), binance(9, 7, [("2.5", "1")]), binance(10, 9, [("2.5", "0")])) == ["book BTC-USDT: crossed"]
    assert bed.counts.crossed == 1


def test_a_snapshot_begins_a_book_anew() -> None:
    bed = Bed("bybit", "linear")
    assert bed.take(bybit(7, snapshot=True), bybit(8), bybit(3, snapshot=True), bybit(4)) == []
    assert bed.counts == Counts(messages=4, in_sequence=2)


def test_after_a_wrong_checksum_a_book_is_looked_at_again_from_its_next_snapshot_on() -> None:
    bed = Bed("kraken")
    bids, asks = [("1.0", "2.0")], [("1.5", "3.0")]
    right = kraken_checksum(bids, asks)
    begins, stays, wrong = kraken(right, bids, asks, snapshot=True), kraken(right), kraken(right + 1)
    assert bed.take(begins, stays, wrong, stays, begins, stays) == [f"book BTC-USD: the checksum is not {right + 1}"]
    assert bed.counts == Counts(messages=6, right=4, wrong=1)


def test_a_checksum_that_is_zero_is_none() -> None:
    bed = Bed("okx")
    assert bed.take(okx(5, -1, [("1", "1")], [("2", "1")]), okx(6, 5)) == []
    assert bed.counts == Counts(messages=2, in_sequence=1)


@pytest.mark.parametrize(("told", "wrong"), [(25, 1), (10, 0)])
def test_a_book_is_cut_to_the_depth_that_was_acknowledged(told: int, wrong: int) -> None:
    """Else to the least depth that holds its snapshot."""
    bed = Bed("kraken")
    bed.integrity.control(Control(ControlKind.ACKNOWLEDGED, topics=(f"book/{told}:BTC/USD",)))
    asks = [(f"{price}.0", "1.0") for price in range(20, 30)]
    below = [("19.0", "1.0")]
    levels = [("1.0", "1.0")]
    bed.take(kraken(kraken_checksum(levels, asks), levels, asks, snapshot=True))
    bed.take(kraken(kraken_checksum(levels, below + asks[:9]), asks=below))
    bed.take(kraken(kraken_checksum(levels, asks[:9]), asks=[("19.0", "0.0")]))  # the tenth was cut, and nobody told
    assert bed.counts.wrong == wrong


def test_the_table_has_a_line_a_stream() -> None:
    bed = Bed("bybit", "linear")
    bed.take(bybit(7, snapshot=True), bybit(8), bybit(12), liquid("a"))
    head, *rows = bed.integrity.table()
    assert head.split() == "stream messages in sequence gaps repeated checksums wrong crossed joined".split()
    assert [row.split() for row in rows] == [
        ["book", "BTC-USDT-PERP", "3", "1", "1", "-", "-", "-", "-", "-"],
        ["trades", "BTC-USDT-PERP", "1", "-", "-", "-", "-", "-", "-", "-"],
    ]
    assert len({len(line) for line in (head, *rows)}) == 1


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30), st.booleans())))
def test_every_message_of_a_book_is_counted_once(messages: list[tuple[int, int, bool]]) -> None:
    bed = Bed("okx")
    bed.take(okx(1, -1))
    told = bed.take(*(okx(seq, -1 if snapshot else prev) for seq, prev, snapshot in messages))
    snapshots = 1 + sum(snapshot for *_, snapshot in messages)
    alive = sum(not snapshot and seq == prev for seq, prev, snapshot in messages)  # a sign of life is no event
    counts = bed.counts
    assert len(told) == counts.gaps
    assert counts.messages == 1 + len(messages) - alive
    assert counts.in_sequence + counts.gaps + counts.repeated + snapshots == counts.messages
