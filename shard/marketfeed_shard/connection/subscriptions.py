"""What one open connection has subscribed to, and the requests that get it there. Without I/O; the caller says what time it is.

A stream is wanted or not; requests follow, in batches as large as the exchange takes and at the pace that the caller allows.
A batch that the exchange refuses is halved until the refused name stands alone, so that it never hurts its neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum, auto

from marketfeed.exchanges.exchange import Control, ControlKind, Market, Topic

ANSWER_TIMEOUT_S = 10.0
"""A request without an answer for so long is sent again."""
PACED_S = 5.0
"""Wait after a refusal for pace."""
REJECTED_RETRY_S = 300.0
"""A refused name is tried again after so long."""


class State(Enum):
    """How far one stream's subscription is."""

    PENDING = auto()
    REQUESTED = auto()
    ACKNOWLEDGED = auto()
    REJECTED = auto()


@dataclass(slots=True)
class Subscription:
    """One topic on this connection."""

    topic: str
    slots: set[int]
    """Of its streams: a topic may feed several."""
    state: State = State.PENDING
    since_s: float = 0.0
    """When it came into this state."""
    reason: str = ""
    """Of a rejection."""


@dataclass(slots=True)
class _Request:
    subscribe: bool
    topics: tuple[str, ...]
    sent_s: float


