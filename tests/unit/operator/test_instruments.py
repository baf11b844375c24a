from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from waiting import until

from marketfeed.clock import ManualClock
from marketfeed.listing import InstrumentsError
from marketfeed.resource import MarketFeed
from marketfeed.selection import ListAddress, Listing
from marketfeed.validation import parse
from marketfeed_operator import instruments
from marketfeed_operator.instruments import Lists
from marketfeed_operator.workqueue import Key

KEY = Key("ns", "feed")
ADDRESS = ListAddress("binance", "spot", "http://exchange")


def feed(**selector: Any) -> MarketFeed:
    source = {"exchange": "binance", "market": "spot", "channels": ["trades"], "endpoint": {"rest": ADDRESS.rest}}
    chosen = {"symbolSelector": selector} if selector else {"symbols": ["BTC-USDT"]}
    spec = {"sources": [{**source, **chosen}], "publishers": {"grpc": {}}}
    return parse({"apiVersion": "marketfeed.dev/v1alpha1", "kind": "MarketFeed", "metadata": {"name": "feed"}, "spec": spec})


class Bed:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = ManualClock()
        self.changed: list[Key] = []
        self.lists = Lists(self.clock, self.changed.append, lambda: 1.0)
        self.asked: list[bool] = []
        """Whether with volumes, each time."""
        self.answer: Any = Listing({})
        monkeypatch.setattr(instruments, "ask", self._ask)

    async def _ask(self, address: ListAddress, volumes: bool, secrets: object) -> Listing:
        assert address == ADDRESS
        self.asked.append(volumes)
        if isinstance(self.answer, Exception):
            raise self.answer
        if self.answer is None:
            await asyncio.Event().wait()
        found: Listing = self.answer
        return found


@pytest.fixture
def bed(monkeypatch: pytest.MonkeyPatch) -> Bed:
    return Bed(monkeypatch)


async def test_a_list_is_asked_for_once_for_all_feeds(bed: Bed) -> None:
    await bed.lists.want(KEY, feed())
    await bed.lists.want(Key("ns", "other"), feed())
    assert bed.asked == [False]
    assert bed.lists.listings == {ADDRESS: Listing({})}
    await bed.lists.want(KEY, feed(limit=1))
    assert bed.asked == [False, True], "volumes are another question"


async def test_what_is_new_in_a_list_wakes_the_feeds_that_go_by_it(bed: Bed) -> None:
    await bed.lists.want(KEY, feed())
    running = asyncio.ensure_future(bed.lists.run())
    bed.clock.advance(301)
    bed.answer = Listing({}, {"BTCUSDT": Decimal(1)})
    bed.lists._more.set()
    await until(lambda: bed.changed == [KEY], "it is told")
    assert bed.lists.listings[ADDRESS] == bed.answer
    bed.clock.advance(301)
    bed.lists._more.set()
    await until(lambda: len(bed.asked) == 3, "it is asked for again")
    assert bed.changed == [KEY], "the same list is no news"
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_list_that_cannot_be_had_is_said_once_and_asked_for_ever_less_often(
    bed: Bed, caplog: pytest.LogCaptureFixture
) -> None:
    bed.answer = InstrumentsError("no route")
    await bed.lists.want(KEY, feed())
    waits = []
    for _ in range(4):
        waits.append(bed.lists._wait_s())
        bed.clock.advance(waits[-1] or 0.0)
        await bed.lists._ask_all(bed.lists._due())
    assert waits == [10.0, 20.0, 40.0, 80.0]
    assert [record.levelname for record in caplog.records] == ["WARNING"]


async def test_why_a_list_cannot_be_had_is_known_by_the_selector_until_there_is_one(bed: Bed) -> None:
    bed.answer = InstrumentsError("no route")
    await bed.lists.want(KEY, feed(quote=["USDT"]))
    bed.answer = InstrumentsError("no route again")
    await bed.lists._ask_all([(ADDRESS, False)])
    assert bed.lists.faults(feed(quote=["USDT"])) == {"spec.sources[0].symbolSelector": "no route"}
    bed.answer = Listing({})
    await bed.lists._ask_all([(ADDRESS, False)])
    assert bed.lists.faults(feed(quote=["USDT"])) == {}


async def test_a_list_that_fails_late_wakes_the_feeds_once(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instruments, "PATIENCE_S", 0.01)
    bed.answer = None
    await bed.lists.want(KEY, feed(quote=["USDT"]))
    bed.answer = InstrumentsError("no route")
    running = asyncio.ensure_future(bed.lists.run())
    await until(lambda: bed.changed == [KEY], "it is told")
    bed.clock.advance(301)
    bed.lists._more.set()
    await until(lambda: len(bed.asked) == 3, "it is asked for again")
    assert bed.changed == [KEY]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_slow_exchange_holds_no_feed_up(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instruments, "PATIENCE_S", 0.01)
    bed.answer = None
    await bed.lists.want(KEY, feed())
    assert bed.lists.listings == {}
    assert bed.lists._due() == [(ADDRESS, False)], "it is asked for again at once, without a feed that waits"


async def test_lists_that_nobody_goes_by_are_forgotten(bed: Bed) -> None:
    await bed.lists.want(KEY, feed())
    bed.lists.forget(KEY)
    assert bed.lists.listings == {}
    assert bed.lists._wait_s() is None
