"""The judge of the simulated days: it has to be able to find fault."""

from __future__ import annotations

from typing import Any

import pytest

from marketfeed.exchanges.catalogue import MARKETS
from marketfeed.exchanges.message import Message, Numbering, message
from marketfeed.normalizer import Row
from tests.simulation.account import Account
from tests.simulation.broken import BrokenError
from tests.simulation.figures import Figures

TICKER = message("ticker", "{symbol}", at="")
TRADE = next(m for m in MARKETS["binance", "spot"].wire.messages if m.channel == "trades")


class Stream:
    """Told and published by hand."""

    def __init__(self, declared: Message = TRADE) -> None:
        self.figures = Figures()
        self.account = Account(declared.channel, "BTC-USDT", self.figures)
        self._declared = declared
        self._n = 0

    def told(self, *numbers: int, withheld: bool = False, price: str = "1.0") -> None:
        for number in numbers:
            event = self.event(number, price)
            position = None if self._declared.numbering is Numbering.NONE else number
            row = Row(self._declared, self._declared.channel, "BTC-USDT", event, position)
            self.account.told(row, float(number), withheld=withheld)

    def event(self, number: int, price: str = "1.0") -> dict[str, Any]:
        return {"type": "trade", "ts": number, "id": str(number), "price": price, "recv": number, "n": None}

    def publish(self, *numbers: int, **more: Any) -> None:
        for number in numbers:
            self._n += 1
            self.account.take(self.event(number) | {"n": self._n} | more, float(number))

    def gap(self, first: int | None, last: int | None, reason: str = "disconnected", **more: Any) -> None:
        self._n = 1 if reason == "started" else self._n + 1
        event = {"type": "gap", "reason": reason, "n": self._n, "from_seq": first, "to_seq": last, "from_ts": None, "to_ts": 0}
        self.account.take(event | more, 0.0)


def test_all_that_was_told_is_published_in_order() -> None:
    stream = Stream()
    stream.told(1, 2, 3)
    stream.publish(1, 2, 3)
    assert stream.figures.published == 3
    assert stream.account.overdue(0.0, 10.0) is None


def test_a_loss_in_silence_is_found() -> None:
    stream = Stream()
    stream.told(1, 2, 3)
    stream.publish(1)
    with pytest.raises(BrokenError, match="lost in silence"):
        stream.publish(3)


def test_a_loss_that_is_announced_is_none() -> None:
    stream = Stream()
    stream.told(1, 2, 3, 4)
    stream.publish(1)
    stream.gap(2, 3)
    stream.publish(4)
    assert stream.figures.lost == 2


@pytest.mark.parametrize(("first", "last"), [(3, 3), (2, 2), (5, 9)])
def test_a_gap_has_to_hold_all_that_is_missing(first: int, last: int) -> None:
    stream = Stream()
    stream.told(1, 2, 3, 4)
    stream.publish(1)
    stream.gap(first, last)
    with pytest.raises(BrokenError):
        stream.publish(4)


@pytest.mark.parametrize(("first", "last"), [(1, 3), (2, 4)])
def test_a_gap_claims_nothing_that_was_published(first: int, last: int) -> None:
    stream = Stream()
    stream.told(1, 2, 3, 4)
    stream.publish(1)
    stream.gap(first, last)
    with pytest.raises(BrokenError, match="claims"):
        stream.publish(4)


@pytest.mark.parametrize("numbers", [(1, 2, 2), (2, 1), (4,)])
def test_an_event_comes_once_in_its_order_and_was_told(numbers: tuple[int, ...]) -> None:
    stream = Stream()
    stream.told(1, 2, 3)
    stream.gap(None, 0, "started")
    with pytest.raises(BrokenError):
        stream.publish(*numbers)


def test_what_is_published_says_what_was_told() -> None:
    stream = Stream()
    stream.told(1, price="1.1")
    with pytest.raises(BrokenError, match="price"):
        stream.publish(1)


def test_a_hole_in_n_is_found() -> None:
    stream = Stream()
    stream.told(1, 2)
    stream.publish(1)
    with pytest.raises(BrokenError, match="n is 7"):
        stream.publish(2, n=7)


def test_n_begins_anew_with_a_start() -> None:
    stream = Stream()
    stream.told(1, 2)
    stream.publish(1)
    stream.gap(2, 1, "started")
    stream.publish(2)


def test_what_nobody_says_anything_of_is_overdue() -> None:
    stream = Stream()
    stream.told(1, 2)
    stream.publish(1)
    assert "('2',)" in (stream.account.overdue(0.0, 10.0) or "")
    assert stream.account.overdue(3.0, 10.0) is None
    assert stream.account.overdue(0.0, 1.5) is None


def test_what_the_exchange_withheld_is_missed_only_where_numbers_tell_it() -> None:
    for declared, is_found in ((TICKER, False), (TRADE, True)):
        stream = Stream(declared)
        stream.told(1)
        stream.told(2, withheld=True)
        stream.told(3)
        stream.publish(1)
        if is_found:
            with pytest.raises(BrokenError):
                stream.publish(3)
        else:
            stream.publish(3)


def test_without_numbers_a_gap_tells_receipts() -> None:
    stream = Stream(TICKER)
    stream.told(1, 2, 3)
    stream.publish(1)
    stream.gap(None, None, from_ts=1, to_ts=3)
    stream.publish(3)
    stream.told(4, 5)
    stream.gap(None, None, from_ts=4, to_ts=5)
    with pytest.raises(BrokenError, match="begins after"):
        stream.publish(5)


def test_a_joined_trade_stands_for_its_fills() -> None:
    stream = Stream()
    joined = stream.event(3) | {"count": 3}
    stream.account.told(Row(TRADE, "trades", "BTC-USDT", joined, 3), 0.0, withheld=False)
    stream.publish(3, count=3)
    stream.account.told(Row(TRADE, "trades", "BTC-USDT", stream.event(6) | {"count": 3}, 6), 0.0, withheld=False)
    stream.publish(4, 5, 6, backfill=True)
    assert stream.figures.published == 4
    assert len(stream.figures.filled_s) == 3
