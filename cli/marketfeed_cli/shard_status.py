"""How all shards of a run are, asked of each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Final

import aiohttp
import orjson

from marketfeed.assignment import Assignment
from marketfeed.report import BooksReport, PublisherReport, PublisherState, ShardReport, StreamsReport
from marketfeed_cli.merged_metrics import merge

TIMEOUT_S: Final = 2.0
"""For one shard's answer: on loopback, a shard that is well takes milliseconds."""


class ShardStatus:
    """Asks shards how they are; the `Health` of the run."""

    def __init__(self, addresses: Callable[[], Mapping[str, str]], assigned: Callable[[str], Assignment]) -> None:
        """`addresses`: shard → base URL, of those that run now. `assigned`: what one of them shall hold."""
        self.addresses = addresses
        self._assigned = assigned
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S))

    async def close(self) -> None:
        await self._session.close()

    def of(self, shard: str) -> Coroutine[Any, Any, dict[str, Any]]:
        """One shard's `/status`; without an answer one of the same form, in which `ready` is false and `error` says why."""
        return self._of(shard, self._assigned(shard))  # looked up now: when the answer is there, the shard may be gone

    async def _of(self, shard: str, assigned: Assignment) -> dict[str, Any]:
        try:
            found = orjson.loads(await self._get(self.addresses()[shard], "/status"))
        except (aiohttp.ClientError, TimeoutError, KeyError, orjson.JSONDecodeError) as error:
            return _silent(assigned, f"no answer: {type(error).__name__} {error}".strip())
        return found if isinstance(found, dict) else _silent(assigned, "its status is no object")

    async def unready(self) -> Sequence[str]:
        """The shards that are not ready; one line as well where none runs."""
        reports = await self.status()
        if not reports:
            return ["no shard runs"]
        return [f"{name} is not ready" for name, report in reports.items() if report.get("ready") is not True]

    async def status(self) -> dict[str, Any]:
        """Every shard's, by its name."""
        names = list(self.addresses())
        return dict(zip(names, await asyncio.gather(*(self.of(name) for name in names)), strict=True))

    async def metrics(self) -> bytes:
        """Of those that answer, added up."""
        pages = [self._get(url, "/metrics") for url in self.addresses().values()]
        answers = await asyncio.gather(*pages, return_exceptions=True)
        return await asyncio.to_thread(merge, [answer.decode() for answer in answers if isinstance(answer, bytes)])

    async def _get(self, url: str, path: str) -> bytes:
        async with self._session.get(url + path) as answer:
            answer.raise_for_status()
            return await answer.read()


def _silent(assigned: Assignment, error: str) -> dict[str, Any]:
    """A report in the place of a shard that does not answer: it carries nothing, not even a generation."""
    channels = [channel for symbol in assigned.symbols for channel in symbol.channels]
    sinks = assigned.publishers.model_dump(by_alias=True, exclude_none=True)
    report = ShardReport(
        shard=assigned.shard,
        exchange=assigned.exchange,
        market=assigned.market,
        generation=0,
        ready=False,
        streams=StreamsReport(desired=len(channels)),
        connections=[],
        books=BooksReport(desired=channels.count("book")),
        publishers={name: PublisherReport(PublisherState.CONNECTING, 0, 0, 0, 0.0, error) for name in sinks},
        engine="",
        reasons=[error],
    )
    return {**report.as_dict(), "error": error}
