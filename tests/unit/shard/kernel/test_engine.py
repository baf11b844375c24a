from __future__ import annotations

import json
from typing import Any

import pytest
from engines import Both, needs_kernel
from hypothesis import given
from hypothesis import strategies as st

from marketfeed.exchanges.catalogue import MARKETS
from marketfeed.exchanges.exchange import Market
from marketfeed.normalizer import Normalizer
from marketfeed_shard.books.book import Book, book_kind
from marketfeed_shard.books.sequence import Outcome
from marketfeed_shard.kernel import compiled_engine
from marketfeed_shard.kernel.plain import Engine
from marketfeed_shard.streams.batch import DATA, GAP, Batch
from marketfeed_shard.streams.table import HELD, UNKNOWN, UNSYNCED, Stream, StreamTable

pytestmark = needs_kernel

SPOT = MARKETS["binance", "spot"]
T0 = 1_672_515_782_140_000_000
BOUNDS_MS = (1.0, 10.0, 100.0)


def trade(i: int, **other: Any) -> bytes:
    data = {"e": "trade", "E": 1672515782140, "s": "BTCUSDT", "t": i, "p": "0.0010", "q": "100", "T": 1672515782136, "m": True,
            **other}  # fmt: skip
    return json.dumps({"stream": "btcusdt@trade", "data": data}, separators=(",", ":")).encode()


def quote(seq: int | None, bid: str = "1") -> bytes:
    own = {"u": seq} if seq is not None else {}
    data = {**own, "s": "BTCUSDT", "b": bid, "B": "2", "a": "3", "A": "4"}
    return json.dumps({"stream": "btcusdt@bookTicker", "data": data}).encode()


class Owner:
    """What a pipeline is to its engine."""

    def __init__(self, market: Market = SPOT, channels: tuple[str, ...] = ("trades", "bbo"), native: str = "BTCUSDT") -> None:
        self.table = StreamTable()
        self.asked: list[tuple[Any, ...]] = []
        self.lets_through = True
        symbol = market.symbol(native)
        assert symbol is not None
        normalizer = Normalizer(market, {native: symbol}.get, merge=True)
        engine = compiled_engine(market, normalizer, self, BOUNDS_MS)
        assert engine is not None
        self.engine: Engine = engine
        for channel in channels:
            slot = self.table.add(Stream(channel, symbol, native))
            self.table.flags[slot] = 0
            engine.define(slot, *normalizer.stream_head(channel, symbol))
        engine.bind(self.table)

    def passes(self, slot: int, position: int, received_ns: int, connection: int) -> bool:
        self.asked.append(("passes", slot, position, connection, self.engine.frame()))
        return self.lets_through

    def hole(self, slot: int, last: int, position: int, received_ns: int, connection: int) -> bool:
        self.asked.append(("hole", slot, last, position))
        self.engine.append(slot, b'{"type":"gap"}', position - 1, GAP)
        return True

    def candle(self, slot: int, ts_ns: int, own: bytes) -> None:
        self.asked.append(("candle", slot, ts_ns, own))

    def admit(self, slot: int, snapshot: bool, seq: int, prev: int, received_ns: int, connection: int) -> bool:
        self.asked.append(("admit", slot, snapshot, seq, prev, connection))
        return self.lets_through

    def broken(self, slot: int, outcome: int, snapshot: bool, seq: int, prev: int, received_ns: int, connection: int) -> None:
        self.asked.append(("broken", slot, outcome, snapshot, seq, prev, connection))

    def synced(self, slot: int) -> None:
        self.asked.append(("synced", slot))
        self.table.flags[slot] = 0

    def events(self) -> list[dict[str, Any]]:
        batch = self.engine.flush()
        return [] if batch is None else [json.loads(event) for _, event in batch.events()]


def test_events_carry_receipt_and_number() -> None:
    owner = Owner()
    assert owner.engine.feed(trade(7), 0, T0)
    assert owner.engine.feed(trade(8), 0, T0 + 1)
    first, second = owner.events()
    assert (first["recv"], first["n"], first["id"]) == (T0, 1, "7")
    assert (second["recv"], second["n"], second["id"]) == (T0 + 1, 2, "8")
    assert owner.events() == []


def test_a_batch_tells_slot_place_position_and_kind_of_each_event() -> None:
    owner = Owner()
    for frame in (trade(7), quote(5), trade(9)):
        owner.engine.feed(frame, 0, T0)
    batch = owner.engine.flush()
    assert isinstance(batch, Batch)
    rows = [tuple(batch.index[at : at + 5]) for at in range(0, len(batch.index), 5)]
    assert [(row[0], row[3], row[4]) for row in rows] == [(0, 7, DATA), (1, 5, DATA), (0, 8, GAP), (0, 9, DATA)]
    assert [row[1] for row in rows[1:]] == [row[2] for row in rows[:-1]]
    assert (rows[0][1], rows[-1][2], batch.received_ns) == (0, len(batch.data), T0)


