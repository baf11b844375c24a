from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest

from marketfeed_simulator.binance import BinanceSpot
from marketfeed_simulator.blocks import GROUP, Blocks
from marketfeed_simulator.framing import text_header
from marketfeed_simulator.generator import Generator
from marketfeed_simulator.listing import Listing, listings
from marketfeed_simulator.market import Market
from marketfeed_simulator.session import Session
from marketfeed_simulator.symbol import BLOCK

NOW_MS = 1_767_225_600_123
EXCHANGE = BinanceSpot()


def generator(symbols: int = 3, base: int = 0) -> Generator:
    return Generator(EXCHANGE, Market(listings(symbols), base=base))


def payloads(messages: Any) -> list[dict[str, Any]]:
    return [json.loads(message.payload) for message in messages]


def test_trade_ids_are_consecutive_and_update_ids_rise_whatever_else_is_wanted() -> None:
    made = generator()
    made.want(["btcusdt@trade", "ethusdt@bookTicker"], 0.0)
    first = payloads(made.take(20, NOW_MS))
    made.want(["btcusdt@trade", "ethusdt@bookTicker", "bnbusdt@trade", "btcusdt@aggTrade"], 0.0)
    later = payloads(made.take(41, NOW_MS))
    trades = [p["t"] for p in first + later if p.get("e") == "trade" and p["s"] == "BTCUSDT"]
    updates = [p["u"] for p in first + later if "u" in p]
    assert len(trades) > 15
    assert trades == list(range(trades[0], trades[0] + len(trades)))
    assert updates == sorted(set(updates))


def test_steps_are_shared_out_evenly() -> None:
    made = generator(3)
    made.want(["btcusdt@trade", "ethusdt@trade", "bnbusdt@trade"], 0.0)
    assert [p["s"] for p in payloads(made.take(6, NOW_MS))] == ["BTCUSDT", "ETHUSDT", "BNBUSDT"] * 2


def test_market_goes_on_for_those_who_do_not_listen() -> None:
    made = generator(2)
    made.want(["btcusdt@trade", "ethusdt@trade"], 0.0)
    (_, before) = payloads(made.take(2, NOW_MS))
    made.want(["btcusdt@trade"], 0.0)
    list(made.take(10, NOW_MS))
    made.want(["ethusdt@trade"], 0.0)
    (after,) = payloads(made.take(1, NOW_MS))
    assert after["t"] == before["t"] + 10


def test_step_that_was_begun_brings_nothing_that_is_wanted_no_more() -> None:
    made = generator()
    made.want(["btcusdt@trade", "btcusdt@aggTrade"], 0.0)
    list(made.take(1, NOW_MS))
    made.want(["btcusdt@trade"], 0.0)
    assert [p["e"] for p in payloads(made.take(2, NOW_MS))] == ["trade", "trade"]


def test_names_that_an_exchange_would_acknowledge_and_not_serve_bring_nothing() -> None:
    made = generator()
    made.want(["nosuch@trade", "btcusdt@nosuch", "BTCUSDT@trade", "btcusdt", "btcusdt@kline_7m", "btcusdt@depth@250ms"], 0.0)
    assert not list(made.take(5, NOW_MS))
    assert not list(made.due(100.0, NOW_MS))


def test_depth_joins_the_snapshot_and_has_no_hole() -> None:
    made = generator()
    made.want(["btcusdt@trade", "btcusdt@depth@100ms"], 0.0)
    list(made.take(7, NOW_MS))
    book = made.book("BTCUSDT", 5000)
    assert book is not None
    events = []
    for tick in range(1, 6):
        list(made.take(tick, NOW_MS))
        events += payloads(made.due(tick * 0.1, NOW_MS))
    assert len(events) == 5
    assert events[0]["U"] <= book.update_id + 1 <= events[0]["u"]
    assert all(later["U"] == earlier["u"] + 1 for earlier, later in pairwise(events))
    now = made.book("BTCUSDT", 5000)
    assert now is not None
    assert now.update_id == events[-1]["u"]
    sides = dict(book.bids), dict(book.asks)
    for event in events:
        for side, changes in zip(sides, (event["b"], event["a"]), strict=True):
            for price, size in changes:
                side[price] = size
    assert {p: s for p, s in sides[0].items() if s.strip("0.")} == dict(now.bids)
    assert {p: s for p, s in sides[1].items() if s.strip("0.")} == dict(now.asks)


def test_nothing_changed_means_no_depth_event() -> None:
    made = generator()
    made.want(["btcusdt@depth"], 0.0)
    assert not list(made.due(1.0, NOW_MS))


