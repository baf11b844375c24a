from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pipeline_bed import T0, Bed, S, bbo, gaps, trade

from marketfeed.exchanges.catalogue import MARKETS
from marketfeed.exchanges.exchange import Control, ControlKind
from marketfeed.exchanges.message import Hook
from marketfeed_shard.publishers.publisher import Loss
from marketfeed_shard.state.progress import Mark


def test_a_stream_begins_with_a_gap_and_counts_from_one(bed: Bed) -> None:
    bed.add(("trades", "BTC-USDT"))
    bed.feed(trade(100), trade(101))
    started, first, second = bed.take()
    assert started == {
        "type": "gap", "exchange": "binance", "market": "spot", "channel": "trades", "symbol": "BTC-USDT", "ts": None,
        "recv": bed.now_ns, "n": 1, "reason": "started", "from_seq": None, "to_seq": 99, "from_ts": None, "to_ts": bed.now_ns,
    }  # fmt: skip
    assert first == {
        "type": "trade", "exchange": "binance", "market": "spot", "channel": "trades", "symbol": "BTC-USDT", "ts": T0,
        "recv": bed.now_ns, "n": 2, "id": "100", "price": "67000.10", "size": "0.5", "side": "sell",
    }  # fmt: skip
    assert (second["id"], second["n"]) == ("101", 3)


def test_the_events_of_one_read_are_one_batch_in_order(bed: Bed) -> None:
    bed.add(("trades", "BTC-USDT"), ("bbo", "ETH-USDT"))
    bed.feed(trade(1), bbo(7, "ETHUSDT"), trade(2))
    assert len(bed.sink.batches) == 1
    assert [(e["type"], e["symbol"], e["n"]) for e in bed.take()] == [
        ("gap", "BTC-USDT", 1), ("trade", "BTC-USDT", 2), ("gap", "ETH-USDT", 1), ("bbo", "ETH-USDT", 2),
        ("trade", "BTC-USDT", 3),
    ]  # fmt: skip


def test_the_index_of_a_batch_frames_each_event_and_names_its_stream(bed: Bed) -> None:
    slots = bed.add(("trades", "BTC-USDT"), ("bbo", "BTC-USDT"))
    bed.feed(trade(5), bbo(9))
    batch = bed.sink.batches[0]
    assert [slot for slot, _ in batch.events()] == [slots[0], slots[0], slots[1], slots[1]]
    assert b"".join(event for _, event in batch.events()) == batch.data


def test_a_frame_for_the_plain_normalizer_alone_has_its_receipt(bed: Bed) -> None:
    bed.add(("trades", "BTC-USDT"))
    received_ns = T0 + 3_000_000
    bed.pipeline.decode(json.dumps(trade(1)).encode(), 0, received_ns)
    bed.pipeline.flush()
    assert [batch.received_ns for batch in bed.sink.batches] == [received_ns]
    assert bed.progress.marks() == {"trades:BTC-USDT": Mark(1, received_ns)}
    assert bed.pipeline.engine.latency()[1] == 3.0


def test_a_jump_of_consecutive_numbers_is_announced_with_its_bounds(bed: Bed) -> None:
    bed.add(("trades", "BTC-USDT"))
    bed.feed(trade(10))
    before_ns = bed.now_ns
    bed.feed(trade(14))
    events = bed.take()
    assert gaps(events)[1:] == [("sequence", 11, 13, 3)]
    assert (events[2]["from_ts"], events[2]["to_ts"]) == (before_ns, bed.now_ns)
    assert events[3]["n"] == 4


def test_repetitions_are_left_out_and_counted(bed: Bed) -> None:
    (slot,) = bed.add(("trades", "BTC-USDT"))
    bed.feed(trade(1), trade(2))
    bed.feed(trade(2), trade(1), trade(3))
    assert [e["id"] for e in bed.take() if e["type"] == "trade"] == ["1", "2", "3"]
    assert bed.pipeline.table.repeated[slot] == 2
    assert bed.pipeline.messages(slot) == 5


def test_after_an_interruption_a_gap_tells_exactly_what_is_missing(bed: Bed) -> None:
    slots = bed.add(("trades", "BTC-USDT"), ("bbo", "BTC-USDT"))
    bed.feed(trade(10), bbo(100))
    bed.take()
    bed.pipeline.interrupted(slots)
    bed.feed(trade(15), bbo(130))
    assert gaps(bed.take()) == [("disconnected", 11, 14, 3), ("disconnected", 101, 129, 3)]


def test_after_an_interruption_that_lost_nothing_there_is_no_gap(bed: Bed) -> None:
    slots = bed.add(("trades", "BTC-USDT"))
    bed.feed(trade(10))
    bed.take()
    bed.pipeline.interrupted(slots)
    bed.feed(trade(10), connection=1)
    bed.feed(trade(11), connection=1)
    assert [(e["type"], e["n"]) for e in bed.take()] == [("trade", 3)]


