"""Books in the data path, with both engines: what is published, what is announced, and what is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from books import Consumer, binance, binance_rest, bybit, kraken, kraken_checksum, okx
from pipeline_bed import Bed, S, gaps, trade

from marketfeed.exchanges.catalogue import MARKETS
from marketfeed.grammar import Malformed
from marketfeed_shard.books import following
from marketfeed_shard.streams.table import Stream

Make = Callable[..., Bed]


@pytest.fixture
def make(engine: str, tmp_path: Path) -> Iterator[Make]:
    made: list[Bed] = []

    def bed(exchange: str, **options: Any) -> Bed:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(Bed(folder, MARKETS[exchange, "spot"], **options))
        made[-1].dash = {"kraken": "/", "okx": "-"}.get(exchange, "")
        return made[-1]

    yield bed
    for bed_made in made:
        bed_made.progress.close()


class Broken(list[int]):
    """Notes the breaks that a pipeline tells."""

    def __init__(self, bed: Bed) -> None:
        bed.pipeline.books.on_broken = self.append


def begun(bed: Bed) -> int:
    """Binance's book at 100: 5 × 1 bid, 6 × 1 asked."""
    (slot,) = bed.add(("book", "BTC-USDT"))
    assert bed.pipeline.supply.book(slot, binance_rest(100, [("5", "1")], [("6", "1")]), bed.now_ns)
    bed.take()
    return slot


def seqs(events: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(e["prev_seq"], e["seq"]) if e["type"] == "book" else (e["reason"], e["from_seq"], e["to_seq"]) for e in events]


# ---- a beginning over REST -----------------------------------------------------------------------------------------------


def test_changes_wait_for_the_snapshot_and_those_that_it_has_are_left_out(make: Make) -> None:
    bed = make("binance")
    (slot,) = bed.add(("book", "BTC-USDT"))
    bed.feed(binance(101, 99, [("5", "1")]), binance(104, 101, [("5", "2")]), binance(106, 104, [], [("6", "0")]))
    assert bed.take() == []
    assert bed.pipeline.books.unsynced() == [slot]
    body = binance_rest(102, [("5", "1.50"), ("4", "1")], [("6", "1"), ("7", "1")])
    assert bed.pipeline.supply.book(slot, body, bed.now_ns + S)
    events = bed.take()
    assert seqs(events) == [("started", None, 101), (None, 102), (101, 104), (104, 106)]
    assert [e["snapshot"] for e in events[1:]] == [True, False, False]
    assert (events[1]["recv"], events[2]["recv"]) == (bed.now_ns + S, bed.now_ns)
    assert bed.pipeline.books.levels(slot) == ([["5", "2"], ["4", "1"]], [["7", "1"]])
    assert bed.pipeline.books.unsynced() == []
    bed.feed(binance(107, 106, [("3", "1")]))
    assert seqs(bed.take()) == [(106, 107)]
    assert bed.pipeline.messages(slot) == 4


def test_a_snapshot_that_is_older_than_what_waits_is_asked_for_again(make: Make) -> None:
    bed = make("binance")
    (slot,) = bed.add(("book", "BTC-USDT"))
    bed.feed(binance(104, 101))
    assert not bed.pipeline.supply.book(slot, binance_rest(100), bed.now_ns)
    assert bed.take() == []
    assert bed.pipeline.supply.book(slot, binance_rest(101), bed.now_ns)
    assert seqs(bed.take())[1:] == [(None, 101), (101, 104)]


def test_a_hole_among_what_waits_is_found_when_it_has_its_turn(make: Make) -> None:
    bed = make("binance")
    (slot,) = bed.add(("book", "BTC-USDT"))
    broken = Broken(bed)
    bed.feed(binance(104, 101), binance(110, 107))
    assert bed.pipeline.supply.book(slot, binance_rest(103), bed.now_ns)
    assert seqs(bed.take())[1:] == [(None, 103), (101, 104), ("sequence", 105, 107)]
    assert broken == [slot]
    bed.feed(binance(112, 110))
    assert bed.pipeline.supply.book(slot, binance_rest(109), bed.now_ns)
    assert seqs(bed.take()) == [(None, 109), (107, 110), (110, 112)]


