from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pipeline_bed import T0, Bed, S, gaps, trade

from marketfeed.events import GapReason
from marketfeed.exchanges.catalogue import MARKETS
from marketfeed.exchanges.exchange import Market
from marketfeed.normalizer import Data, Normalizer, Row
from marketfeed_shard.pipeline.gaps import Gap
from marketfeed_shard.streams.kept import KEPT_BYTES


class Fills:
    """Wants every gap, and notes what it is told."""

    def __init__(self) -> None:
        self.wanted: list[tuple[int, Gap]] = []
        self.overflowing: list[int] = []
        self.refuses = False

    def wants(self, slot: int, gap: Gap) -> bool:
        self.wanted.append((slot, gap))
        return not self.refuses

    def full(self, slot: int) -> None:
        self.overflowing.append(slot)


@pytest.fixture
def fills(bed: Bed) -> Fills:
    bed.pipeline.fills = made = Fills()
    return made


def rows(market: Market, *frames: dict[str, Any]) -> list[Row]:
    names = {"BTCUSDT": "BTC-USDT"}
    found = []
    for frame in frames:
        decoded = Normalizer(market, names.get).decode(json.dumps(frame).encode())
        assert isinstance(decoded, Data)
        found += decoded.rows
    return found


def ids(events: list[dict[str, Any]]) -> list[str]:
    return [event.get("id", event["type"]) for event in events]


def test_what_comes_while_a_hole_is_filled_waits_and_follows_in_order(bed: Bed, fills: Fills) -> None:
    (slot,) = bed.add(("trades", "BTC-USDT"))
    bed.feed(trade(10))
    before_ns = bed.now_ns
    bed.take()
    bed.feed(trade(13), trade(14))
    first_ns = bed.now_ns
    bed.feed(trade(15))
    assert bed.take() == []
    assert fills.wanted == [(slot, Gap(GapReason.SEQUENCE, 10, 13, before_ns, first_ns))]
    assert ids([row.event for row in bed.pipeline.supply.waiting(slot)]) == ["13"]
    assert bed.pipeline.supply.fill(slot, rows(bed.pipeline.market, trade(11), trade(12)), T0 + S) == 2
    events = bed.take()
    assert ids(events) == ["11", "12", "13", "14", "15"]
    assert [event["n"] for event in events] == [3, 4, 5, 6, 7]
    assert [event.get("backfill") for event in events] == [True, True, None, None, None]
    assert list(events[0])[-1] == "backfill"
    assert [event["recv"] for event in events[1:3]] == [T0 + S, first_ns]
    bed.feed(trade(16))
    assert ids(bed.take()) == ["16"]
    assert bed.pipeline.messages(slot) == 5
    assert bed.pipeline.table.repeated[slot] == 0


def test_after_an_interruption_the_hole_has_the_bounds_that_the_gap_would_have(bed: Bed, fills: Fills) -> None:
    (slot,) = bed.add(("trades", "BTC-USDT"))
    bed.feed(trade(10))
    bed.take()
    bed.pipeline.interrupted([slot])
    bed.feed(trade(15), connection=1)
    ((_, gap),) = fills.wanted
    assert (gap.reason, gap.last, gap.first) == (GapReason.DISCONNECTED, 10, 15)
    bed.pipeline.supply.fill(slot, [replace(gap, reason=GapReason.BACKFILL, last=12)], bed.now_ns)
    events = bed.take()
    assert gaps(events) == [("backfill", 13, 14, 3)]
    assert ids(events) == ["gap", "15"]


def test_a_gap_that_nobody_fetches_is_announced(bed: Bed, fills: Fills) -> None:
    fills.refuses = True
    bed.add(("trades", "BTC-USDT"))
    bed.feed(trade(10), trade(13))
    assert gaps(bed.take()) == [("started", None, 9, 1), ("sequence", 11, 12, 3)]
    assert len(fills.wanted) == 1  # where a stream begins nothing is fetched