def test_an_exchange_that_numbers_anew_after_an_interruption_is_followed(bed: Bed) -> None:
    slots = bed.add(("trades", "BTC-USDT"))
    bed.feed(trade(1000))
    bed.take()
    bed.pipeline.interrupted(slots)
    bed.feed(trade(1000), connection=1)  # a late copy, at once: no new numbering
    assert bed.take() == []
    bed.now_ns += 2 * S
    bed.feed(trade(3), trade(4), connection=1)
    events = bed.take()
    assert gaps(events) == [("disconnected", 1001, None, 3)]
    assert [e["id"] for e in events[1:]] == ["3", "4"]


def test_a_stream_of_repetitions_alone_is_taken_for_numbered_anew(bed: Bed) -> None:
    bed.add(("trades", "BTC-USDT"))
    bed.feed(trade(1000))
    bed.take()
    for number in range(5):
        bed.now_ns += 4 * S
        bed.feed(trade(number + 1))
        bed.pipeline.continuity.suspect_repetitions(bed.now_ns)
    events = bed.take()
    assert gaps(events) == [("disconnected", 1001, None, 3)]
    assert [e["id"] for e in events[1:]] == ["4", "5"]


def test_best_prices_told_again_as_they_are_are_no_gap_however_long_that_lasts(bed: Bed) -> None:
    bed.add(("bbo", "BTC-USDT"))
    bed.feed(bbo(1000))
    bed.take()
    for _ in range(12):  # Bybit repeats them every 3 s
        bed.now_ns += 3 * S
        bed.feed(bbo(1000))
        bed.pipeline.continuity.suspect_repetitions(bed.now_ns)
    bed.feed(bbo(1010))
    assert [(e["type"], e["seq"], e["n"]) for e in bed.take()] == [("bbo", 1010, 3)]


def test_best_prices_that_are_the_same_after_an_interruption_are_no_gap(bed: Bed) -> None:
    slots = bed.add(("bbo", "BTC-USDT"))
    bed.feed(bbo(1000))
    bed.take()
    bed.pipeline.interrupted(slots)
    bed.now_ns += 5 * S
    bed.feed(bbo(1000), bbo(1010), connection=1)
    assert [(e["type"], e["seq"], e["n"]) for e in bed.take()] == [("bbo", 1010, 3)]


def test_two_connections_deliver_one_stream_without_doubles(bed: Bed) -> None:
    bed.add(("trades", "BTC-USDT"))
    for number in range(5):
        bed.feed(trade(number + 1), connection=number % 2)
        bed.feed(trade(number + 1), connection=1 - number % 2)
    assert [e["id"] for e in bed.take() if e["type"] == "trade"] == ["1", "2", "3", "4", "5"]


def test_a_removed_stream_is_silent_and_one_that_comes_back_starts_from_where_it_was(bed: Bed) -> None:
    slots = bed.add(("trades", "BTC-USDT"))
    bed.feed(trade(10))
    bed.pipeline.remove(slots)
    bed.take()
    bed.feed(trade(11))
    assert bed.take() == []
    assert bed.add(("trades", "BTC-USDT")) == slots
    bed.feed(trade(20))
    events = bed.take()
    assert gaps(events) == [("started", 11, 19, 1)]
    assert events[1]["n"] == 2


def test_a_shard_that_starts_tells_what_was_missed_since_the_last_answered_event(bed: Bed, tmp_path: Path) -> None:
    bed.add(("trades", "BTC-USDT"))
    bed.feed(trade(10))
    answered_ns = bed.now_ns
    bed.sink.answers = False
    bed.feed(trade(11))
    bed.progress.close()
    heir = Bed(tmp_path)
    heir.now_ns = bed.now_ns + S
    heir.add(("trades", "BTC-USDT"))
    heir.feed(trade(31))
    started = heir.take()[0]
    assert gaps([started]) == [("started", 11, 30, 1)]
    assert started["from_ts"] == answered_ns
    heir.progress.close()


def test_a_held_message_of_several_records_is_published_once(bed: Bed) -> None:
    (slot,) = bed.add(("ticker", "BTC-USDT"))
    first, second = ({"e": "24hrTicker", "E": 1, "s": "BTCUSDT", "c": price} for price in ("1", "2"))
    message = {"stream": "!ticker@arr", "data": [first, second]}
    bed.pipeline.hold(slot)
    bed.feed(message, message)
    bed.feed(message)
    assert bed.take() == []
    bed.pipeline.release(slot)
    assert [e["last"] for e in bed.take() if e["type"] == "ticker"] == ["1", "2"] * 3
    assert bed.pipeline.messages(slot) == 3


