"""What a running feed follows: its file and the exchanges' instrument lists."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

from marketfeed.problem import NotAccepted
from marketfeed.resource import MarketFeed
from marketfeed.support import unsupported
from marketfeed_cli.lists import Lists
from marketfeed_cli.manifest import STDIN, lines, read_lines
from marketfeed_cli.runner import Runner
from marketfeed_cli.watch_file import Signature, changes

LAST_PLAN: Final = "the last good plan runs on"


def runnable(file: Path) -> tuple[MarketFeed | None, list[str]]:
    """The feed of a file, or why this version cannot run it."""
    if str(file) == STDIN:
        return None, ["-f -: a running feed reads its manifest again when it changes; give a file"]
    feed, faults = read_lines(str(file))
    if feed is not None:
        faults = lines(str(file), unsupported(feed))
    return (None if faults else feed), faults


class Follower:
    """Brings what changes to the runner; a change that is refused leaves the last good plan."""

    def __init__(self, feed: MarketFeed, file: Path, runner: Runner, lists: Lists, say: Callable[[str], None]) -> None:
        self._feed = feed
        self._file = file
        self._runner = runner
        self._lists = lists
        self._say = say

    async def begin(self) -> None:
        """Carry out the first plan. Raises `NotAccepted`."""
        await self._lists.refresh(self._feed)
        await self._runner.apply(self._feed)

    async def follow(self, seen: Signature) -> None:
        """Follow file and lists, until cancelled. `seen`: the file as it was when the feed was read."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow_file(seen))
            group.create_task(self._follow_lists())

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
            await asyncio.sleep(self._lists.next_s(self._feed))
            if await self._lists.refresh(self._feed):
                await self._take(self._feed)

    async def _take(self, feed: MarketFeed) -> None:
        try:
            await self._lists.refresh(feed)
            await self._runner.apply(feed)
        except NotAccepted as refused:
            self._refuse(lines(str(self._file), refused.problems))
        except OSError as error:
            self._refuse([f"{error.filename or self._file}: {error.strerror or error}; mend it, and write the manifest again"])
        else:
            self._feed = feed

    def _refuse(self, faults: list[str]) -> None:
        more = f" (and {len(faults) - 1} more: `marketfeed validate -f {self._file}`)" if len(faults) > 1 else ""
        self._say(f"{faults[0]}{more}; {LAST_PLAN}")
