"""An exchange under the tests' hands and clock: for faults that nothing real produces on demand."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from marketfeed.assignment import EffectiveLimits, Share
from marketfeed.exchanges import catalogue
from marketfeed.exchanges.exchange import Control, ControlKind, Market, Topic
from marketfeed_shard.connection.connection import Connection
from marketfeed_shard.connection.manager import Manager
from marketfeed_shard.connection.ports import Disconnect, Settings, Source, Want

URL = "ws://exchange/stream"


def _frame(op: str, topics: Sequence[Topic], request: int) -> str:
    return json.dumps(
        {"op": op, "args": [topic.name for topic in topics], "groups": sorted({t.group for t in topics}), "id": request}
    )


MARKET = replace(
    catalogue.market("binance", "spot"),
    subscribe=lambda topics, request: _frame("subscribe", topics, request),
    unsubscribe=lambda topics, request: _frame("unsubscribe", topics, request),
)


@dataclass(slots=True)
class Socket:
    url: str
    opened_s: float
    topics: set[str] = field(default_factory=set)
    sent_s: list[float] = field(default_factory=list)
    """When we sent anything on it: requests, pings, pongs."""
    requests: list[dict[str, Any]] = field(default_factory=list)
    requests_s: list[float] = field(default_factory=list)
    messages: int = 0
    seen: set[int] = field(default_factory=set)
    fresh: set[int] = field(default_factory=set)
    """Of these, what it delivered since the manager last looked."""
    swallowed: set[str] = field(default_factory=set)
    """Topics that are granted here, and never delivered."""
    closed: bool = False
    stalled: bool = False
    """It is open, and nothing comes of it any more."""
    most: dict[str, int] = field(default_factory=lambda: {"topics": 0, "characters": 0, "deep": 0})
    """Most that it had at the same time."""


class Streams:
    """Counts, and what the manager said of each stream."""

    def __init__(self) -> None:
        self.counts: Counter[int] = Counter()
        self.passed: Counter[int] = Counter()
        self.unnumbered: set[int] = set()
        """Streams that count from their owner alone; the others from all."""
        self.interruptions: Counter[int] = Counter()
        self.owners: dict[int, int] = {}
        self.joins: Counter[int] = Counter()
        self.waiting: set[int] = set()
        """Streams of which something is kept until their connections meet."""

    def messages(self, slot: int) -> int:
        return self.counts[slot]

    def published(self, slot: int) -> int:
        return self.passed[slot]

    def interrupted(self, slots: Iterable[int]) -> None:
        self.interruptions.update(slots)

    def own(self, slot: int, key: int) -> None:
        self.owners[slot] = key
        self.waiting.discard(slot)

    def joining(self, slots: Iterable[int]) -> None:
        for slot in slots:
            self.joins[slot] += 1
            self.waiting.discard(slot)

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
        *,
        legs: int = 1,
        burst: Share | None = None,
        messages_per_second: float = 2.0,
        random: Callable[[], float] = lambda: 0.5,
        market: Market = MARKET,
        **limits: Any,
    ) -> None:
        """`limits`: of the market, in place of its own."""
        self.now_s = 1000.0
        self.sockets: dict[int, Socket] = {}
        self.attempts_s: list[float] = []
        self.accepts = True
        """Whether connections are made."""
        self.answers_pings = True
        self.acknowledges = True
        self.answers_each = False
        """One answer a topic, as on OKX and Kraken, in place of one a request."""
        self.beats = False
        """Whether it tells once a second that a connection is well, as Kraken does."""
        self.refuses: Callable[[list[str]], str | None] = lambda topics: None
        """Topics → the reason of a refusal of the whole request; where each is answered, of that one."""
        self.paces: Callable[[str], bool] = lambda topic: False
        """Whether a topic is refused for pace; where requests are answered as a whole, one is enough."""
        self.streams = Streams()
        self.market = replace(market, limits=replace(market.limits, **limits))
        self.settings = Settings(
            EffectiveLimits(streams_per_connection=streams_per_connection, messages_per_second=messages_per_second),
            connects or Share(count=300, seconds=300.0),
            (),
            stale_after_s,
            5.0,
            burst=burst,
            legs=legs,
        )
        self._due: list[Callable[[], None]] = []
        self._feeds: dict[str, set[int]] = defaultdict(set)
        self._topics: dict[str, Topic] = {}
        self.manager = Manager(self.market, self, self.streams, self.settings, random, self.now_s, attempted_s)
        self.next_s = 0.0

    # ---- Sockets -----------------------------------------------------------------------------------------------------

    def open(self, key: int, url: str) -> None:
        self.attempts_s.append(self.now_s)
        self.sockets[key] = Socket(url, self.now_s)
        if self.accepts:
            self._due.append(lambda: self.manager.opened(key, self.now_s, self.now_ns))
        else:
            self.sockets[key].closed = True
            self._due.append(lambda: self.manager.lost(key, Disconnect("refused"), self.now_s))

    def send(self, key: int, text: str) -> None:
        socket = self.sockets[key]
        assert not socket.closed
        socket.sent_s.append(self.now_s)
        if text == self.market.heartbeat.payload:
            if self.answers_pings and not socket.stalled:
                self._due.append(lambda: self.manager.control(key, Control(ControlKind.ALIVE), self.now_s))
            return
        request = json.loads(text)
        socket.requests.append(request)
        socket.requests_s.append(self.now_s)
        answers = [] if socket.stalled else self._answers(socket, request)
        if self.acknowledges:
            for answer in answers:
                self._due.append(lambda answer=answer: self.manager.control(key, answer, self.now_s))  # type: ignore[misc]

    def ping(self, key: int, payload: bytes) -> None:
        self.sockets[key].sent_s.append(self.now_s)
        if self.answers_pings and not self.sockets[key].stalled:
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

    def fresh(self, key: int) -> Iterable[int]:
        fresh, self.sockets[key].fresh = self.sockets[key].fresh, set()
        return fresh

    # ---- the test's hands --------------------------------------------------------------------------------------------

    @property
    def now_ns(self) -> int:
        return int(self.now_s * 1e9)

    def want(self, slots: Iterable[int], url: str = URL, channel: str = "trades") -> None:
        """Streams of one topic each."""
        self.want_topics({slot: [topic(slot)] for slot in slots}, url, channel)

    def want_topics(self, wanted: dict[int, Sequence[str | Topic]], url: str = URL, channel: str = "trades") -> None:
        """Streams with these topics, all at one address."""
        self.want_sources(
            {
                slot: [Source(t if isinstance(t, Topic) else Topic(t, f"native-{t}"), url) for t in topics]
                for slot, topics in wanted.items()
            },
            channel,
        )

    def want_sources(self, wanted: dict[int, Sequence[Source]], channel: str = "trades") -> None:
        """Streams with these topics, each at its address."""
        for slot, sources in wanted.items():
            for source in sources:
                self._feeds[source.topic.name].add(slot)
                self._topics[source.topic.name] = source.topic
        self.manager.change((), {slot: Want(channel, tuple(sources)) for slot, sources in wanted.items()}, self.now_s)

    def drop(self, slots: Iterable[int]) -> None:
        """Streams are wanted no more."""
        slots = list(slots)
        for fed in self._feeds.values():
            fed.difference_update(slots)
        self.manager.change(slots, {}, self.now_s)

    def deliver(self, slots: Iterable[int], only: int | None = None) -> None:
        """One message of each stream, on every open socket that has it."""
        wanted = set(slots)
        for key, socket in self.sockets.items():
            if socket.closed or socket.stalled or only not in {None, key}:
                continue
            for slot in wanted & {slot for name in socket.topics - socket.swallowed for slot in self._feeds[name]}:
                socket.messages += 1
                socket.seen.add(slot)
                socket.fresh.add(slot)
                self.streams.counts[slot] += 1
                self.streams.passed[slot] += slot not in self.streams.unnumbered or self.streams.owners.get(slot) == key

    def lose(self, key: int, why: Disconnect | None = None) -> None:
        """End a socket."""
        self.sockets[key].closed = True
        self.manager.lost(key, why or Disconnect("connection lost"), self.now_s)

    def run(self, seconds: float, deliver: Iterable[int] = (), every_s: float = 1.0) -> None:
        """Let time pass, delivering one message of these streams every so often."""
        deliver = list(deliver)
        end_s = self.now_s + seconds
        message_s = beat_s = self.now_s
        while True:
            self._answer()
            self.next_s = self.manager.tick(self.now_s)
            if self._due:
                continue
            if deliver and self.now_s >= message_s:
                self.deliver(deliver)
                message_s += every_s
            if self.beats and self.now_s >= beat_s:
                self._beat()
                beat_s += 1.0
            if self.now_s >= end_s:
                return
            upcoming = min(self.next_s, end_s, message_s if deliver else end_s, beat_s if self.beats else end_s)
            self.now_s = max(upcoming, self.now_s + 0.001)

    @property
    def open_keys(self) -> list[int]:
        return [c.key for c in self.manager.connections if c.is_open]

    @property
    def subscribed(self) -> list[str]:
        """Topics on open sockets, one entry for each time."""
        return sorted(name for socket in self.sockets.values() if not socket.closed for name in socket.topics)

    def connection(self, at: int = 0) -> Connection:
        return self.manager.connections[at]

    # ---- inside ------------------------------------------------------------------------------------------------------

    def _answer(self) -> None:
        while self._due:
            due, self._due = self._due, []
            for step in due:
                step()

    def _beat(self) -> None:
        for key in self.open_keys:
            if self.sockets[key].stalled:
                continue
            self.manager.control(key, Control(ControlKind.HEARTBEAT), self.now_s)

    def _answers(self, socket: Socket, request: dict[str, Any]) -> list[Control]:
        names: list[str] = request["args"]
        parts = [[name] for name in names] if self.answers_each else [names]
        answers = []
        for part in parts:
            reason = self.refuses(part) if request["op"] == "subscribe" else None
            paced = any(map(self.paces, part))
            if reason is None and not paced:
                (socket.topics.update if request["op"] == "subscribe" else socket.topics.difference_update)(part)
                self._measure(socket)
            kind = ControlKind.PACED if paced else ControlKind.ACKNOWLEDGED if reason is None else ControlKind.REJECTED
            answers.append(Control(kind, request["id"], reason or "", tuple(part) if self.answers_each else ()))
        return answers

    def _measure(self, socket: Socket) -> None:
        now = {
            "topics": len(socket.topics),
            "characters": sum(map(len, socket.topics)),
            "deep": sum(self._topics[name].deep for name in socket.topics),
        }
        socket.most = {what: max(most, now[what]) for what, most in socket.most.items()}


def topic(slot: int) -> str:
    return f"s{slot}usdt@trade"