def test_a_held_stream_keeps_what_comes_and_publishes_it_on_release(bed: Bed) -> None:
    (slot,) = bed.add(("trades", "BTC-USDT"))
    bed.pipeline.hold(slot)
    bed.feed(trade(1), trade(2))
    first_ns = bed.now_ns
    bed.feed(trade(3))
    assert bed.take() == []
    bed.pipeline.release(slot)
    events = bed.take()
    assert [e.get("id") for e in events] == [None, "1", "2", "3"]
    assert [e["recv"] for e in events[1:]] == [first_ns, first_ns, first_ns + 1000]
    bed.feed(trade(4))
    assert [e["n"] for e in bed.take()] == [5]


def test_what_a_publisher_lost_is_announced_on_each_stream(bed: Bed) -> None:
    (slot,) = bed.add(("trades", "BTC-USDT"))
    bed.feed(trade(1), trade(2), trade(3))
    bed.take()
    bed.pipeline.announce([Loss(slot, 2, 2, 3, T0)])
    (gap,) = bed.take()
    assert gaps([gap]) == [("dropped", 2, 3, 5)]
    assert (gap["from_ts"], gap["to_ts"]) == (T0, bed.clock.time_ns())
    assert bed.pipeline.counts.gaps == {"started": 1, "dropped": 1}


def test_control_messages_reach_the_connection_and_nonsense_is_counted(bed: Bed) -> None:
    bed.add(("trades", "BTC-USDT"))
    bed.feed('{"result":null,"id":3}')
    assert bed.controls == [Control(ControlKind.ACKNOWLEDGED, 3)]
    bed.feed(trade(1, price="nonsense"), '{"stream":"btcusdt@trade"', trade(2))
    assert bed.pipeline.counts.malformed == 2
    assert bed.pipeline.counts.last_malformed
    assert [e["type"] for e in bed.take()] == ["gap", "trade"]


def test_a_hook_that_nobody_knows_is_refused_at_once(tmp_path: Path) -> None:
    market = MARKETS["kraken", "spot"]
    message = replace(market.wire.messages[0], hook=Hook("nonsense"))
    with pytest.raises(LookupError, match="'nonsense'"):
        Bed(tmp_path, replace(market, wire=replace(market.wire, messages=(message,))))


def test_latency_is_counted_from_the_exchanges_time_to_the_receipt(bed: Bed) -> None:
    bed.add(("trades", "BTC-USDT"))
    bed.now_ns = T0 + 3_000_000
    bed.feed(trade(1))
    counts, sum_ms, skew_ns = bed.pipeline.engine.latency()
    assert sum(counts) == 1
    assert counts[2] == 1, "above 2 ms, up to 5 ms"
    assert sum_ms == pytest.approx(3.001)
    assert skew_ns == 0


def ids(events: list[dict[str, Any]]) -> list[int]:
    return [int(e.get("id") or e["seq"]) for e in events if e["type"] != "gap"]


def owned(bed: Bed) -> list[int]:
    """Trades and book tickers that connection 1 owns; 10 and 100 came last."""
    slots = bed.add(("trades", "BTC-USDT"), ("bbo", "BTC-USDT"))
    for slot in slots:
        bed.pipeline.own(slot, 1)
    bed.feed(trade(10), bbo(100), connection=1)
    bed.take()
    return slots


def test_what_a_new_connection_brings_ahead_of_the_old_one_waits_for_it(bed: Bed) -> None:
    slots = owned(bed)
    bed.pipeline.joining(slots)
    bed.feed(trade(13), bbo(130), trade(14), connection=2)
    assert bed.take() == []
    assert not any(map(bed.pipeline.joined, slots))
    bed.feed(trade(11), bbo(110), trade(12), connection=1)
    assert ids(bed.take()) == [11, 110, 12, 13, 14]
    bed.feed(bbo(120), bbo(130), connection=1)
    assert ids(bed.take()) == [120, 130]
    assert all(map(bed.pipeline.joined, slots))
    bed.feed(trade(13), trade(14), trade(15), bbo(130), connection=1)
    bed.feed(trade(15), trade(16), bbo(140), connection=2)
    events = bed.take()
    assert ids(events) == [15, 16, 140]
    assert bed.pipeline.counts.gaps == {"started": 2}
    assert bed.pipeline.messages(slots[0]) == 10


def test_a_new_connection_that_is_not_ahead_counts_at_once(bed: Bed) -> None:
    (slot,) = bed.add(("trades", "BTC-USDT"))
    bed.pipeline.own(slot, 1)
    bed.feed(trade(10), connection=1)
    bed.take()
    bed.pipeline.joining([slot])
    bed.feed(trade(10), trade(11), connection=2)
    assert ids(bed.take()) == [11]
    bed.feed(trade(12), connection=2)
    bed.feed(trade(11), trade(12), trade(13), connection=1)
    assert ids(bed.take()) == [12, 13]