def test_a_second_interruption_while_a_stream_waits_is_filled_in_its_turn(bed: Bed, fills: Fills) -> None:
    (slot,) = bed.add(("trades", "BTC-USDT"))
    bed.feed(trade(10))
    bed.take()
    bed.pipeline.interrupted([slot])
    bed.feed(trade(12), connection=1)
    bed.pipeline.interrupted([slot])
    bed.feed(trade(15), connection=2)
    bed.pipeline.supply.fill(slot, [], bed.now_ns)
    assert ids(bed.take()) == ["12"]
    assert [(gap.reason, gap.last, gap.first) for _, gap in fills.wanted] == [
        (GapReason.DISCONNECTED, 10, 12),
        (GapReason.DISCONNECTED, 12, 15),
    ]
    bed.pipeline.interrupted([slot])  # and no message since
    bed.pipeline.supply.fill(slot, [], bed.now_ns)
    bed.feed(trade(16), connection=2)
    assert ids(bed.take()) == ["15", "16"]


def test_who_fetches_is_told_once_when_too_much_waits_and_nothing_is_lost(bed: Bed, fills: Fills) -> None:
    (slot,) = bed.add(("trades", "BTC-USDT"))
    bed.feed(trade(10), trade(12))
    bed.take()
    padding = " " * (KEPT_BYTES // 2)
    last = 12
    for _ in range(3):
        last += 1
        bed.feed(json.dumps(trade(last), separators=(",", ":"))[:-1] + padding + "}")
    assert fills.overflowing == [slot]
    bed.pipeline.supply.fill(slot, [], bed.now_ns)
    assert ids(bed.take()) == ["12", "13", "14", "15"]


def test_a_removed_stream_waits_for_nothing(bed: Bed, fills: Fills) -> None:
    (slot,) = bed.add(("trades", "BTC-USDT"))
    bed.feed(trade(10), trade(12))
    bed.take()
    bed.pipeline.remove([slot])
    bed.pipeline.supply.fill(slot, [], bed.now_ns)
    assert bed.take() == []
    bed.add(("trades", "BTC-USDT"))
    bed.feed(trade(13))
    assert ids(bed.take()) == ["gap", "13"]


# ---- ids without an order ------------------------------------------------------------------------------------------------


def fill_of(*identifiers: str) -> dict[str, Any]:
    data = [{"T": T0 // 10**6, "s": "BTCUSDT", "S": "Buy", "v": "1", "p": "2", "i": identifier} for identifier in identifiers]
    return {"topic": "publicTrade.BTCUSDT", "type": "snapshot", "ts": T0 // 10**6, "data": data}


@pytest.fixture
def unique(engine: str, tmp_path: Path) -> Iterator[Bed]:
    made = Bed(tmp_path, MARKETS["bybit", "linear"])
    yield made
    made.progress.close()


def test_copies_are_told_by_their_ids_whichever_connection_brings_them(unique: Bed) -> None:
    (slot,) = unique.add(("trades", "BTC-USDT"))
    unique.pipeline.own(slot, 0)
    unique.feed(fill_of("a", "b"))
    unique.feed(fill_of("b", "c"), connection=1)
    unique.feed(fill_of("c"), fill_of("d"))
    assert ids(unique.take()) == ["gap", "a", "b", "c", "d"]
    assert unique.pipeline.table.repeated[slot] == 2


def test_fetched_events_that_went_out_before_are_left_out(unique: Bed) -> None:
    unique.pipeline.fills = fills = Fills()
    (slot,) = unique.add(("trades", "BTC-USDT"))
    unique.feed(fill_of("a", "b"))
    unique.take()
    unique.pipeline.interrupted([slot])
    unique.feed(fill_of("d", "e"), connection=1)
    assert len(fills.wanted) == 1
    found = rows(unique.pipeline.market, fill_of("b", "c", "d"))
    assert unique.pipeline.supply.fill(slot, found, unique.now_ns) == 2
    assert ids(unique.take()) == ["c", "d", "e"]


def test_streams_of_ids_do_not_wait_for_their_owner_when_another_connection_joins(unique: Bed) -> None:
    (slot,) = unique.add(("trades", "BTC-USDT"))
    unique.pipeline.own(slot, 0)
    unique.feed(fill_of("a"))
    unique.pipeline.joining([slot])
    unique.feed(fill_of("c"), connection=1)
    unique.feed(fill_of("b", "c"))
    assert ids(unique.take()) == ["gap", "a", "c", "b"]
    assert unique.pipeline.table.flags[slot] == 0