def test_a_snapshot_that_nobody_waits_for_changes_nothing(make: Make) -> None:
    bed = make("binance")
    slot = begun(bed)
    assert bed.pipeline.supply.book(slot, binance_rest(90), bed.now_ns)
    bed.pipeline.remove([slot])
    assert bed.pipeline.supply.book(slot, binance_rest(90), bed.now_ns)
    assert bed.take() == []


def test_a_body_that_is_no_book_is_malformed(make: Make) -> None:
    bed = make("binance")
    (slot,) = bed.add(("book", "BTC-USDT"))
    for body in (b"<html>", b"[]", b'{"lastUpdateId":null,"bids":[],"asks":[]}'):
        with pytest.raises(Malformed):
            bed.pipeline.supply.book(slot, body, bed.now_ns)
    assert bed.take() == []


def test_where_the_exchange_has_no_books_over_rest_none_can_be_loaded(make: Make) -> None:
    bed = make("kraken")
    (slot,) = bed.add(("book", "BTC-USD"))
    with pytest.raises(LookupError, match="kraken spot"):
        bed.pipeline.supply.book(slot, b"{}", bed.now_ns)


# ---- in sequence, and out of it ------------------------------------------------------------------------------------------


def test_a_break_announces_what_is_missing_and_the_book_begins_anew(make: Make) -> None:
    bed = make("binance")
    slot = begun(bed)
    broken = Broken(bed)
    bed.feed(binance(105, 100), binance(105, 100), binance(109, 107, [("5", "0")]), binance(112, 109))
    assert seqs(bed.take()) == [(100, 105), ("sequence", 106, 107)]
    assert broken == bed.pipeline.books.unsynced() == [slot]
    assert bed.pipeline.table.repeated[slot] == 1
    books = bed.pipeline.books
    assert (books.desired, books.synced_count, books.gaps, books.resyncs) == (1, 0, 1, 0)
    assert bed.pipeline.supply.book(slot, binance_rest(110, [("4", "1")]), bed.now_ns)
    assert seqs(bed.take()) == [(None, 110), (109, 112)]
    assert (books.desired, books.synced_count, books.gaps, books.resyncs) == (1, 1, 1, 1)


def test_only_the_first_change_after_a_snapshot_may_begin_before_it(make: Make) -> None:
    bed = make("binance")
    begun(bed)
    bed.feed(binance(103, 98), binance(106, 101))
    assert seqs(bed.take()) == [(98, 103), ("sequence", 104, None)]


def test_an_interrupted_book_goes_on_where_a_change_joins(make: Make) -> None:
    bed = make("binance")
    slot = begun(bed)
    bed.pipeline.interrupted([slot])
    assert bed.pipeline.books.synced_count == 0
    bed.feed(binance(100, 98), binance(103, 100, [("5", "9")]))
    assert seqs(bed.take()) == [(100, 103)]
    assert bed.pipeline.books.synced_count == 1
    assert bed.pipeline.books.levels(slot)[0] == [["5", "9"]]


def test_an_interrupted_book_that_no_change_joins_is_announced_at_once(make: Make) -> None:
    bed = make("binance")
    slot = begun(bed)
    broken = Broken(bed)
    bed.pipeline.interrupted([slot])
    bed.feed(binance(109, 104))
    assert seqs(bed.take()) == [("disconnected", 101, 104)]
    assert broken == [slot]
    assert bed.pipeline.supply.book(slot, binance_rest(105), bed.now_ns)
    assert seqs(bed.take()) == [(None, 105), (104, 109)]


def test_numbers_that_begin_anew_after_an_interruption_break_the_book(make: Make) -> None:
    bed = make("binance")
    slot = begun(bed)
    bed.feed(binance(1000, 100))
    bed.take()
    bed.pipeline.interrupted([slot])
    bed.now_ns += 2 * S
    bed.feed(binance(7, 5))
    assert seqs(bed.take()) == [("disconnected", 1001, None)]


