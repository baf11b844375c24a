from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketfeed_simulator.listing import decimal, listings, named
from marketfeed_simulator.market import Market
from marketfeed_simulator.symbol import BLOCK, DEPTH, REFRESH, Symbol

SYMBOL = Market(listings(1)).symbol(0)
STEPS = st.integers(min_value=-5, max_value=50_000)


def applied(symbol: Symbol, before: int, after: int, joined: int | None = None) -> tuple[dict[str, str], dict[str, str]]:
    """The book at one step, or at one in between, with the changes up to another."""
    book, changes = symbol.book(before if joined is None else joined, 5000), symbol.changes(before, after)
    sides = dict(book.bids), dict(book.asks)
    for side, entries in zip(sides, (changes.bids, changes.asks), strict=True):
        for price, size in entries:
            if Decimal(size):
                side[price] = size
            else:
                side.pop(price, None)  # of a level that came and went, too
    return sides


@given(STEPS, st.integers(min_value=0, max_value=2 * REFRESH))
def test_changes_turn_one_book_into_the_later_one(step: int, further: int) -> None:
    later = SYMBOL.book(step + further, 5000)
    assert applied(SYMBOL, step, step + further) == (dict(later.bids), dict(later.asks))
    assert SYMBOL.changes(step, step + further).update_id == later.update_id == SYMBOL.update_id(step + further)


@given(STEPS, st.integers(min_value=0, max_value=REFRESH - 1), st.data())
def test_who_joins_with_a_book_from_in_between_has_the_later_one_too(step: int, further: int, data: st.DataObject) -> None:
    joined = data.draw(st.integers(step, step + further))
    later = SYMBOL.book(step + further, 5000)
    assert applied(SYMBOL, step, step + further, joined) == (dict(later.bids), dict(later.asks))


@given(STEPS)
def test_book_is_sorted_and_never_crossed_and_its_top_is_the_best_price(step: int) -> None:
    book, best = SYMBOL.book(step, 5000), SYMBOL.best(step)
    bids, asks = ([Decimal(price) for price, _ in side] for side in (book.bids, book.asks))
    assert bids == sorted(set(bids), reverse=True)
    assert asks == sorted(set(asks))
    assert bids[0] < asks[0]
    assert (book.bids[0], book.asks[0]) == (best[:2], best[2:])
    assert len(bids) > DEPTH / 2
    assert SYMBOL.book(step, 5).bids == book.bids[:5]


@given(STEPS)
def test_trade_is_at_the_best_price_of_the_side_that_it_hit(step: int) -> None:
    trade, best = SYMBOL.trade(step), SYMBOL.best(step)
    assert trade.price == (best.bid_price if trade.buyer_is_maker else best.ask_price)
    assert Decimal(trade.size) > 0


@given(STEPS, st.integers(min_value=1, max_value=2500))
def test_candle_is_what_its_trades_come_to(first: int, count: int) -> None:
    trades = [SYMBOL.trade(step) for step in range(first, first + count)]
    candle = SYMBOL.candle(first, first + count - 1)
    prices, sizes = [Decimal(t.price) for t in trades], [Decimal(t.size) for t in trades]
    assert (candle.open, candle.close) == (trades[0].price, trades[-1].price)
    assert (Decimal(candle.high), Decimal(candle.low)) == (max(prices), min(prices))
    assert Decimal(candle.volume) == sum(sizes)
    assert Decimal(candle.quote_volume) == sum(p * s for p, s in zip(prices, sizes, strict=True))
    assert Decimal(candle.taker_volume) == sum(Decimal(t.size) for t in trades if not t.buyer_is_maker)
    assert candle.last_trade_id - candle.first_trade_id == count - 1


def test_same_seed_gives_the_same_market_and_another_one_does_not() -> None:
    def trades(seed: int, base: int = 0) -> list[tuple[str, str, bool]]:
        return [Market(listings(3), seed, base=base).symbol(2).trade(step) for step in range(50)]

    assert trades(7) == trades(7) == trades(7, base=1_000_000)
    assert trades(7) != trades(8)


def test_base_moves_ids_and_nothing_else() -> None:
    symbol, later = (Market(listings(1), base=base).symbol(0) for base in (0, 500))
    assert later.trade_id(3) == symbol.trade_id(503)
    assert later.update_id(3) == symbol.update_id(503)
    assert later.best(3) == symbol.best(3)


def test_every_symbol_makes_one_step_a_round_whether_it_is_wanted_or_not() -> None:
    market = Market(listings(4))
    assert [market.advance([0, 2], 0) for _ in range(3)] == [0, 2, 0]
    assert [market.last_step(at) for at in range(4)] == [1, 0, 0, 0]
    assert market.advance([3], 0) == 3
    assert [market.last_step(at) for at in range(4)] == [1, 1, 1, 1]
    market.finish_round()
    market.finish_round()
    assert [market.last_step(at) for at in range(4)] == [1, 1, 1, 1]


def test_period_and_base_that_would_spoil_blocks_are_refused() -> None:
    with pytest.raises(ValueError, match="multiples of 10"):
        Market(listings(1), period=15)
    with pytest.raises(ValueError, match="multiples of 10"):
        Market(listings(1), base=BLOCK + 1)


@given(st.integers(min_value=0, max_value=10**18), st.integers(min_value=0, max_value=12))
def test_decimal_text_is_exact(units: int, decimals: int) -> None:
    text = decimal(units, decimals)
    assert Decimal(text) == Decimal(units).scaleb(-decimals)
    assert len(text.partition(".")[2]) == max(8, decimals)


def test_listings_are_distinct_and_begin_with_those_that_everybody_knows() -> None:
    natives = [listing.native for listing in listings(2000)]
    assert natives[:2] == ["BTCUSDT", "ETHUSDT"]
    assert natives[-1] == "SYM2000USDT"
    assert len(set(natives)) == 2000


def test_named_symbols_are_the_same_as_listed_ones() -> None:
    assert named(["ETH-USDT", "SYM041-USDT"]) == [listings(41)[1], listings(41)[40]]
    for wrong in (["BTCUSDT"], ["BTC-USDT-PERP"], ["BTC-USDT", "BTC-USDT"]):
        with pytest.raises(ValueError, match="BTC"):
            named(wrong)
