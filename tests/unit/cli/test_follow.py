"""What a running feed follows: its file, and the exchange's own list."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from waiting import until

from marketfeed.assignment import Assignment
from marketfeed.clock import ManualClock
from marketfeed.listing import InstrumentsError
from marketfeed.planner import plan
from marketfeed.resource import MarketFeed
from marketfeed.selection import ListAddress, Listing
from marketfeed.symbols import Instrument
from marketfeed_cli.follow import Follower, News
from marketfeed_cli.manifest import feed as read_feed
from marketfeed_cli.runner import Runner
from marketfeed_cli.watch_file import signature
from marketfeed_operator import instruments


def listing(bases: str) -> Listing:
    return Listing.of([Instrument(f"{b}-USDT", f"{b}USDT", b, "USDT", "TRADING", True) for b in bases])


def manifest(**source: Any) -> dict[str, Any]:
    whole = {"exchange": "binance", "market": "spot", "channels": ["trades"], "endpoint": {"rest": "http://exchange"}, **source}
    spec = {"sources": [whole], "publishers": {"grpc": {}}}
    return {"apiVersion": "marketfeed.dev/v1alpha1", "kind": "MarketFeed", "metadata": {"name": "feed"}, "spec": spec}


class Plans:
    """In the place of the runner: plans what it is told to apply."""

    def __init__(self, news: News) -> None:
        self._news = news
        self._assignments: tuple[Assignment, ...] = ()
        self.applied = 0

    async def apply(self, feed: MarketFeed) -> None:
        self.applied += 1
        self._assignments = plan(feed, self._news.lists.listings, self._assignments).assignments

    @property
    def symbols(self) -> list[str]:
        return [s.symbol for a in self._assignments for s in a.symbols]


class Bed:
    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.file = folder / "feed.json"
        self.said: list[str] = []
        self.clock = ManualClock()
        self.news = News(self.said.append, self.clock)
        self.plans = Plans(self.news)
        self.answer: Listing | InstrumentsError = listing("AB")
        self.asked = 0
        monkeypatch.setattr(instruments, "ask", self._ask)

    async def _ask(self, address: ListAddress, volumes: bool, secrets: object) -> Listing:
        self.asked += 1
        if isinstance(self.answer, InstrumentsError):
            raise self.answer
        return self.answer

    def write(self, content: Any) -> None:
        fresh = self.file.with_suffix(".new")
        fresh.write_text(json.dumps(content))
        fresh.replace(self.file)

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """The feed runs, and what changes is followed."""
        feed = read_feed(str(self.file))
        follower = Follower(feed, self.file, cast("Runner", self.plans), self.news, self.said.append)
        seen = signature(self.file)
        await follower.begin()
        running = asyncio.ensure_future(follower.follow(seen))
        try:
            yield
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    async def ask_again(self, after_s: float = 301.0) -> None:
        """So much later."""
        asked = self.asked
        self.clock.advance(after_s)
        self.news.lists._more.set()
        await until(lambda: self.asked > asked, "the list is asked for")

    async def until_planned(self, *symbols: str) -> None:
        await until(lambda: self.plans.symbols == list(symbols), f"{symbols} are planned, not {self.plans.symbols}")


@pytest.fixture
def bed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bed:
    return Bed(tmp_path, monkeypatch)


async def test_what_is_newly_listed_is_picked_up_and_what_is_delisted_dropped(bed: Bed) -> None:
    bed.write(manifest(symbolSelector={"quote": ["USDT"]}))
    async with bed.following():
        assert bed.plans.symbols == ["A-USDT", "B-USDT"]
        bed.answer = listing("BC")
        await bed.ask_again()
        await bed.until_planned("B-USDT", "C-USDT")
    assert bed.said == []


async def test_a_list_that_fails_keeps_the_last_one_and_is_told_once(bed: Bed) -> None:
    bed.write(manifest(symbolSelector={"quote": ["USDT"]}))
    async with bed.following():
        bed.answer = InstrumentsError("http://exchange: answered 500")
        await bed.ask_again()
        await bed.ask_again()
        assert bed.plans.symbols == ["A-USDT", "B-USDT"]
        bed.answer = listing("ABC")
        await bed.ask_again()
        await bed.until_planned("A-USDT", "B-USDT", "C-USDT")
    assert bed.said == [
        "warning: no instrument list, the last one stays, and it is asked for again: http://exchange: answered 500",
        "the instrument list of binance spot is at hand again",
    ]


async def test_the_same_list_again_changes_nothing(bed: Bed) -> None:
    bed.write(manifest(symbolSelector={"quote": ["USDT"]}))
    async with bed.following():
        await bed.ask_again()
        await bed.ask_again()
        assert bed.plans.applied == 1


async def test_a_changed_file_is_followed_and_a_refused_one_leaves_the_last_good_plan(bed: Bed) -> None:
    bed.write(manifest(symbols=["A-USDT"]))
    async with bed.following():
        bed.write(manifest(symbols=["A-USDT", "B-USDT"]))
        await bed.until_planned("A-USDT", "B-USDT")
        bed.write(manifest(symbols=["a"]))
        await until(lambda: len(bed.said) == 1, "the fault is told")
        assert "is no symbol: 'a'" in bed.said[0]
        assert "the last good plan runs on" in bed.said[0]
        bed.answer = listing("A")
        await bed.ask_again()
        await bed.until_planned("A-USDT")


async def test_a_feed_that_cannot_be_planned_leaves_the_lists_of_the_last_good_one(bed: Bed) -> None:
    bed.write(manifest(symbolSelector={"quote": ["USDT"]}))
    async with bed.following():
        few = {"streamsPerConnection": 1, "connectsPer5Minutes": 1}
        refused = manifest(symbols=[f"{b}-USDT" for b in "ABCD"], limits=few, endpoint={"rest": "http://elsewhere"})
        bed.answer = listing("ABCD")
        refused["spec"]["sharding"] = {"connectionsPerShard": 1}
        bed.write(refused)
        await until(lambda: len(bed.said) == 1, "the fault is told")
        assert "share 1 connection attempts in 5 minutes" in bed.said[0]
        await bed.ask_again()
        await bed.until_planned("A-USDT", "B-USDT", "C-USDT", "D-USDT")
