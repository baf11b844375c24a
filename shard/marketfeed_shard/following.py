"""The assignment of a shard: what it asks for, and its file, which is followed while the shard runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

from pydantic import ValidationError
from watchfiles import awatch

from marketfeed.assignment import Assignment, Ban, Share, topic_url
from marketfeed.clock import Clock
from marketfeed.exchanges.exchange import Market
from marketfeed_shard.connection.budget import Turns
from marketfeed_shard.connection.manager import Manager
from marketfeed_shard.connection.ports import Settings, Source, Want
from marketfeed_shard.pipeline import Pipeline
from marketfeed_shard.streams import Stream

log = logging.getLogger("marketfeed.shard")

REREAD_MS = 2000
"""The assignment is looked at this often, should a file system not tell of its change."""


class Listeners(Protocol):
    """The transport, as far as it is told here."""

    def grow(self, slots: int) -> None:
        """There are so many streams now."""
        ...


class Following:
    """Keeps a shard's streams and limits at what its assignment says."""

    def __init__(
        self, assignment: Assignment, market: Market, pipeline: Pipeline, manager: Manager, listeners: Listeners, clock: Clock
    ) -> None:
        self.assignment = assignment
        """The one that is followed."""
        self._market = market
        self._pipeline = pipeline
        self._manager = manager
        self._listeners = listeners
        self._clock = clock
        self._slots: dict[tuple[str, str], int] = {}
        """(channel, symbol) of what is wanted now → slot."""

    def follow(self, assignment: Assignment, own_ban: Ban | None) -> None:
        """Carry what the assignment names, and nothing else. `own_ban`: one that this shard met itself."""
        now_s = self._clock.monotonic()
        self.assignment = assignment
        self._manager.configure(settings(assignment, own_ban, self._clock), now_s, self._clock.time_ns())
        wanted = {(c, s.symbol): Stream(c, s.symbol, s.native) for s in assignment.symbols for c in s.channels}
        gone = [slot for key, slot in self._slots.items() if key not in wanted]
        new = [stream for key, stream in wanted.items() if key not in self._slots]
        self._pipeline.remove(gone)
        self._manager.remove(gone, now_s)
        slots = self._pipeline.add(new)
        self._listeners.grow(len(self._pipeline.table))
        self._slots = {key: slot for key, slot in self._slots.items() if key in wanted}
        self._slots |= {(stream.channel, stream.symbol): slot for stream, slot in zip(new, slots, strict=True)}
        self._manager.add({slot: self._want(stream) for stream, slot in zip(new, slots, strict=True)}, now_s)
        log.info("generation %d: %d streams, %d new, %d gone", assignment.generation, len(wanted), len(new), len(gone))

    def _want(self, stream: Stream) -> Want:
        topics = self._market.topics(stream.channel, stream.native, self.assignment.book_depth)
        endpoint = self.assignment.endpoint
        return Want(stream.channel, tuple(Source(topic, topic_url(self._market, endpoint, topic)) for topic in topics))


async def watch(path: Path, seen: bytes, follow: Callable[[Assignment], None], stop: asyncio.Event) -> None:
    """Hand each new content of the file to `follow`, until `stop`. What cannot be read is said once and changes nothing."""
    async for _ in awatch(path.parent, stop_event=stop, step=20, debounce=100, rust_timeout=REREAD_MS, yield_on_timeout=True):
        seen = _reread(path, seen, follow)


def _reread(path: Path, seen: bytes, follow: Callable[[Assignment], None]) -> bytes:
    text = seen
    try:
        text = path.read_bytes()
        if text != seen:
            follow(Assignment.loads(text))
    except (OSError, ValidationError) as error:
        log.error("the assignment %s cannot be read, the last one stays: %s", path, error)  # noqa: TRY400
    return text


def settings(assignment: Assignment, own_ban: Ban | None, clock: Clock) -> Settings:
    """What it says about connections."""
    own = () if own_ban is None else (own_ban,)
    return Settings(
        limits=assignment.limits,
        connects=assignment.connects,
        bans=(*assignment.bans, *own),
        stale_after_s=assignment.watchdog.stale_after,
        check_interval_s=assignment.watchdog.check_interval,
        turns=_turns(assignment.connects, clock),
        burst=assignment.connects_burst,
        burst_turns=None if assignment.connects_burst is None else _turns(assignment.connects_burst, clock),
        legs=assignment.legs,
    )


def unsupported(assignment: Assignment) -> Iterable[str]:
    """What it asks for that this version cannot do; better said than left out."""
    if assignment.transport != "picows":
        yield f"transport {assignment.transport}"
    if assignment.proxy is not None:
        yield "proxy"
    if assignment.legs != 1:
        yield f"legs {assignment.legs}"
    if assignment.role != "publishing":
        yield f"role {assignment.role}"


def _turns(share: Share, clock: Clock) -> Turns | None:
    """The turns of a share, which it tells by the wall clock, on the clock that never jumps."""
    if share.turn_s is None or share.period_s is None:
        return None
    return Turns(clock.monotonic() + (share.turn_s - clock.time_ns() / 1e9) % share.period_s, share.period_s)