def test_what_waited_is_forgotten_with_its_connection(make: Make) -> None:
    bed = make("binance")
    (slot,) = bed.add(("book", "BTC-USDT"))
    bed.feed(binance(104, 101))
    bed.pipeline.interrupted([slot])
    bed.feed(binance(120, 110))
    assert not bed.pipeline.supply.book(slot, binance_rest(105), bed.now_ns)
    assert bed.pipeline.supply.book(slot, binance_rest(115), bed.now_ns)
    assert seqs(bed.take()) == [("started", None, 114), (None, 115), (110, 120)]


def test_a_book_that_comes_back_begins_anew(make: Make) -> None:
    bed = make("binance")
    slot = begun(bed)
    bed.pipeline.remove([slot])
    bed.feed(binance(101, 100))
    assert bed.pipeline.add([Stream("book", "BTC-USDT", "BTCUSDT")]) == [slot]
    bed.feed(binance(102, 101))
    assert bed.take() == []
    assert bed.pipeline.supply.book(slot, binance_rest(101), bed.now_ns)
    assert seqs(bed.take()) == [("started", 101, 100), (None, 101), (101, 102)]


def test_a_held_book_goes_on_in_its_turn(make: Make) -> None:
    bed = make("binance")
    slot = begun(bed)
    bed.pipeline.hold(slot)
    bed.feed(binance(103, 100), binance(104, 103))
    assert bed.take() == []
    bed.pipeline.release(slot)
    assert seqs(bed.take()) == [(100, 103), (103, 104)]


@pytest.mark.parametrize("size", ["12345678901234567890.5", "1"])
def test_a_book_holds_whatever_a_decimal_can_say(make: Make, size: str) -> None:
    bed = make("binance")
    slot = begun(bed)
    bed.feed(binance(103, 100, [("0.000000000000000001", size)]), binance(104, 103, [("5", "2")], [("1" * 30, "1")]))
    bed.feed(binance(105, 104, [("0.1", size)]))
    assert seqs(bed.take()) == [(100, 103), (103, 104), (104, 105)]
    assert bed.pipeline.books.levels(slot) == (
        [["5", "2"], ["0.1", size], ["0.000000000000000001", size]],
        [["6", "1"], ["1" * 30, "1"]],
    )


# ---- snapshots of the socket ---------------------------------------------------------------------------------------------


def test_a_book_of_the_socket_begins_with_its_snapshot(make: Make) -> None:
    bed = make("bybit")
    (slot,) = bed.add(("book", "BTC-USDT"))
    bed.feed(bybit(8, [("5", "1")]), bybit(10, [("5", "1")], snapshot=True), bybit(11, [("4", "1")]))
    assert seqs(bed.take()) == [("started", None, 9), (None, 10), (10, 11)]
    assert bed.pipeline.books.levels(slot) == ([["5", "1"], ["4", "1"]], [])


def test_a_snapshot_amid_the_changes_replaces_the_book(make: Make) -> None:
    """As Bybit sends it after a restart, with `u` 1."""
    bed = make("bybit")
    (slot,) = bed.add(("book", "BTC-USDT"))
    bed.feed(bybit(10, [("5", "1")], snapshot=True), bybit(1, [("4", "1")]), bybit(2, [("3", "1")]))
    assert seqs(bed.take())[1:] == [(None, 10), (None, 1), (1, 2)]
    assert bed.pipeline.books.levels(slot) == ([["4", "1"], ["3", "1"]], [])


def test_after_a_break_changes_are_left_out_until_the_next_snapshot(make: Make) -> None:
    bed = make("bybit")
    (slot,) = bed.add(("book", "BTC-USDT"))
    broken = Broken(bed)
    bed.feed(bybit(10, snapshot=True), bybit(12), bybit(13))
    assert seqs(bed.take())[1:] == [(None, 10), ("sequence", 11, 11)]
    assert broken == [slot]
    bed.feed(bybit(20, snapshot=True), bybit(21))
    assert seqs(bed.take()) == [(None, 20), (20, 21)]
    assert (bed.pipeline.books.gaps, bed.pipeline.books.resyncs) == (1, 1)


