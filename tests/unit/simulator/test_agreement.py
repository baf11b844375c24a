"""What the product asks of an exchange is understood by the simulated one, and what that tells is understood by the product."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import pytest
from floor import Floor

from marketfeed.exchanges.exchange import ControlKind, Hole
from marketfeed.exchanges.message import Numbering
from marketfeed_shard.books.book import PlainBook, book_kind
from marketfeed_shard.books.checksums import Checksum
from marketfeed_shard.books.sequence import Outcome, follows
from marketfeed_shard.streams.table import UNKNOWN
from marketfeed_simulator import catalogue

SYMBOLS = {
    "spot": ["BTC-USDT", "ETH-USDT"],
    "linear": ["BTC-USDT-PERP", "BTC-USDT-261225"],
    "inverse": ["BTC-USD-PERP", "BTC-USD-261225"],
}
MARKETS = list(catalogue.EXCHANGES)


@pytest.fixture(params=MARKETS, ids="-".join)
def floor(request: pytest.FixtureRequest) -> Floor:
    exchange, market = request.param
    return Floor(exchange, market, SYMBOLS[market])


def subscribe(floor: Floor, channels: Iterable[str], depth: int | None = None) -> None:
    answers = floor.subscribe(floor.topics(channels, depth))
    assert answers
    assert {answer.kind for answer in answers} == {ControlKind.ACKNOWLEDGED}


def by_symbol(floor: Floor, channel: str) -> dict[str, list[Mapping[str, Any]]]:
    """Events of a channel; every symbol has some."""
    found: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for event in floor.events():
        if event["channel"] == channel:
            found[event["symbol"]].append(event)
    assert found.keys() == symbols(floor)
    return found


def symbols(floor: Floor) -> set[str]:
    return {listing.symbol for listing in floor.market.listings}


def test_every_channel_brings_events_of_every_symbol(floor: Floor) -> None:
    channels = [channel for channel in floor.product.channels if channel != "instruments"]
    subscribe(floor, channels)
    floor.run(130.0, 3_000, ticks=1_300)
    events = list(floor.events())
    brought = {(event["channel"], event["symbol"]) for event in events}
    assert brought >= {(channel, symbol) for channel in channels for symbol in symbols(floor)}


def test_trades_are_those_that_the_market_made(floor: Floor) -> None:
    subscribe(floor, ["trades"])
    floor.run(5.0, 300)
    for symbol, events in by_symbol(floor, "trades").items():
        made = floor.truth.trades(symbol)
        assert len(made) == 150
        told = [
            (e["id"], e["ts"] // 10**6, e["price"], e["size"], e["side"]) for e in events if e["id"] in {m["id"] for m in made}
        ]
        assert told == [(m["id"], m["time_ms"], m["price"], m["size"], m["side"]) for m in made]


def test_missed_trades_are_to_be_had_over_rest_as_the_stream_would_have_told_them(floor: Floor) -> None:
    history = floor.product.history
    if history is None:
        pytest.skip("there is no history")
    subscribe(floor, ["trades"])
    floor.run(1.0, 20)
    floor.market.skip(30, floor.now_ms + 5)
    floor.run(1.0, 20)
    for listing in floor.market.listings:
        before, *missed = floor.truth.trades(listing.symbol, 9, 39)
        made = {row["id"]: row for row in missed}
        numbers = [int(number) for number in made if number.isdecimal()]
        hole = Hole(min(numbers, default=None), max(numbers, default=None), (floor.now_ms - 3_000) * 10**6)
        call = history.call(listing.native, hole)
        rows = floor.normalizer.body(history.message, listing.symbol, floor.get(call.path).body.encode())
        events = {row.event["id"]: row.event for row in rows}
        assert made.keys() <= events.keys()
        for last, (number, trade) in zip([before["id"], *made], made.items(), strict=False):
            event = events[number]
            assert (event["price"], event["side"]) == (trade["price"], trade["side"])
            assert event["ts"] // 10**6 == trade["time_ms"]
            assert sum(Decimal(events[each]["size"]) for each in joined(last, number)) == Decimal(trade["size"])
    floor.call(call)  # and it has the weight that the product thinks


def joined(last: str, number: str) -> list[str]:
    """Ids of what a stream tells as one trade with this id, after one with another (OKX)."""
    return [str(each) for each in range(int(last) + 1, int(number) + 1)] if number.isdecimal() else [number]


def replayed(floor: Floor, events: Iterable[Mapping[str, Any]], depth: int | None) -> tuple[dict[str, str], dict[str, str]]:
    """A book as a consumer keeps it; the test fails at a break in its sequence."""
    sides: tuple[dict[str, str], dict[str, str]] = {}, {}
    last = None
    for event in events:
        if event["snapshot"]:
            sides[0].clear(), sides[1].clear()
        else:
            if last is not None and event["prev_seq"] is not None and event["seq"] != event["prev_seq"]:
                if event["seq"] is not None and event["seq"] <= last:
                    continue
                assert event["prev_seq"] <= last
        last = event["seq"]
        for side, changes in zip(sides, (event["bids"], event["asks"]), strict=True):
            for price, size in changes:
                if Decimal(size):
                    side[price] = size
                else:
                    side.pop(price, None)
        if floor.product.cuts_books and depth is not None:
            for side, best_first in zip(sides, (True, False), strict=True):
                for price in sorted(side, key=Decimal, reverse=best_first)[depth:]:
                    del side[price]
    return sides


@pytest.mark.parametrize("wanted", [None, 5])
def test_books_are_equal_level_by_level(floor: Floor, wanted: int | None) -> None:
    depth = floor.product.depth(wanted)
    subscribe(floor, ["book"], wanted)
    floor.run(1.0, 40)
    begun: dict[str, list[Mapping[str, Any]]] = {}
    snapshot = floor.product.snapshot
    if snapshot is not None and snapshot.after_s is None:
        for listing in floor.market.listings:
            call = snapshot.call(listing.native, wanted)
            rows = floor.normalizer.body(snapshot.message, listing.symbol, floor.get(call.path).body.encode())
            begun[listing.symbol] = [row.event | {"channel": "book"} for row in rows]
            floor.call(call)
    floor.run(60.0, 400, ticks=400)
    for symbol, events in by_symbol(floor, "book").items():
        bids, asks = replayed(floor, [*begun.get(symbol, ()), *events], depth)
        truth = floor.truth.book(symbol, levels=depth or 5_000)
        assert {Decimal(p): Decimal(s) for p, s in bids.items()} == {Decimal(p): Decimal(s) for p, s in truth["bids"]}
        assert {Decimal(p): Decimal(s) for p, s in asks.items()} == {Decimal(p): Decimal(s) for p, s in truth["asks"]}


@pytest.mark.parametrize("kind", [PlainBook, book_kind()])
def test_books_hold_as_the_product_keeps_them(floor: Floor, kind: type[PlainBook]) -> None:
    """Each change follows on the one before, and each checksum is that of the book."""
    if floor.product.snapshot is not None and floor.product.snapshot.after_s is None:
        pytest.skip("books begin with REST")
    declared = next(m for m in floor.product.wire.messages if m.channel == "book")
    check = None if declared.hook is None else Checksum(declared.hook.name)
    depth = floor.product.depth(None)
    subscribe(floor, ["book"])
    floor.run(30.0, 600, ticks=600)
    books = {symbol: kind(check, depth if floor.product.cuts_books else None) for symbol in symbols(floor)}
    last = dict.fromkeys(books, UNKNOWN)
    for row in floor.rows():
        event, book = row.event, books[row.symbol]
        seq, prev = (UNKNOWN if event[name] is None else event[name] for name in ("seq", "prev_seq"))
        if not event["snapshot"]:
            assert follows(last[row.symbol], book.joining, seq, prev) is Outcome.PASSES
        last[row.symbol] = seq
        assert book.apply(event["snapshot"], event["bids"], event["asks"])
        assert check is None or book.agrees(row.extras[0])
        assert not book.is_crossed
    for symbol, book in books.items():
        truth = floor.truth.book(symbol, levels=depth or 5_000)
        assert book.levels() == tuple([list(level) for level in truth[side]] for side in ("bids", "asks"))


def test_bbo_is_the_top_of_the_book(floor: Floor) -> None:
    subscribe(floor, ["bbo"])
    floor.run(3.0, 100, ticks=60)
    for symbol, events in by_symbol(floor, "bbo").items():
        last = events[-1]
        book = floor.truth.book(symbol, levels=1)
        assert [(last["bid_price"], last["bid_size"])] == book["bids"]
        assert [(last["ask_price"], last["ask_size"])] == book["asks"]


def test_sequences_are_as_the_product_counts_on(floor: Floor) -> None:
    subscribe(floor, ["trades", "bbo"])
    floor.run(4.0, 200, ticks=80)
    for channel in ("trades", "bbo"):
        numbering = next(m.numbering for m in floor.product.wire.messages if m.channel == channel)
        for events in by_symbol(floor, channel).values():
            positions = [event["position"] for event in events]
            if numbering is Numbering.CONSECUTIVE:
                assert positions == list(range(positions[0], positions[0] + len(positions)))
            elif numbering is Numbering.RISING:
                assert positions == sorted(positions)


def test_a_new_subscriber_gets_what_others_know_and_goes_on_with_them(floor: Floor) -> None:
    subscribe(floor, ["book"])
    floor.run(3.0, 50, ticks=60)
    path = next(iter(floor.sessions))
    second = floor.exchange.open(path, {})
    assert second is not None
    floor.sent.clear()
    topics = [topic for topic in floor.topics(["book"]) if topic.path == path]
    floor.sessions["the second"] = second
    for topic in topics:
        floor.say(second, floor.product.subscribe([topic], 1))
    if floor.product.snapshot is not None and floor.product.snapshot.after_s is None:
        assert not floor.sent
        return
    assert all(event["snapshot"] for event in floor.events())
    floor.run(3.0, 50, ticks=60)
    for symbol, events in by_symbol(floor, "book").items():
        bids, _ = replayed(floor, events, floor.product.depth(None))
        truth = floor.truth.book(symbol, levels=floor.product.depth(None) or 5_000)
        assert {Decimal(price) for price in bids} == {Decimal(price) for price, _ in truth["bids"]}


def test_instruments_are_listed_as_the_product_reads_them(floor: Floor) -> None:
    listed: dict[str, Any] = {}
    for first in floor.product.instruments.calls:
        call = first
        while call is not None:
            body = floor.call(call)
            listed |= {instrument.symbol: instrument for instrument in floor.product.instruments.parse(body)}
            call = floor.product.instruments.next_page(call, body)  # type: ignore[assignment]
    for listing in floor.market.listings:
        found = listed[listing.symbol]
        assert found.native == listing.native == floor.product.native(listing.symbol)
        assert found.trading
        assert Decimal(found.tick_size) == Decimal(listing.tick_size)
        assert Decimal(found.lot_size) == Decimal(listing.lot_size)
        assert (found.contract_size is None) == (not listing.contract)
        assert found.expiry_ns == (None if listing.expiry_ms is None else listing.expiry_ms * 10**6)
    volumes: dict[str, Decimal] = {}
    for call in floor.product.instruments.volumes_calls:
        volumes |= floor.product.instruments.volumes(floor.call(call))
    if volumes:
        assert all(volumes[listing.native] > 0 for listing in floor.market.listings)


def test_what_is_polled_is_answered(floor: Floor) -> None:
    for poll in floor.product.polls:
        for listing in floor.market.listings:
            call = poll.call(listing.native)
            floor.call(call)
            rows = floor.normalizer.body(poll.message, listing.symbol, floor.get(call.path).body.encode())
            assert [row.event["open_interest"] is not None for row in rows] == [True]


def test_pings_are_answered(floor: Floor) -> None:
    if floor.product.heartbeat.payload is None:
        pytest.skip("it takes ping frames")
    (topic, *_) = floor.topics(["trades"])
    answers = floor.say(floor.session(topic.path), floor.product.heartbeat.payload)
    assert [answer.kind for answer in answers] == ([] if floor.product.heartbeat.answer else [ControlKind.ALIVE])