@dataclass(slots=True)
class Subscriptions:
    """All streams of one connection."""

    market: Market
    _topics: dict[str, Subscription] = field(default_factory=dict)
    _by_slot: dict[int, Subscription] = field(default_factory=dict)
    _unsettled: dict[str, Subscription] = field(default_factory=dict)
    """Those that are not acknowledged: few, where many are looked at often."""
    _batches: list[tuple[str, ...]] = field(default_factory=list)
    """Parts of a refused batch, to be sent as they are."""
    _unsubscribe: dict[str, None] = field(default_factory=dict)
    """Topics to let go, before anything is subscribed."""
    _in_flight: dict[int, _Request] = field(default_factory=dict)
    _last_request: int = 0
    _not_before_s: float = 0.0

    def __len__(self) -> int:
        """Topics that the exchange counts, or soon will: wanted ones, and those not yet let go."""
        leaving = {t for r in self._in_flight.values() if not r.subscribe for t in r.topics} | self._unsubscribe.keys()
        return len(self._topics) + len(leaving - self._topics.keys())

    def __contains__(self, topic: str) -> bool:
        return topic in self._topics

    def __iter__(self) -> Iterator[Subscription]:
        return iter(self._topics.values())

    @property
    def slots(self) -> Collection[int]:
        """Slots of the wanted streams."""
        return self._by_slot.keys()

    def topics(self) -> Iterator[tuple[int, str]]:
        """(slot, topic) of the wanted streams."""
        return ((slot, subscription.topic) for slot, subscription in self._by_slot.items())

    def get(self, slot: int) -> Subscription | None:
        """The subscription of one stream, if it is wanted here."""
        return self._by_slot.get(slot)

    def add(self, slot: int, topic: str, now_s: float) -> None:
        """Want a stream."""
        subscription = self._topics.get(topic)
        if subscription is None:
            subscription = self._topics[topic] = self._unsettled[topic] = Subscription(topic, set(), since_s=now_s)
        subscription.slots.add(slot)
        self._by_slot[slot] = subscription

    def remove(self, slot: int) -> None:
        """Want it no more."""
        subscription = self._by_slot.pop(slot)
        subscription.slots.discard(slot)
        if subscription.slots:
            return
        del self._topics[subscription.topic]
        self._unsettled.pop(subscription.topic, None)
        if subscription.state in {State.REQUESTED, State.ACKNOWLEDGED}:
            self._unsubscribe[subscription.topic] = None

    def renew(self, slots: Iterable[int], now_s: float) -> None:
        """Unsubscribe and subscribe again: what was acknowledged delivers nothing."""
        for subscription in {id(s): s for s in map(self._by_slot.__getitem__, slots)}.values():
            self._unsubscribe[subscription.topic] = None
            self._set(subscription, State.PENDING, now_s)

    def proven(self, seen: Callable[[int], bool], now_s: float) -> None:
        """Streams that delivered data are subscribed, whether or not their answer came."""
        for subscription in list(self._unsettled.values()):
            if subscription.state is State.REQUESTED and any(map(seen, subscription.slots)):
                self._set(subscription, State.ACKNOWLEDGED, now_s)

    def disconnected(self, now_s: float) -> None:
        """The connection is gone, and with it all that the exchange knew of it; rejections stay until they are due again."""
        self._in_flight.clear()
        self._unsubscribe.clear()
        self._batches.clear()
        self._not_before_s = 0.0
        for subscription in self._topics.values():
            if subscription.state is not State.REJECTED:
                self._set(subscription, State.PENDING, now_s)

    def due_s(self, now_s: float) -> float | None:
        """When the next request wants to be sent, or None while there is nothing to ask."""
        self._expire(now_s)
        if self._unsubscribe or any(s.state is State.PENDING for s in self._unsettled.values()):
            return max(now_s, self._not_before_s)
        retries = [s.since_s + REJECTED_RETRY_S for s in self._unsettled.values() if s.state is State.REJECTED]
        answers = [r.sent_s + ANSWER_TIMEOUT_S for r in self._in_flight.values()]
        return min((*retries, *answers), default=None)

    def next(self, now_s: float) -> str | None:
        """The next request, as text to be sent now, or None."""
        self._expire(now_s)
        if now_s < self._not_before_s:
            return None
        subscribe = not self._unsubscribe
        topics = self._next_batch(subscribe)
        if not topics:
            return None
        self._last_request += 1
        self._in_flight[self._last_request] = _Request(subscribe, topics, now_s)
        for topic in topics:
            self._unsubscribe.pop(topic, None)
            if subscribe:
                self._set(self._topics[topic], State.REQUESTED, now_s)
        return self._frame(subscribe, topics, self._last_request)

    def answered(self, control: Control, now_s: float) -> None:
        """The exchange answered a request. An answer to none of ours is ignored; a refusal may lack the request's number."""
        number = control.request
        if number is None and control.kind is not ControlKind.ACKNOWLEDGED and len(self._in_flight) == 1:
            (number,) = self._in_flight
        request = None if number is None else self._in_flight.pop(number, None)
        if request is None:
            return
        if control.kind is ControlKind.PACED:
            self._not_before_s = now_s + PACED_S
            self._again(request, now_s)
        elif control.kind is ControlKind.REJECTED:
            if request.subscribe:
                self._refused(request, control.reason, now_s)
        else:
            for subscription in self._requested(request):
                self._set(subscription, State.ACKNOWLEDGED, now_s)

    # ---- inside ------------------------------------------------------------------------------------------------------

    def _set(self, subscription: Subscription, state: State, now_s: float) -> None:
        subscription.state, subscription.since_s = state, now_s
        if state is State.ACKNOWLEDGED:
            self._unsettled.pop(subscription.topic, None)
        else:
            self._unsettled[subscription.topic] = subscription

    def _requested(self, request: _Request) -> list[Subscription]:
        """Streams of a subscribe request that still wait for its answer."""
        found = [self._topics[t] for t in request.topics if request.subscribe and t in self._topics]
        return [s for s in found if s.state is State.REQUESTED]

    def _refused(self, request: _Request, reason: str, now_s: float) -> None:
        waiting = self._requested(request)
        if len(waiting) == 1:
            waiting[0].reason = reason
            self._set(waiting[0], State.REJECTED, now_s)
            return
        for subscription in waiting:
            self._set(subscription, State.PENDING, now_s)
        topics = tuple(s.topic for s in waiting)
        half = len(topics) // 2
        self._batches += [part for part in (topics[:half], topics[half:]) if part]

    def _again(self, request: _Request, now_s: float) -> None:
        if request.subscribe:
            for subscription in self._requested(request):
                self._set(subscription, State.PENDING, now_s)
        else:
            self._unsubscribe.update(dict.fromkeys(t for t in request.topics if t not in self._topics))

    def _expire(self, now_s: float) -> None:
        for number, request in list(self._in_flight.items()):
            if now_s - request.sent_s >= ANSWER_TIMEOUT_S:
                del self._in_flight[number]
                self._again(request, now_s)
        for subscription in self._unsettled.values():
            if subscription.state is State.REJECTED and now_s - subscription.since_s >= REJECTED_RETRY_S:
                self._set(subscription, State.PENDING, now_s)

    def _next_batch(self, subscribe: bool) -> tuple[str, ...]:
        if not subscribe:
            return self._fitting(False, self._unsubscribe)
        while self._batches:
            part = tuple(t for t in self._batches.pop(0) if t in self._topics and self._topics[t].state is State.PENDING)
            if part:
                return part
        return self._fitting(True, (s.topic for s in self._unsettled.values() if s.state is State.PENDING))

    def _fitting(self, subscribe: bool, topics: Iterable[str]) -> tuple[str, ...]:
        """As many as one request takes: by number, and by bytes with the quotes and commas between them."""
        limits = self.market.limits
        size = len(self._frame(subscribe, (), 10**9).encode())
        chosen: list[str] = []
        for topic in topics:
            size += len(topic.encode()) + 3
            if chosen and (len(chosen) == limits.request_topics.default or size > limits.request_bytes.default):
                break
            chosen.append(topic)
        return tuple(chosen)

    def _frame(self, subscribe: bool, topics: tuple[str, ...], number: int) -> str:
        return (self.market.subscribe if subscribe else self.market.unsubscribe)([Topic(name) for name in topics], number)