def test_after_an_interruption_the_gap_ends_where_the_snapshot_begins(make: Make) -> None:
    bed = make("bybit")
    (slot,) = bed.add(("book", "BTC-USDT"))
    bed.feed(bybit(10, snapshot=True))
    bed.take()
    bed.pipeline.interrupted([slot])
    bed.feed(bybit(15, snapshot=True), bybit(16))
    assert seqs(bed.take()) == [("disconnected", 11, 14), (None, 15), (15, 16)]
    bed.pipeline.interrupted([slot])
    bed.feed(bybit(16, snapshot=True))
    assert seqs(bed.take()) == [(None, 16)]


def test_okx_may_set_its_numbers_back_and_tells_that_it_lives(make: Make) -> None:
    bed = make("okx")
    bed.add(("book", "BTC-USDT"))
    bed.feed(okx(10, -1, [("5", "1")]), okx(15, 10, [("4", "1")]), okx(15, 15), okx(3, 15, [("3", "1")]), okx(5, 3))
    assert seqs(bed.take())[1:] == [(None, 10), (10, 15), (15, 3), (3, 5)]


def test_where_the_socket_owes_a_snapshot_rest_may_stand_in(make: Make) -> None:
    bed = make("okx")
    (slot,) = bed.add(("book", "BTC-USDT"))
    bed.feed(okx(12, 9, [("5", "1")]), okx(15, 12, [("4", "1")]))
    body = b'{"code":"0","msg":"","data":[{"asks":[],"bids":[["5","2","0","1"]],"ts":"1767225600000","seqId":11}]}'
    assert bed.pipeline.supply.book(slot, body, bed.now_ns)
    assert seqs(bed.take()) == [("started", None, 10), (None, 11), (9, 12), (12, 15)]


# ---- checksums -----------------------------------------------------------------------------------------------------------

BIDS, ASKS = [("45283.5", "0.10000000")], [("45285.2", "0.00100000")]


def test_a_wrong_checksum_breaks_the_book(make: Make) -> None:
    bed = make("kraken")
    (slot,) = bed.add(("book", "BTC-USD"))
    broken = Broken(bed)
    after = [("45283.5", "0.20000000")]
    bed.feed(
        kraken(kraken_checksum(BIDS, ASKS), BIDS, ASKS, snapshot=True),
        kraken(kraken_checksum(after, ASKS), after),
        kraken(kraken_checksum(after, ASKS), [("45283.5", "0.30000000")]),
        kraken(kraken_checksum(BIDS, ASKS), BIDS),
    )
    events = bed.take()
    assert [e["type"] for e in events] == ["gap", "book", "book", "gap"]
    assert [(e["reason"], e["from_seq"], e["to_seq"]) for e in events if e["type"] == "gap"] == [
        ("started", None, None),
        ("checksum", None, None),
    ]
    assert broken == [slot]
    bed.feed(kraken(kraken_checksum(BIDS, ASKS), BIDS, ASKS, snapshot=True))
    assert [e["type"] for e in bed.take()] == ["book"]


def test_a_snapshot_with_a_wrong_checksum_is_none(make: Make) -> None:
    bed = make("kraken")
    (slot,) = bed.add(("book", "BTC-USD"))
    broken = Broken(bed)
    bed.feed(kraken(1, BIDS, ASKS, snapshot=True), kraken(kraken_checksum(BIDS, ASKS), BIDS))
    assert gaps(bed.take()) == [("started", None, None, 1)]
    assert broken == [slot]
    bed.feed(kraken(kraken_checksum(BIDS, ASKS), BIDS, ASKS, snapshot=True))
    assert [(e["type"], e["n"]) for e in bed.take()] == [("book", 2)]


def test_what_falls_out_of_the_depth_is_cut_and_snapshots_tell_it(make: Make) -> None:
    bed = make("kraken", book_depth=3)
    (slot,) = bed.add(("book", "BTC-USD"))
    bids = [(str(price), "1") for price in range(19, 9, -1)]
    bed.feed(kraken(kraken_checksum(bids, []), bids, snapshot=True))
    better = [("20", "1"), *bids[:9]]
    bed.feed(kraken(kraken_checksum(better, []), [("20", "1")]))
    bed.feed(kraken(kraken_checksum(better[1:], []), [("20", "0")]))  # nobody tells of the tenth
    events = bed.take()
    assert [list(e)[-1] for e in events[1:]] == ["depth", "prev_seq", "prev_seq"]
    assert events[1]["depth"] == 10
    assert bed.pipeline.books.levels(slot)[0] == [list(level) for level in bids[:9]]