def test_repetitions_are_counted_and_left_out() -> None:
    owner = Owner()
    for frame in (trade(7), trade(7), trade(6), trade(8)):
        assert owner.engine.feed(frame, 0, T0)
    assert [event["id"] for event in owner.events()] == ["7", "8"]
    assert (owner.table.messages[0], owner.table.repeated[0], owner.table.position[0], owner.table.n[0]) == (4, 2, 8, 2)


def test_a_jump_of_consecutive_numbers_is_told_before_the_event() -> None:
    owner = Owner()
    owner.engine.feed(trade(7), 0, T0)
    owner.engine.feed(trade(10), 0, T0)
    assert owner.asked == [("hole", 0, 7, 10)]
    assert [event["type"] for event in owner.events()] == ["trade", "gap", "trade"]


def test_rising_numbers_may_jump() -> None:
    owner = Owner()
    owner.engine.feed(quote(5), 0, T0)
    owner.engine.feed(quote(50), 0, T0)
    assert owner.asked == []
    assert [event["seq"] for event in owner.events()] == [5, 50]


def test_without_a_number_only_the_owning_connection_counts() -> None:
    owner = Owner()
    owner.table.owner[1] = 3
    for connection in (3, 4, 3):
        owner.engine.feed(quote(None), connection, T0)
    assert len(owner.events()) == 2
    assert owner.table.repeated[1] == 1


def test_flagged_streams_ask_their_owner_and_the_frame_can_be_kept() -> None:
    owner = Owner()
    owner.table.flags[0] = HELD
    owner.lets_through = False
    assert owner.engine.feed(trade(7), 2, T0)
    assert owner.asked == [("passes", 0, 7, 2, trade(7))]
    assert owner.events() == []
    assert owner.table.n[0] == 0


def test_only_one_stream_of_a_frame_is_taken_when_it_is_asked_for() -> None:
    owner = Owner()
    assert owner.engine.feed(trade(7), 0, T0, 1)
    assert owner.events() == []
    assert owner.table.messages[0] == 0


def test_latencies_fall_in_buckets() -> None:
    owner = Owner()
    for received_ns in (T0 - 4_000_000, T0 - 10_000_000, T0 + 1_000_000, T0 + 10**9):  # traded at T0 - 4 ms
        owner.engine.feed(trade(received_ns - T0 + 10**8), 0, received_ns)
    buckets, sum_ms, skew_ns = owner.engine.latency()
    assert buckets == [2, 1, 0, 1]
    assert sum_ms == pytest.approx(0 - 6 + 5 + 1004)
    assert skew_ns == 6_000_000


@pytest.mark.parametrize(
    "frame",
    [b"", b"{", trade(1)[:-1], trade(1) + b"x", trade(1, p="1e5"), trade(1, p=""), trade(1, q="é"), b'{"result":null,"id":1}',
     b'{"stream":"btcusdt@avgPrice","data":{}}', b'{"stream":"btcusdt@trade","data":null}', trade(1, s="ETHBTC")],
)  # fmt: skip
def test_what_is_rare_is_declined_counted_and_leaves_nothing(frame: bytes) -> None:
    owner = Owner()
    assert not owner.engine.feed(frame, 0, T0)
    assert owner.engine.declined == 1
    assert owner.events() == []
    assert list(owner.table.n) == [0, 0]


def test_a_frame_is_taken_whole_or_not_at_all() -> None:
    owner = Owner(MARKETS["okx", "spot"], ("trades",), "BTC-USDT")
    row = {"instId": "BTC-USDT", "tradeId": "1", "px": "1", "sz": "1", "side": "buy", "ts": "1630048897897"}
    frame = {"arg": {"channel": "trades", "instId": "BTC-USDT"}, "data": [row, {**row, "tradeId": "2", "px": "x"}]}
    assert not owner.engine.feed(json.dumps(frame).encode(), 0, T0)
    assert owner.events() == []
    frame["data"] = [row, {**row, "tradeId": "2"}]
    assert owner.engine.feed(json.dumps(frame).encode(), 0, T0)
    assert [event["id"] for event in owner.events()] == ["1", "2"]