def test_candle_covers_its_trades_and_is_closed_once_when_the_next_begins() -> None:
    made = generator(1)
    made.want(["btcusdt@trade", "btcusdt@kline_1m"], 0.0)
    minute = NOW_MS - NOW_MS % 60_000
    trades = payloads(made.take(5, minute))
    (open_candle,) = payloads(made.due(2.0, minute + 2_000))
    assert open_candle["k"] | {"x": False, "n": 5, "f": trades[0]["t"], "L": trades[-1]["t"]} == open_candle["k"]
    list(made.take(3, minute))
    closed, begun = payloads(made.due(62.0, minute + 62_000))
    assert (closed["k"]["x"], closed["k"]["n"], closed["k"]["T"]) == (True, 8, minute + 59_999)
    assert (begun["k"]["x"], begun["k"]["n"], begun["k"]["f"], begun["k"]["t"]) == (False, 0, -1, minute + 60_000)


def test_ticker_comes_once_a_second() -> None:
    made = generator(1)
    made.want(["btcusdt@ticker"], 0.0)
    assert [len(list(made.due(at, NOW_MS))) for at in (0.9, 1.0, 1.5, 2.0)] == [0, 1, 0, 1]


@pytest.mark.parametrize("length", [0, 125, 126, 65_535, 65_536])
def test_header_tells_the_length_as_the_protocol_has_it(length: int) -> None:
    header = text_header(length)
    assert header[0] == 0x81
    extended = header[2:]
    assert (int.from_bytes(extended, "big") if extended else header[1]) == length
    assert len(header) == (2 if length < 126 else 4 if length < 65_536 else 10)


def frames(block: bytes) -> list[str]:
    texts = []
    while block:
        assert block[0] == 0x81
        head = 2 if block[1] < 126 else 4
        length = block[1] if head == 2 else int.from_bytes(block[2:4], "big")
        texts.append(block[head : head + length].decode())
        block = block[head + length :]
    return texts


def session_of(symbols: int) -> Session:
    kinds = ("trade", "bookTicker", "aggTrade")
    return Session({f"{s.native.lower()}@{kind}": None for s in listings(symbols) for kind in kinds}, combined=True)


@pytest.mark.parametrize("base", [0, 9_999_990])
def test_blocks_are_the_messages_that_come_one_by_one(base: int) -> None:
    session = session_of(3)
    slow, fast = generator(base=base), generator(base=base)
    slow.want(session.topics, 0.0)
    blocks = Blocks(EXCHANGE, fast.market, session, {topic: fast.feed(topic) for topic in session.topics})  # type: ignore[misc]
    for first in range(0, 1020, BLOCK):
        expected = [EXCHANGE.envelope(session, *m) for m in slow.take(9 * BLOCK, NOW_MS)]
        assert frames(blocks.block(0, first, NOW_MS)) == expected
    assert len(blocks) == 1
    assert blocks.messages(0) == 9 * BLOCK


def test_blocks_hold_when_an_id_gains_a_digit() -> None:
    listing = Listing("BTC", "USDT", 6_000_000, 2, 5)
    market = Market([listing])
    symbol = market.symbol(0)
    session = Session({"btcusdt@trade": None}, combined=False)
    feed = EXCHANGE.feed("btcusdt@trade", market.index)
    assert feed is not None
    blocks = Blocks(EXCHANGE, market, session, {"btcusdt@trade": feed})
    before = frames(blocks.block(0, 0, NOW_MS))
    symbol._first_trade = 10**12 - BLOCK - 1000 + BLOCK  # the same place in the period, more digits after it
    after = frames(blocks.block(0, 1000, NOW_MS))
    assert json.loads(before[0])["p"] == json.loads(after[0])["p"]
    assert [json.loads(text)["t"] for text in after] == list(range(10**12, 10**12 + BLOCK))


def test_many_streams_are_several_blocks() -> None:
    session = session_of(GROUP)
    made = generator(GROUP)
    blocks = Blocks(EXCHANGE, made.market, session, {topic: made.feed(topic) for topic in session.topics})  # type: ignore[misc]
    assert len(blocks) == 3
    texts = [text for group in range(3) for text in frames(blocks.block(group, 0, NOW_MS))]
    assert len(texts) == len(set(texts)) == 3 * GROUP * BLOCK


def test_blocks_go_on_where_single_messages_stopped() -> None:
    made = generator()
    made.want(["btcusdt@trade", "bnbusdt@trade"], 0.0)
    single = payloads(made.take(7, NOW_MS)) + payloads(made.to_block(NOW_MS))
    assert made.market.rounds % BLOCK == made.market.cursor == 0
    topics = {topic: made.feed(topic) for topic in ("btcusdt@trade", "bnbusdt@trade")}
    blocks = Blocks(EXCHANGE, made.market, Session(), topics)  # type: ignore[arg-type]
    texts = [json.loads(text) for text in frames(blocks.block(0, made.market.rounds, NOW_MS))]
    ids = [p["t"] for p in single + texts if p["s"] == "BTCUSDT"]
    assert ids == list(range(ids[0], ids[0] + 2 * BLOCK))