def test_an_interrupted_book_without_numbers_takes_nothing_but_a_snapshot(make: Make) -> None:
    bed = make("kraken")
    (slot,) = bed.add(("book", "BTC-USD"))
    right = kraken_checksum(BIDS, ASKS)
    bed.feed(kraken(right, BIDS, ASKS, snapshot=True))
    bed.take()
    bed.pipeline.interrupted([slot])
    bed.feed(kraken(right, BIDS))
    assert gaps(bed.take()) == [("disconnected", None, None, 3)]
    bed.feed(kraken(right, BIDS, ASKS, snapshot=True))
    assert [e["type"] for e in bed.take()] == ["book"]


def test_okx_checksums_of_old_are_compared_where_they_are_told(make: Make) -> None:
    bed = make("okx")
    bed.add(("book", "BTC-USDT"))
    bids, asks = [("3366.1", "7")], [("3366.8", "9"), ("3368", "8"), ("3372", "8")]
    bed.feed(okx(1, -1, bids, asks, checksum=831078360), okx(2, 1, [("3366", "6")], [("3372", "0")], checksum=-1881014294))
    bed.feed(okx(3, 2, [("3366", "5")], checksum=-1881014294))
    assert seqs(bed.take())[1:] == [(None, 1), (1, 2), ("checksum", 3, 3)]


# ---- two connections -----------------------------------------------------------------------------------------------------


def led(bed: Bed) -> int:
    """Binance's book at 100, which connection 1 leads."""
    slot = begun(bed)
    bed.pipeline.own(slot, 1)
    return slot


def test_the_leader_is_followed_alone(make: Make) -> None:
    bed = make("binance")
    slot = led(bed)
    bed.feed(binance(103, 100), binance(104, 103), connection=2)
    assert bed.take() == []
    bed.feed(binance(104, 100), connection=1)  # another cut of the same changes
    bed.feed(binance(104, 103), connection=2)
    assert seqs(bed.take()) == [(100, 104)]
    assert bed.pipeline.joined(slot)


def test_the_follower_takes_over_with_the_change_that_joins(make: Make) -> None:
    bed = make("binance")
    slot = led(bed)
    bed.pipeline.joining([slot])
    bed.feed(binance(102, 100), binance(103, 102, [("5", "7")]), binance(106, 103), connection=2)
    bed.feed(binance(102, 100), connection=1)
    assert seqs(bed.take()) == [(100, 102)]
    bed.pipeline.own(slot, 2)
    assert seqs(bed.take()) == [(102, 103), (103, 106)]
    bed.feed(binance(103, 102), connection=1)
    bed.feed(binance(108, 106), connection=2)
    assert seqs(bed.take()) == [(106, 108)]
    assert bed.pipeline.books.levels(slot)[0] == [["5", "7"]]
    assert bed.pipeline.counts.gaps == {"started": 1}


def test_a_follower_that_is_behind_takes_over_when_it_has_come_as_far(make: Make) -> None:
    bed = make("binance")
    slot = led(bed)
    bed.feed(binance(105, 100), connection=1)
    bed.pipeline.own(slot, 2)
    bed.feed(binance(103, 100), binance(105, 103), binance(109, 105), connection=2)
    assert seqs(bed.take()) == [(100, 105), (105, 109)]


def test_a_follower_that_does_not_join_breaks_the_book(make: Make) -> None:
    bed = make("binance")
    slot = led(bed)
    broken = Broken(bed)
    bed.feed(binance(106, 103), connection=2)
    bed.pipeline.own(slot, 2)
    assert seqs(bed.take()) == [("sequence", 101, 103)]
    assert broken == [slot]
    assert bed.pipeline.supply.book(slot, binance_rest(104), bed.now_ns)
    assert seqs(bed.take()) == [(None, 104), (103, 106)]


