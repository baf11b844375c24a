"""An exchange under the tests' hands and clock: for faults that nothing real produces on demand."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from marketfeed.assignment import EffectiveLimits, Share
from marketfeed.exchanges import catalogue
from marketfeed.exchanges.exchange import Control, ControlKind
from marketfeed_shard.connection.connection import Connection
from marketfeed_shard.connection.manager import Manager
from marketfeed_shard.connection.ports import Disconnect, Settings, Topic

MARKET = catalogue.market("binance", "spot")
URL = "ws://exchange/stream"


@dataclass(slots=True)
class Socket:
    url: str
    opened_s: float
    topics: set[str] = field(default_factory=set)
    sent_s: list[float] = field(default_factory=list)
    """When we sent anything on it: requests, pings, pongs."""
    messages: int = 0
    seen: set[int] = field(default_factory=set)
    closed: bool = False


class Streams:
    """Counts, and what the manager said of each stream."""

    def __init__(self) -> None:
        self.counts: Counter[int] = Counter()
        self.interruptions: Counter[int] = Counter()
        self.owners: dict[int, int] = {}
        self.waiting: set[int] = set()
        """Streams of which something is kept until their connections meet."""

    def messages(self, slot: int) -> int:
        return self.counts[slot]

    def interrupted(self, slots: Iterable[int]) -> None:
        self.interruptions.update(slots)

    def own(self, slot: int, key: int) -> None:
        self.owners[slot] = key
        self.waiting.discard(slot)

    def joining(self, slots: Iterable[int]) -> None:
        self.waiting.difference_update(slots)

    def joined(self, slot: int) -> bool:
        return slot not in self.waiting


class Exchange:
    """Answers as it is told to, and keeps the manager's clock."""

    def __init__(
        self,
        streams_per_connection: int = 100,
        connects: Share | None = None,
        stale_after_s: float = 30.0,
        attempted_s: Iterable[float] = (),
    ) -> None:
        self.now_s = 1000.0
        self.sockets: dict[int, Socket] = {}
        self.attempts_s: list[float] = []
        self.accepts = True
        """Whether connections are made."""
        self.answers_pings = True
        self.acknowledges = True
        self.refuses: Callable[[list[str]], str | None] = lambda topics: None
        """Topics → the reason of a refusal of the whole request."""
        self.streams = Streams()
        self._due: list[Callable[[], None]] = []
        self.manager = Manager(
            MARKET,
            self,
            self.streams,
            Settings(
                EffectiveLimits(streams_per_connection=streams_per_connection, messages_per_second=2.0),
                connects or Share(count=300, seconds=300.0),
                (),
                stale_after_s,
                5.0,
            ),
            lambda: 0.5,
            self.now_s,
            attempted_s,
        )
        self.next_s = 0.0

    # ---- Sockets -----------------------------------------------------------------------------------------------------

    def open(self, key: int, url: str) -> None:
        self.attempts_s.append(self.now_s)
        self.sockets[key] = Socket(url, self.now_s)
        if self.accepts:
            self._due.append(lambda: self.manager.opened(key, self.now_s, self.now_ns))
        else:
            self._due.append(lambda: self.manager.lost(key, Disconnect("refused"), self.now_s))

    def send(self, key: int, text: str) -> None:
        socket = self.sockets[key]
        assert not socket.closed
        socket.sent_s.append(self.now_s)
        request = json.loads(text)
        reason = self.refuses(request["params"])
        if reason is None:
            if request["method"] == "SUBSCRIBE":
                socket.topics |= set(request["params"])
            else:
                socket.topics -= set(request["params"])
        kind = ControlKind.ACKNOWLEDGED if reason is None else ControlKind.REJECTED
        if self.acknowledges:
            self._due.append(lambda: self.manager.control(key, Control(kind, request["id"], reason or ""), self.now_s))

    def ping(self, key: int, payload: bytes) -> None:
        self.sockets[key].sent_s.append(self.now_s)
        if self.answers_pings:
            self._due.append(lambda: self.manager.ponged(key, self.now_s))

    def pong(self, key: int, payload: bytes) -> None:
        self.sockets[key].sent_s.append(self.now_s)

    def close(self, key: int) -> None:
        self.sockets[key].closed = True

    def messages(self, key: int) -> int:
        return self.sockets[key].messages

    def last_message_ns(self, key: int) -> int:
        return 0

    def seen(self, key: int, slot: int) -> bool:
        return key in self.sockets and slot in self.sockets[key].seen

    # ---- the test's hands --------------------------------------------------------------------------------------------

    @property
    def now_ns(self) -> int:
        return int(self.now_s * 1e9)

    def want(self, slots: Iterable[int]) -> None:
        self.manager.add({slot: Topic(topic(slot), URL) for slot in slots}, self.now_s)

    def deliver(self, slots: Iterable[int], only: int | None = None) -> None:
        """One message of each stream, on every open socket that has it."""
        for slot in slots:
            for key, socket in self.sockets.items():
                if not socket.closed and topic(slot) in socket.topics and only in {None, key}:
                    socket.messages += 1
                    socket.seen.add(slot)
                    self.streams.counts[slot] += 1

    def lose(self, key: int, why: Disconnect | None = None) -> None:
        """End a socket."""
        self.sockets[key].closed = True
        self.manager.lost(key, why or Disconnect("connection lost"), self.now_s)

    def run(self, seconds: float, deliver: Iterable[int] = (), every_s: float = 1.0) -> None:
        """Let time pass, delivering one message of these streams every so often."""
        deliver = list(deliver)
        end_s = self.now_s + seconds
        message_s = self.now_s
        while True:
            while self._due:
                due, self._due = self._due, []
                for step in due:
                    step()
            self.next_s = self.manager.tick(self.now_s)
            if self._due:
                continue
            if deliver and self.now_s >= message_s:
                self.deliver(deliver)
                message_s += every_s
            if self.now_s >= end_s:
                return
            upcoming = min(self.next_s, end_s, message_s if deliver else end_s)
            self.now_s = max(upcoming, self.now_s + 0.001)

    @property
    def open_keys(self) -> list[int]:
        return [c.key for c in self.manager.connections if c.is_open]

    def connection(self, at: int = 0) -> Connection:
        return self.manager.connections[at]


def topic(slot: int) -> str:
    return f"s{slot}usdt@trade"
