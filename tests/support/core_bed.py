"""A whole shard without an event loop: its core, with sockets, REST client, sinks and clock under the test's hands."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline_bed import Sink
from rest_double import RestDouble

from marketfeed.assignment import Assignment, Ban, EffectiveLimits, Share, SymbolStreams
from marketfeed.clock import ManualClock
from marketfeed.exchanges.catalogue import MARKETS
from marketfeed.report import PublisherReport, PublisherState
from marketfeed.resource import Grpc, Publishers
from marketfeed_shard.connection.ports import Disconnect
from marketfeed_shard.core import Core
from marketfeed_shard.kernel.plain import Engine
from marketfeed_shard.recovery.instruments import Facts
from marketfeed_shard.recovery.ports import Answer, Rest, RestEvents
from marketfeed_shard.state.memory import Past
from marketfeed_shard.state.progress import Progress
from marketfeed_shard.status import Status
from marketfeed_shard.transport.events import Events


class ReportingSink(Sink):
    """A sink that is well."""

    def report(self) -> PublisherReport:
        return PublisherReport(PublisherState.CONNECTED, 0, len(self.batches), 0, 0.0, None)


@dataclass(slots=True)
class Wire:
    """One socket."""

    url: str
    sent: list[str] = field(default_factory=list)
    seen: set[int] = field(default_factory=set)
    fresh: set[int] = field(default_factory=set)
    messages: int = 0
    opened: bool = False
    closed: bool = False


class WiresDouble:
    """Sockets that open when the test says so."""

    def __init__(self, engine: Engine, events: Events) -> None:
        self.engine = engine
        self.events = events
        self.wires: dict[int, Wire] = {}

    def grow(self, slots: int) -> None: ...

    def open(self, key: int, url: str) -> None:
        self.events.attempting()
        self.wires[key] = Wire(url)

    def send(self, key: int, text: str) -> None:
        self.wires[key].sent.append(text)

    def ping(self, key: int, payload: bytes) -> None:
        self.events.ponged(key)

    def pong(self, key: int, payload: bytes) -> None: ...

    def close(self, key: int) -> None:
        self.wires[key].closed = True

    def messages(self, key: int) -> int:
        return self.wires[key].messages

    def last_message_ns(self, key: int) -> int:
        return 0

    def seen(self, key: int, slot: int) -> bool:
        return key in self.wires and slot in self.wires[key].seen

    def fresh(self, key: int) -> Iterable[int]:
        fresh, self.wires[key].fresh = self.wires[key].fresh, set()
        return fresh


class MemoryDouble:
    """What a shard remembers."""

    def __init__(self) -> None:
        self.attempts_ns: list[int] = []
        self.spent_weight = 0
        self.bans: list[Ban] = []
        self.known: Mapping[str, Facts] = {}

    def attempted(self, at_ns: int) -> None:
        self.attempts_ns.append(at_ns)

    def spent(self, at_ns: int, weight: int) -> None:
        self.spent_weight += weight

    def banned(self, ban: Ban) -> None:
        self.bans.append(ban)

    def listed(self, known: Mapping[str, Facts]) -> None:
        self.known = known


def assigned(exchange: str, market: str, natives: Mapping[str, str], channels: Sequence[str], **options: Any) -> Assignment:
    """An assignment with plenty of budget. `natives`: symbol → the exchange's own."""
    symbols = tuple(SymbolStreams(symbol=s, native=n, channels=tuple(channels)) for s, n in natives.items())
    defaults: dict[str, Any] = {
        "generation": 1,
        "feed": "feed",
        "shard": "feed-0",
        "limits": EffectiveLimits(streams_per_connection=100, messages_per_second=5),
        "connects": Share(count=100, seconds=300.0),
        "rest": Share(count=5000, seconds=60.0),
        "publishers": Publishers(grpc=Grpc()),
    }
    return Assignment(exchange=exchange, market=market, symbols=symbols, **defaults | options)