def test_a_follower_whose_snapshot_is_ahead_takes_over_with_it(make: Make) -> None:
    bed = make("bybit")
    (slot,) = bed.add(("book", "BTC-USDT"))
    bed.pipeline.own(slot, 1)
    bed.feed(bybit(10, [("5", "1")], snapshot=True), connection=1)
    bed.take()
    bed.feed(bybit(15, [("4", "1")], snapshot=True), bybit(16), connection=2)
    assert bed.take() == []
    bed.pipeline.own(slot, 2)
    assert seqs(bed.take()) == [("disconnected", 11, 14), (None, 15), (15, 16)]


def test_a_follower_whose_snapshot_the_leader_passed_joins(make: Make) -> None:
    bed = make("bybit")
    (slot,) = bed.add(("book", "BTC-USDT"))
    bed.pipeline.own(slot, 1)
    bed.feed(bybit(10, snapshot=True), connection=1)
    bed.feed(bybit(10, snapshot=True), bybit(11), bybit(12), connection=2)
    bed.feed(bybit(11), connection=1)
    bed.take()
    bed.pipeline.own(slot, 2)
    assert seqs(bed.take()) == [(11, 12)]


def test_without_numbers_the_follower_takes_over_with_its_snapshot_and_all_since(make: Make) -> None:
    bed = make("kraken")
    (slot,) = bed.add(("book", "BTC-USD"))
    bed.pipeline.own(slot, 1)
    right, other = kraken_checksum(BIDS, ASKS), [("45283.4", "1.00000000")]
    bed.feed(kraken(right, BIDS, ASKS, snapshot=True), connection=1)
    bed.take()
    bed.feed(kraken(right, BIDS), connection=2)  # before its snapshot
    bed.feed(kraken(right, BIDS, ASKS, snapshot=True), kraken(kraken_checksum(BIDS + other, ASKS), other), connection=2)
    assert bed.take() == []
    bed.pipeline.own(slot, 2)
    events = bed.take()
    assert [e["type"] for e in events] == ["gap", "book", "book"]
    assert gaps(events) == [("disconnected", None, None, 3)]
    assert bed.pipeline.books.levels(slot)[0] == [list(level) for level in BIDS + other]
    bed.feed(kraken(right, BIDS, ASKS, snapshot=True), connection=1)
    assert bed.take() == []


def test_without_numbers_a_follower_that_has_no_snapshot_breaks_the_book(make: Make) -> None:
    bed = make("kraken")
    (slot,) = bed.add(("book", "BTC-USD"))
    broken = Broken(bed)
    bed.pipeline.own(slot, 1)
    right = kraken_checksum(BIDS, ASKS)
    bed.feed(kraken(right, BIDS, ASKS, snapshot=True), connection=1)
    bed.take()
    bed.pipeline.own(slot, 2)
    assert broken == []
    bed.feed(kraken(right, BIDS), connection=2)
    assert gaps(bed.take()) == [("disconnected", None, None, 3)]
    assert broken == [slot]


def test_what_a_follower_brings_is_bounded(make: Make) -> None:
    bed = make("kraken")
    (slot,) = bed.add(("book", "BTC-USD"))
    bed.pipeline.own(slot, 1)
    right = kraken_checksum(BIDS, ASKS)
    bed.feed(kraken(right, BIDS, ASKS, snapshot=True), connection=1)
    bed.feed(kraken(right, BIDS, ASKS, snapshot=True), connection=2)
    padding = " " * (1 << 20)
    bed.feed(kraken(right, BIDS)[:-1] + padding + "}", kraken(right, BIDS), connection=2)
    bed.take()
    bed.pipeline.own(slot, 2)
    assert bed.take() == []
    bed.feed(kraken(right, BIDS), connection=2)
    assert gaps(bed.take()) == [("disconnected", None, None, 3)]