def test_where_the_old_connection_never_comes_as_far_what_lies_between_is_announced(bed: Bed) -> None:
    slots = owned(bed)
    bed.pipeline.joining(slots)
    bed.feed(trade(13), bbo(130), connection=2)
    for slot in slots:
        bed.pipeline.own(slot, 2)
    events = bed.take()
    assert gaps(events) == [("disconnected", 11, 12, 3), ("disconnected", 101, 129, 3)]
    assert ids(events) == [13, 130]


def test_an_interrupted_stream_takes_what_the_new_connection_brings_at_once(bed: Bed) -> None:
    (slot,) = bed.add(("bbo", "BTC-USDT"))
    bed.pipeline.own(slot, 1)
    bed.feed(bbo(10), connection=1)
    bed.take()
    bed.pipeline.interrupted([slot])
    bed.pipeline.joining([slot])
    bed.feed(bbo(15), connection=2)
    events = bed.take()
    assert gaps(events) == [("disconnected", 11, 14, 3)]
    assert ids(events) == [15]


def test_what_a_new_connection_brought_is_forgotten_with_it(bed: Bed) -> None:
    (slot,) = bed.add(("trades", "BTC-USDT"))
    bed.pipeline.own(slot, 1)
    bed.feed(trade(10), connection=1)
    bed.take()
    bed.pipeline.joining([slot])
    bed.feed(trade(15), connection=2)
    bed.pipeline.joining([slot])
    bed.feed(trade(11), trade(12), trade(13), trade(14), connection=1)
    assert ids(bed.take()) == [11, 12, 13, 14]


def test_bounds_end_where_the_exchange_numbers_anew(bed: Bed, tmp_path: Path) -> None:
    """A shard starts, and meanwhile the exchange began anew: how far the old numbers went is not known."""
    bed.add(("trades", "BTC-USDT"))
    bed.feed(trade(1000))
    bed.progress.close()
    heir = Bed(tmp_path)
    heir.add(("trades", "BTC-USDT"))
    heir.feed(trade(5), trade(6))
    events = heir.take()
    assert gaps(events) == [("started", 1001, None, 1)]
    assert ids(events) == [5, 6]
    heir.progress.close()


def test_numbers_that_were_passed_long_ago_are_new_ones_at_once(bed: Bed) -> None:
    slots = bed.add(("trades", "BTC-USDT"))
    bed.feed(trade(1000))
    bed.pipeline.continuity.remember_positions()
    bed.pipeline.continuity.remember_positions()
    bed.feed(trade(1001), trade(1002))
    bed.take()
    bed.pipeline.interrupted(slots)
    bed.feed(trade(1001), connection=1)  # a late copy
    assert bed.take() == []
    bed.feed(trade(7), trade(8), connection=1)
    events = bed.take()
    assert gaps(events) == [("disconnected", 1003, None, 5)]
    assert ids(events) == [7, 8]
    bed.pipeline.interrupted(slots)
    bed.feed(trade(8), connection=2)  # a late copy of the new numbers
    assert bed.take() == []


def test_an_event_that_no_connection_brought_takes_its_place_in_the_stream(bed: Bed) -> None:
    (slot,) = bed.add(("ticker", "BTC-USDT"))
    assert bed.pipeline.supply.tell(slot, {"type": "ticker", "recv": None, "n": None, "last": "1"}, T0)
    assert bed.pipeline.supply.tell(slot, {"type": "ticker", "recv": None, "n": None, "last": "2"}, T0 + S)
    started, first, second = bed.take()
    assert (started["type"], started["reason"], started["n"]) == ("gap", "started", 1)
    assert (first["last"], first["recv"], first["n"]) == ("1", T0, 2)
    assert (second["last"], second["recv"], second["n"]) == ("2", T0 + S, 3)
    assert bed.pipeline.messages(slot) == 0


def test_an_event_that_no_connection_brought_does_not_end_an_interruption(bed: Bed) -> None:
    (slot,) = bed.add(("ticker", "BTC-USDT"))
    bed.pipeline.supply.tell(slot, {"type": "ticker", "recv": None, "n": None}, T0)
    bed.pipeline.interrupted([slot])
    bed.take()
    assert not bed.pipeline.supply.tell(slot, {"type": "ticker", "recv": None, "n": None}, T0 + S)
    bed.pipeline.remove([slot])
    assert not bed.pipeline.supply.tell(slot, {"type": "ticker", "recv": None, "n": None}, T0 + S)
    assert bed.take() == []
