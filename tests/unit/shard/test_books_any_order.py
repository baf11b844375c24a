"""Whatever order messages, losses, copies, snapshots and connections come in: a book that goes out is the exchange's."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

import pytest
from books import T_MS, Consumer, binance, binance_rest, bybit, kraken, kraken_checksum
from hypothesis import given, settings
from hypothesis import strategies as st
from pipeline_bed import Bed

from marketfeed.exchanges.catalogue import MARKETS
from marketfeed_shard import kernel

ENGINES = ("plain",) if kernel.load() is None else ("compiled", "plain")
DASHES = {"binance": "", "bybit": "", "kraken": "/"}
SYMBOLS = {"binance": "BTC-USDT", "bybit": "BTC-USDT", "kraken": "BTC-USD"}
ACTS = ("deliver", "deliver", "deliver", "deliver", "lose", "repeat", "reconnect", "rest", "own", "check")

Side = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class State:
    """A book of the exchange after one of its changes, and that change."""

    seq: int
    prev: int
    bids: Side
    asks: Side
    changed_bids: Side
    changed_asks: Side

    @property
    def at_ms(self) -> int:
        return T_MS + self.seq


class World:
    """An exchange's book through the time: no more than ten levels a side, so that a checksum sees all of them."""

    def __init__(self, random: Random, length: int) -> None:
        bids: dict[str, str] = {}
        asks: dict[str, str] = {}
        seq = 10
        self.states = [State(seq, 0, (), (), (), ())]
        for _ in range(length):
            prev, seq = seq, seq + random.randrange(1, 4)
            changed = [
                tuple((f"{base + random.randrange(8)}.5", f"{random.randrange(4)}.00") for _ in range(random.randrange(3)))
                for base in (10, 20)
            ]
            for side, changes in zip((bids, asks), changed, strict=True):
                side.update(changes)
            self.states.append(State(seq, prev, _sorted(bids, True), _sorted(asks, False), changed[0], changed[1]))


def _sorted(side: dict[str, str], reverse: bool) -> Side:
    return tuple(sorted(((p, s) for p, s in side.items() if float(s)), key=lambda level: float(level[0]), reverse=reverse))


class Feed:
    """One exchange's messages of a world, over two connections."""

    def __init__(self, exchange: str, world: World) -> None:
        self.exchange = exchange
        self.states = world.states
        self.at = [0, 0]
        """Place of the state that each connection told last."""
        self.owes_snapshot = [exchange != "binance"] * 2

    def next(self, connection: int) -> Any | None:
        """What a connection brings next, or None at the end of the world."""
        if self.at[connection] + 1 >= len(self.states):
            return None
        self.at[connection] += 1
        snapshot, self.owes_snapshot[connection] = self.owes_snapshot[connection], False
        return self.message(self.states[self.at[connection]], snapshot)

    def message(self, state: State, snapshot: bool) -> Any:
        bids, asks = (state.bids, state.asks) if snapshot else (state.changed_bids, state.changed_asks)
        if self.exchange == "binance":
            return binance(state.seq, state.prev, bids, asks, at_ms=state.at_ms)
        if self.exchange == "bybit":
            return bybit(self.states.index(state) + 2, bids, asks, snapshot, at_ms=state.at_ms)
        return kraken(kraken_checksum(state.bids, state.asks), bids, asks, snapshot, at_ms=state.at_ms)

    def reconnect(self, connection: int) -> None:
        """The connection is new: it goes on from where the exchange is by now."""
        self.at[connection] = max(self.at)
        self.owes_snapshot[connection] = self.exchange != "binance"

    def truth(self, event: dict[str, Any]) -> State:
        """The state that an event leads to."""
        if event["ts"] is None:
            return next(state for state in self.states if state.seq == event["seq"])
        return next(state for state in self.states if state.at_ms == event["ts"] // 1_000_000)


def drive(bed: Bed, feed: Feed, acts: list[tuple[str, int, int]]) -> list[dict[str, Any]]:
    """A bad day; returns what was published, after the books were compared with the exchange's at each event."""
    (slot,) = bed.add(("book", SYMBOLS[feed.exchange]))
    published: list[dict[str, Any]] = []
    consumer, owner = Consumer(), 0
    bed.pipeline.own(slot, owner)
    latest: list[Any] = [None, None]
    for act, connection, choice in acts:
        if act in {"deliver", "lose"}:
            message = feed.next(connection)
            if message is not None and act == "deliver":
                latest[connection] = message
                bed.feed(message, connection=connection)
        elif act == "repeat" and latest[connection] is not None:
            bed.feed(latest[connection], connection=connection)
        elif act == "reconnect":
            feed.reconnect(connection)
            if connection == owner:
                bed.pipeline.interrupted([slot])
            bed.pipeline.joining([slot])
        elif act == "rest" and feed.exchange == "binance":
            state = feed.states[max(0, max(feed.at) - choice)]
            bed.pipeline.supply.book(slot, binance_rest(state.seq, state.bids, state.asks), bed.now_ns)
        elif act == "own":
            owner = connection
            bed.pipeline.own(slot, owner)
        elif act == "check":
            bed.pipeline.check_books(bed.now_ns)
        for event in bed.take():
            published.append(event)
            consumer.take(event)
            if event["type"] == "book":
                truth = feed.truth(event)
                wanted = [[list(level) for level in side] for side in (truth.bids, truth.asks)]
                assert list(consumer.levels()) == wanted
        if consumer.is_known:
            assert bed.pipeline.books.levels(slot) == consumer.levels()
    return published


_acts = st.lists(st.tuples(st.sampled_from(ACTS), st.sampled_from([0, 0, 1]), st.integers(0, 3)), max_size=60)


@pytest.mark.parametrize("exchange", DASHES)
@settings(max_examples=150)
@given(acts=_acts, seed=st.integers(0, 1 << 16))
def test_what_is_published_is_the_exchanges_book_and_in_sequence(
    exchange: str, acts: list[tuple[str, int, int]], seed: int
) -> None:
    outcomes = []
    for engine in ENGINES:
        with TemporaryDirectory() as folder, mock.patch.dict(os.environ, {"MARKETFEED_ENGINE": engine}):
            bed = Bed(Path(folder), MARKETS[exchange, "spot"])
            bed.dash = DASHES[exchange]
            outcomes.append(json.dumps(drive(bed, Feed(exchange, World(Random(seed), 80)), acts)))
            outcomes.append(str((bed.pipeline.books.gaps, bed.pipeline.books.resyncs, bed.pipeline.table.repeated)))
            bed.progress.close()
    assert outcomes[:2] == outcomes[-2:]