def test_the_owner_sees_candles_whose_end_is_not_told_before_they_go_out() -> None:
    owner = Owner(MARKETS["kraken", "spot"], ("candles.1m",), "BTC/USD")
    candle = {"symbol": "BTC/USD", "interval": 1, "interval_begin": "2023-10-04T16:25:00.000000000Z", "open": 1, "high": 1,
              "low": 1, "close": 1.5, "volume": 2, "timestamp": "2023-10-04T16:25:01Z"}  # fmt: skip
    frame = json.dumps({"channel": "ohlc", "type": "update", "data": [candle]}).encode()
    assert owner.engine.feed(frame, 0, T0)
    ((_, slot, ts_ns, own),) = owner.asked
    (event,) = owner.events()
    assert (slot, ts_ns) == (0, event["ts"])
    assert json.loads(b"{" + own[1:]) == dict(list(event.items())[8:])


def change(seq: int, prev: int, *bids: tuple[str, str]) -> bytes:
    data = {"e": "depthUpdate", "E": 1672515782140, "s": "BTCUSDT", "U": prev + 1, "u": seq, "b": bids, "a": [["9", "1"]]}
    return json.dumps({"stream": "btcusdt@depth@100ms", "data": data}).encode()


def a_book() -> Book:
    return book_kind()(None, None)


def test_a_book_changes_in_sequence_without_its_owner_and_a_break_is_told() -> None:
    owner = Owner(SPOT, ("book",))
    kept = a_book()
    owner.engine.keep_book(0, kept)
    kept.apply(True, [["5", "1"]], [["6", "1"]])
    owner.table.position[0] = 100
    for frame in (change(103, 100, ("5", "2")), change(102, 101), change(110, 103, ("5", "3"), ("4", "1"))):
        assert owner.engine.feed(frame, 0, T0)
    assert owner.asked == []
    assert [event["seq"] for event in owner.events()] == [103, 110]
    assert (owner.table.position[0], owner.table.repeated[0]) == (110, 1)
    assert kept.levels() == ([["5", "3"], ["4", "1"]], [["6", "1"], ["9", "1"]])
    owner.engine.feed(change(120, 112), 4, T0)
    assert owner.asked == [("broken", 0, Outcome.SEQUENCE, False, 120, 112, 4)]
    assert owner.events() == []


def test_messages_of_flagged_books_are_asked_about() -> None:
    owner = Owner(SPOT, ("book",))
    owner.engine.keep_book(0, a_book())
    owner.table.flags[0], owner.lets_through = UNSYNCED, False
    assert owner.engine.feed(change(12, 10), 1, T0)
    assert owner.asked == [("admit", 0, False, 12, 10, 1)]
    owner.table.flags[0], owner.table.owner[0] = 0, 2
    assert owner.engine.feed(change(15, 12), 1, T0)
    assert owner.asked[1:] == [("admit", 0, False, 15, 12, 1)]
    assert owner.events() == []


@pytest.mark.parametrize("size", ["1234567890123456789", "-1"])
def test_what_a_book_cannot_hold_is_declined_before_anything_is_published(size: str) -> None:
    owner = Owner(SPOT, ("book", "trades"))
    kept = a_book()
    owner.engine.keep_book(0, kept)
    owner.table.position[0] = 10
    assert not owner.engine.feed(change(11, 10, ("5", "1"), ("4", size)), 0, T0)
    assert kept.levels() == ([], [])
    owner.engine.keep_book(0, None)
    assert not owner.engine.feed(change(11, 10), 0, T0)
    assert owner.events() == []


def test_merged_deltas_are_left_to_the_plain_engine() -> None:
    owner = Owner(MARKETS["bybit", "linear"], ("ticker", "derivative"))
    frame = b'{"topic":"tickers.BTCUSDT","ts":1786310817883,"data":{"symbol":"BTCUSDT","lastPrice":"5","markPrice":"6"}}'
    assert not owner.engine.feed(frame, 0, T0)


@pytest.mark.parametrize(("kind", "taken"), [("snapshot", True), ("delta", False)])
def test_changes_of_the_best_prices_are_left_to_the_plain_engine(kind: str, taken: bool) -> None:
    owner = Owner(MARKETS["bybit", "linear"], ("bbo",))
    data = {"s": "BTCUSDT", "b": [["5", "0"], ["4", "1"]], "a": [["6", "1"]], "u": 7}
    frame = json.dumps({"topic": "orderbook.1.BTCUSDT", "type": kind, "ts": 1786310817883, "data": data}).encode()
    assert owner.engine.feed(frame, 0, T0) == taken
    events = Both(MARKETS["bybit", "linear"], MARKETS["bybit", "linear"].symbol).events(frame)
    assert events is not None
    assert events[0]["bid_price"] == ("5" if taken else "4")


