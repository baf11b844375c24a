"""What a running feed follows: its file and the exchanges' instrument lists."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from marketfeed.clock import Clock
from marketfeed.problem import NotAccepted
from marketfeed.resource import MarketFeed
from marketfeed.support import unsupported
from marketfeed_cli.manifest import STDIN, lines, read_lines
from marketfeed_cli.proxy_secrets import reader
from marketfeed_cli.runner import Runner
from marketfeed_cli.watch_file import Signature, changes
from marketfeed_operator.instruments import Lists
from marketfeed_operator.workqueue import Key

LAST_PLAN: Final = "the last good plan runs on"


def runnable(file: Path) -> tuple[MarketFeed | None, list[str]]:
    """The feed of a file, or why this version cannot run it."""
    if str(file) == STDIN:
        return None, ["-f -: a running feed reads its manifest again when it changes; give a file"]
    feed, faults = read_lines(str(file))
    if feed is not None:
        faults = lines(str(file), unsupported(feed))
    return (None if faults else feed), faults


class News:
    """The exchanges' lists, and whether something in them is new."""

    def __init__(self, say: Callable[[str], None], clock: Clock, secrets: Path | None = None) -> None:
        """`secrets`: the folder of `--secrets`."""
        self.came = asyncio.Event()
        self.lists = Lists(clock, lambda key: self.came.set(), tell=partial(_tell, say), secrets=reader(secrets))


def _tell(say: Callable[[str], None], level: int, text: str) -> None:
    say(f"warning: {text}" if level >= logging.WARNING else text)


class Follower:
    """Brings what changes to the runner; a change that is refused leaves the last good plan."""

    def __init__(self, feed: MarketFeed, file: Path, runner: Runner, news: News, say: Callable[[str], None]) -> None:
        self._feed = feed
        self._file = file
        self._runner = runner
        self._news = news
        self._say = say
        self._taking = asyncio.Lock()

    async def begin(self) -> None:
        """Carry out the first plan. Raises `NotAccepted`."""
        await self._want(self._feed)
        await self._runner.apply(self._feed)

    async def follow(self, seen: Signature) -> None:
        """Follow file and lists, until cancelled. `seen`: the file as it was when the feed was read."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow_file(seen))
            group.create_task(self._follow_lists())
            group.create_task(self._news.lists.run())

    async def _follow_file(self, seen: Signature) -> None:
        async for there in changes(self._file, seen):
            if not there:
                self._say(f"{self._file}: is gone; {LAST_PLAN}, and it is read again when it comes back")
                continue
            feed, faults = await asyncio.to_thread(runnable, self._file)
            if feed is not None and feed.metadata.name != self._feed.metadata.name:
                renamed = f"metadata.name: is {feed.metadata.name}, and {self._feed.metadata.name} runs here"
                faults = [f"{self._file}: {renamed}; run the other feed with a `marketfeed run` of its own"]
            if feed is None or faults:
                self._refuse(faults)
            else:
                await self._take(feed)

    async def _follow_lists(self) -> None:
        while True:
            await self._news.came.wait()
            self._news.came.clear()
            await self._take(None)

    async def _want(self, feed: MarketFeed) -> None:
        await self._news.lists.want(Key("", feed.metadata.name), feed)

    async def _take(self, changed: MarketFeed | None) -> None:
        """Carry out a feed; null: the one that runs, whose lists have changed."""
        async with self._taking:
            feed = changed or self._feed
            try:
                await self._want(feed)
                await self._runner.apply(feed)
            except NotAccepted as refused:
                self._refuse(lines(str(self._file), refused.problems))
            except OSError as error:
                why = f"{error.filename or self._file}: {error.strerror or error}"
                self._refuse([f"{why}; mend it, and write the manifest again"])
            else:
                self._feed = feed
                return
            await self._want(self._feed)

    def _refuse(self, faults: list[str]) -> None:
        more = f" (and {len(faults) - 1} more: `marketfeed validate -f {self._file}`)" if len(faults) > 1 else ""
        self._say(f"{faults[0]}{more}; {LAST_PLAN}")