class CoreBed:
    """One shard."""

    def __init__(self, folder: Path, assignment: Assignment, past: Past | None = None) -> None:
        self.clock = ManualClock(1000.0)
        self.sink = ReportingSink()
        self.rest = RestDouble()
        self.memory = MemoryDouble()
        self.progress = Progress(folder / "progress")
        self.woken = False
        sinks: list[Any] = [self.sink]
        self.core = Core(
            assignment,
            MARKETS[assignment.exchange, assignment.market],
            sinks,
            self._sockets,
            self._rest,
            self.clock,
            lambda: 0.5,
            self.progress,
            self.memory,
            past or Past(),
            self._wake,
        )
        self.status = Status(assignment.shard, self.core, sinks, self.clock)
        self.core.follow(assignment)
        self.run(0.0)

    def _sockets(self, engine: Engine, events: Events) -> WiresDouble:
        self.sockets = WiresDouble(engine, events)
        return self.sockets

    def _rest(self, events: RestEvents) -> Rest:
        return self.rest

    def _wake(self) -> None:
        self.woken = True

    # ---- time --------------------------------------------------------------------------------------------------------

    @property
    def now_ns(self) -> int:
        return self.clock.time_ns()

    def run(self, seconds: float) -> None:
        """Let time pass, calling the core as it asks to be."""
        end_s = self.clock.monotonic() + seconds
        while True:
            now_s = self.clock.monotonic()
            self.woken = False
            due_s = self.core.tick(now_s)
            if self.woken:
                continue
            if due_s > end_s:
                self.clock.advance(max(0.0, end_s - now_s))
                return
            self.clock.advance(max(due_s - now_s, 0.001))

    # ---- the exchange ------------------------------------------------------------------------------------------------

    def connect(self) -> int:
        """Let the next attempt succeed, and acknowledge what is asked on it. Returns its key."""
        key = self._attempt()
        self.core.opened(key)
        self.sockets.wires[key].opened = True
        self.run(0.0)
        self.acknowledge(key)
        return key

    def _attempt(self) -> int:
        for _ in range(100):
            waiting = [key for key, wire in self.sockets.wires.items() if not wire.opened and not wire.closed]
            if waiting:
                return waiting[0]
            self.run(0.1)
        raise AssertionError("no attempt to connect within 10 s")

    def acknowledge(self, key: int) -> None:
        """Answer the requests of Binance's or Bybit's form that were sent on a socket."""
        wire = self.sockets.wires[key]
        requests, wire.sent = wire.sent, []
        for request in map(json.loads, requests):
            if "req_id" in request:
                self.feed(key, {"success": True, "ret_msg": "", "req_id": request["req_id"], "op": request["op"]})
            else:
                self.feed(key, {"result": None, "id": request["id"]})
        self.run(0.0)

    def feed(self, key: int, *messages: Any) -> None:
        """One socket read."""
        wire = self.sockets.wires[key]
        self.core.pipeline.engine.mark_read(self.now_ns)
        for message in messages:
            frame = json.dumps(message, separators=(",", ":")).encode()
            wire.messages += 1
            if not self.core.pipeline.engine.feed(frame, key, self.now_ns):
                brought = self.core.frame(key, frame, self.now_ns)
                wire.seen.update(brought)
                wire.fresh.update(brought)
        self.core.flush()
        self.run(0.0)

    def cut(self, key: int) -> None:
        """End a socket without notice."""
        self.sockets.wires[key].closed = True
        self.core.lost(key, Disconnect("reset"))
        self.run(0.0)

    def answer(self, containing: str, body: Any, status: int = 200, retry_after_s: float | None = None) -> None:
        """Answer the oldest REST call whose path contains a text."""
        number = self.rest.take(containing)
        self.core.answered(number, Answer(status, json.dumps(body).encode(), self.now_ns, retry_after_s))
        self.run(0.0)

    # ---- what came out -----------------------------------------------------------------------------------------------

    def take(self, channel: str = "") -> list[dict[str, Any]]:
        """The events since the last call, of one channel or of all."""
        events, self.sink.events = self.sink.events, []
        return [event for event in events if channel in {"", event["channel"]}]