def test_a_symbol_that_becomes_known_is_found_the_next_time() -> None:
    owner = Owner()
    known: dict[str, str] = {"BTCUSDT": "BTC-USDT"}
    normalizer = Normalizer(SPOT, known.get)
    engine = compiled_engine(SPOT, normalizer, owner, BOUNDS_MS)
    assert engine is not None
    for slot, channel in enumerate(("trades", "bbo")):
        engine.define(slot, *normalizer.stream_head(channel, "BTC-USDT"))
    engine.bind(owner.table)
    assert not engine.feed(trade(1, s="ETHBTC"), 0, T0)
    known["ETHBTC"] = "ETH-BTC"
    slot = owner.table.add(Stream("trades", "ETH-BTC", "ETHBTC"))
    owner.table.flags[slot] = 0
    engine.define(slot, *normalizer.stream_head("trades", "ETH-BTC"))
    engine.bind(owner.table)
    assert engine.feed(trade(1, s="ETHBTC"), 0, T0)
    batch = engine.flush()
    assert batch is not None
    assert b'"symbol":"ETH-BTC"' in batch.data


def test_a_frame_before_the_stream_table_is_refused() -> None:
    normalizer = Normalizer(SPOT, {"BTCUSDT": "BTC-USDT"}.get)
    owner = Owner()
    engine = compiled_engine(SPOT, normalizer, owner, BOUNDS_MS)
    assert engine is not None
    engine.define(0, *normalizer.stream_head("trades", "BTC-USDT"))
    with pytest.raises(RuntimeError, match="stream table"):
        engine.feed(trade(1), 0, T0)


def test_a_topic_is_whole_whatever_the_order_of_its_parts() -> None:
    both = Both(MARKETS["okx", "linear"], MARKETS["okx", "linear"].symbol)
    details = '"details":[{"bkPx":"1","side":"buy","sz":"13","ts":"1692266434010"}],"instId":"IOST-USDT-SWAP"'
    frames = [
        '{"arg":{"channel":"liquidation-orders","instType":"SWAP"},"data":[{' + details + "}]}",
        '{"data":[{' + details + '}],"arg":{"instType":"SWAP","channel":"liquidation-orders"}}',
        '{"arg":{"instType":"SWAP","channel":"mark-price","instId":"X-USDT-SWAP"},"data":[{"markPx":"1","ts":"1640131204676"}]}',
    ]
    for frame in frames:
        assert both.events(frame.encode())
    assert both.accepted == len(frames)


def test_more_topics_than_are_remembered_are_decoded_all_the_same() -> None:
    both = Both(SPOT, SPOT.symbol)
    for number in range(20_000):
        frame = b'{"stream":"x%dusdt@trade","data":{"s":"X%dUSDT","t":1,"p":"1","q":"1","m":true}}' % (number, number)
        assert both.compiled.decode(frame) is not None


SCALARS = st.one_of(
    st.sampled_from(["1", "0.10", "-5", "1672515782136", "BTCUSDT", "", "x", "1e5", "007", "true"]),
    st.integers(-(10**20), 10**20), st.floats(allow_nan=False, allow_infinity=False), st.booleans(), st.none(),
    st.text(max_size=6), st.just([]), st.just({}),
    st.lists(st.lists(st.sampled_from(["1", "2.5", "x", 3]), max_size=3), max_size=3),
)  # fmt: skip
STREAMS = ["btcusdt@trade", "btcusdt@bookTicker", "btcusdt@depth@100ms", "btcusdt@ticker", "btcusdt@kline_1m", "!ticker@arr"]
SOUND = {"e": "x", "E": 1672515782140, "s": "BTCUSDT", "t": 5, "p": "1", "q": "1", "T": 1672515782136, "m": True, "u": 9,
         "U": 7, "b": "1", "B": "1", "a": "1", "A": "1", "c": "1", "o": "1", "h": "1", "l": "1", "v": "1"}  # fmt: skip


@given(
    stream=st.sampled_from(STREAMS), faults=st.dictionaries(st.sampled_from(list(SOUND)), SCALARS, max_size=3), data=st.data()
)
def test_engines_agree_whatever_the_values(stream: str, faults: dict[str, Any], data: st.DataObject) -> None:
    both = Both(SPOT, SPOT.symbol)
    record: Any = {**SOUND, **({"b": [["1", "2"]], "a": []} if "depth" in stream else {}), **faults}
    record = dict(data.draw(st.permutations(list(record.items()))))
    if "kline" in stream:
        record = {"E": record["E"], "s": record["s"], "k": {**record, "t": 1672515780000, "x": False, **faults}}
    elif stream == "!ticker@arr":
        record = [record, dict(SOUND)]
    both.events(json.dumps({"stream": stream, "data": record}, ensure_ascii=data.draw(st.booleans())).encode())


def test_unnumbered_positions_are_unknown() -> None:
    owner = Owner()
    owner.engine.feed(trade(1, t="a-b"), 0, T0)
    batch = owner.engine.flush()
    assert batch is not None
    assert batch.index[3] == UNKNOWN