def test_what_followers_bring_of_all_books_is_bounded_and_the_largest_gives_way(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    bed = make("kraken")
    slots = bed.add(*(("book", f"S{i}-USD") for i in range(4)))
    right = kraken_checksum(BIDS, ASKS)

    def feed(slot: int, message: str, connection: int) -> None:
        bed.feed(message.replace("BTC/USD", f"S{slots.index(slot)}/USD"), connection=connection)

    monkeypatch.setattr(following, "KEPT_BYTES", 4 * len(kraken(right, BIDS, ASKS, snapshot=True)) + 400)
    for slot in slots:
        bed.pipeline.own(slot, 1)
    for leader, follower in ((1, 2), (2, 1), (1, 2)):
        for slot in slots:
            feed(slot, kraken(right, BIDS, ASKS, snapshot=True), leader)
            feed(slot, kraken(right, BIDS, ASKS, snapshot=True), follower)
        for _ in range(10):
            feed(slots[2], kraken(right, BIDS), follower)
        bed.take()
        for slot in slots:
            bed.pipeline.own(slot, follower)
        assert [e["symbol"] for e in bed.take() if e["type"] == "book"] == ["S0-USD", "S1-USD", "S3-USD"]


# ---- the watch -----------------------------------------------------------------------------------------------------------


def test_a_crossed_book_is_broken_if_it_stays_so(make: Make) -> None:
    bed = make("binance")
    slot = begun(bed)
    broken = Broken(bed)
    bed.feed(binance(101, 100, [("6", "1")]))
    bed.take()
    bed.pipeline.check_books(bed.now_ns)
    assert bed.take() == []
    bed.pipeline.check_books(bed.now_ns)
    (gap,) = bed.take()
    assert (gap["reason"], gap["from_seq"], gap["to_seq"]) == ("sequence", 102, None)
    assert broken == [slot]
    bed.pipeline.check_books(bed.now_ns)
    assert bed.take() == []


def test_a_book_that_was_crossed_for_a_moment_is_well(make: Make) -> None:
    bed = make("binance")
    begun(bed)
    bed.feed(binance(101, 100, [("6", "1")]))
    bed.pipeline.check_books(bed.now_ns)
    bed.feed(binance(102, 101, [("6", "0")]))
    bed.pipeline.check_books(bed.now_ns)
    bed.feed(binance(103, 102, [("6", "1")]))
    bed.pipeline.check_books(bed.now_ns)
    assert [e["type"] for e in bed.take()] == ["book", "book", "book"]


def test_a_book_that_stands_still_while_trades_flow_is_broken(make: Make) -> None:
    bed = make("binance")
    bed.add(("trades", "BTC-USDT"))
    begun(bed)
    bed.feed(trade(1), binance(101, 100))
    bed.now_ns += 61 * S
    bed.pipeline.check_books(bed.now_ns)
    bed.pipeline.check_books(bed.now_ns)
    assert [e["type"] for e in bed.take()] == ["gap", "trade", "book"]  # a quiet market
    bed.feed(trade(2))
    bed.pipeline.check_books(bed.now_ns)
    assert [e["type"] for e in bed.take()] == ["trade"]
    bed.pipeline.check_books(bed.now_ns)
    assert gaps(bed.take()) == [("sequence", 102, None, 4)]


# ---- consumers -----------------------------------------------------------------------------------------------------------


def test_a_consumer_has_the_book_level_by_level(make: Make) -> None:
    bed, consumer = make("binance"), Consumer()
    (slot,) = bed.add(("book", "BTC-USDT"))
    bed.feed(binance(103, 100, [("5", "1"), ("5.0", "2")], [("6", "1")]))
    bed.pipeline.supply.book(slot, binance_rest(101, [("4", "1")], [("7", "1"), ("6.000", "3")]), bed.now_ns)
    bed.feed(binance(105, 103, [("4", "0")], [("6.5", "1")]), binance(110, 108))
    bed.pipeline.supply.book(slot, binance_rest(109, [("1", "1")], [("2", "1")]), bed.now_ns)
    for event in bed.take():
        consumer.take(event)
    assert consumer.is_known
    assert consumer.levels() == bed.pipeline.books.levels(slot)


def test_the_depth_of_a_book_that_is_not_cut_is_not_told(make: Make) -> None:
    bed = make("binance", book_depth=10)
    assert replace(bed.pipeline.market, depths=()).depth(10) is None
    (slot,) = bed.add(("book", "BTC-USDT"))
    bed.pipeline.supply.book(slot, binance_rest(100, [("5", "1")]), bed.now_ns)
    assert "depth" not in bed.take()[1]
