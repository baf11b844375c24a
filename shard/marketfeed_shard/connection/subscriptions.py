"""The requests that get one open connection what is wanted of it. Without I/O; the caller says what time it is.

Requests go out in batches as large as the exchange takes and at the pace that the caller allows. A batch that the exchange
refuses without a name is halved until the refused name stands alone, so that it never hurts its neighbours. A refusal for
pace is none of a name: what was refused is sent again, later.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from marketfeed.exchanges.exchange import Control, ControlKind, Market, Topic
from marketfeed_shard.connection.pace import Pace
from marketfeed_shard.connection.requests import Request, Requests
from marketfeed_shard.connection.topics import State, Subscription, Topics, Urgency

REJECTED_RETRY_S = 300.0
"""A refused name is tried again after so long."""
LET_GO_TRIES = 2
"""What is to begin anew is subscribed although so many requests to let it go first were not answered."""


class Subscriptions(Topics):
    """All topics of one connection, and what is under way for them."""

    def __init__(self, market: Market, random: Callable[[], float]) -> None:
        """`random`: 0.0 to 1.0, for jitter."""
        super().__init__()
        self._request_topics = int(market.limits.request_topics.default)
        self._requests = Requests(market)
        self._pace = Pace(random)
        self._leaving: dict[str, tuple[Topic, Urgency]] = {}
        """Topics to let go, each before it is subscribed again."""
        self._batches: list[list[Subscription]] = []
        """Parts of refused batches, which are sent by themselves."""
        self._tries: Counter[str] = Counter()
        """Requests without an answer by topic."""

    def held(self) -> Iterator[Topic]:
        """Topics that the exchange counts, or soon will: wanted ones, and those not yet let go."""
        leaving = {topic.name: topic for topic in self._requests.leaving()}
        leaving |= {name: topic for name, (topic, _) in self._leaving.items()}
        yield from (subscription.topic for subscription in self)
        yield from (topic for name, topic in leaving.items() if name not in self)

    def remove(self, slot: int) -> None:
        """Want a stream no more. A topic that other streams need stays."""
        for subscription in self._let_go(slot):
            name = subscription.topic.name
            asked = subscription.state in {State.REQUESTED, State.ACKNOWLEDGED} or subscription.lingers
            if asked or name in self._leaving:
                self._leaving[name] = subscription.topic, Urgency.WANTED
            if subscription.suspect:
                self._batches = [rest for batch in self._batches if (rest := [s for s in batch if s is not subscription])]

    def renew(self, slots: Iterable[int], urgency: Urgency, now_s: float) -> set[int]:
        """Unsubscribe and subscribe again what was acknowledged. Returns all that this interrupts: others may share a topic."""
        self.stirred = True
        interrupted: set[int] = set()
        for subscription in dict.fromkeys(s for slot in slots for s in self.of(slot)):
            if subscription.state is State.ACKNOWLEDGED:
                self._leaving[subscription.topic.name] = subscription.topic, urgency
                subscription.urgency, subscription.renewed = urgency, True
                self._set(subscription, State.PENDING, now_s)
                interrupted |= subscription.slots
        return interrupted

    def disconnected(self, now_s: float) -> None:
        """The socket is gone, and with it all that the exchange knew of it; rejections stay until they are due again."""
        self._requests.forget()
        self._leaving.clear()
        self._batches.clear()
        self._tries.clear()
        self._before.clear()
        for subscription in self:
            subscription.urgency = Urgency.WANTED
            subscription.suspect = subscription.renewed = subscription.lingers = False
            if subscription.state is not State.REJECTED:
                self._set(subscription, State.PENDING, now_s)

    # ---- requests ----------------------------------------------------------------------------------------------------

    def due(self, now_s: float) -> tuple[float, Urgency] | None:
        """When the next request wants to be sent, or an answer is overdue, and how urgent that is; None: never."""
        self._expire(now_s)
        urgency = self._urgency()
        if urgency is not None and self._may_ask:
            return max(now_s, self._pace.free_s), urgency
        retries = [s.since_s + REJECTED_RETRY_S for s in self._unsettled.values() if s.state is State.REJECTED]
        answers = [request.due_s for request in self._requests]
        due_s = min((*retries, *answers), default=None)
        return None if due_s is None else (due_s, Urgency.WANTED)

    def next(self, now_s: float) -> str | None:
        """The next request, as text to be sent now, or None. The most urgent goes first, and others of its group with it."""
        self._expire(now_s)
        urgency = self._urgency()
        if urgency is None or not self._may_ask or now_s < self._pace.free_s:
            return None
        leaving = sorted(self._leaving.values(), key=lambda left: left[1], reverse=True)
        if leaving and leaving[0][1] is urgency:
            return self._send(False, [topic for topic, _ in leaving], now_s)
        for at, batch in enumerate(self._batches):
            if any(s.urgency is urgency for s in batch):
                del self._batches[at]
                return self._send_batch(batch, now_s)
        pending = sorted(self._pending(), key=lambda s: s.urgency, reverse=True)
        return self._send(True, [s.topic for s in pending], now_s)

    def answered(self, control: Control, now_s: float) -> None:
        """The exchange answered a request. What answers none of ours, or comes too late, is ignored."""
        self.stirred = True
        answer = self._requests.answered(control, now_s)
        if answer is None:
            return
        request, topics = answer
        for topic in topics:
            del self._tries[topic.name]
        if control.kind is ControlKind.PACED:
            self._paced(request, topics, now_s)
        elif control.kind is ControlKind.ACKNOWLEDGED:
            self._granted(request, topics, now_s)
        elif request.subscribe:
            for subscription in self._asked_for(topics):
                self._reject(subscription, control.reason, now_s)

    # ---- inside ------------------------------------------------------------------------------------------------------

    @property
    def _may_ask(self) -> bool:
        return not (self._pace.slow and len(self._requests))

    def _pending(self) -> Iterator[Subscription]:
        """Those that may be asked for together. What is being let go waits for the answer: else nothing would begin anew."""
        parting = self._requests.parting()
        for name, subscription in self._unsettled.items():
            is_free = name not in self._leaving and name not in parting
            if subscription.state is State.PENDING and not subscription.suspect and is_free:
                yield subscription

    def _urgency(self) -> Urgency | None:
        """Of the most urgent that is to be asked for."""
        leaving = (urgency for _, urgency in self._leaving.values())
        batches = (s.urgency for batch in self._batches for s in batch)
        return max((*leaving, *batches, *(s.urgency for s in self._pending())), default=None)

    def _send(self, subscribe: bool, topics: Sequence[Topic], now_s: float) -> str:
        """A request for as many of these as it may hold: those of the first one's group."""
        group = [topic for topic in topics if topic.group == topics[0].group]
        chosen = self._requests.fitting(subscribe, group, self._pace.most(self._request_topics))
        for topic in chosen:
            if subscribe:
                self._set(self._topics[topic.name], State.REQUESTED, now_s)
            else:
                del self._leaving[topic.name]
        return self._requests.send(subscribe, chosen, max(self._tries[topic.name] for topic in chosen), now_s)

    def _send_batch(self, batch: Sequence[Subscription], now_s: float) -> str:
        text = self._send(True, [s.topic for s in batch], now_s)
        self._suspect([s for s in batch if s.state is State.PENDING], now_s)
        return text

    def _suspect(self, batch: list[Subscription], now_s: float) -> None:
        """These are asked for by themselves."""
        for subscription in batch:
            subscription.suspect = True
            self._set(subscription, State.PENDING, now_s)
        if batch:
            self._batches.append(batch)

    def _reject(self, subscription: Subscription, reason: str, now_s: float) -> None:
        subscription.reason, subscription.urgency = reason, Urgency.CARE
        self._set(subscription, State.REJECTED, now_s)

    def _granted(self, request: Request, topics: Iterable[Topic], now_s: float) -> None:
        if not (request.waiting or request.paced):
            self._pace.granted()
        if request.subscribe:
            for subscription in self._asked_for(topics):
                self._set(subscription, State.ACKNOWLEDGED, now_s)

    def _paced(self, request: Request, topics: Iterable[Topic], now_s: float) -> None:
        """The first refusal of a request slows down; all others of it are the same one."""
        if not request.paced:
            request.paced = True
            self._pace.refused(now_s)
        self._again(request.subscribe, topics, now_s)

    def _again(self, subscribe: bool, topics: Iterable[Topic], now_s: float) -> None:
        """These are to be asked for once more."""
        if not subscribe:
            self._linger(topics)
            self._leaving |= {t.name: (t, Urgency.WANTED) for t in topics if self._leaves(t)}
            return
        asked = self._asked_for(topics)
        for subscription in asked:
            self._set(subscription, State.PENDING, now_s)
        self._suspect([s for s in asked if s.suspect], now_s)

    def _linger(self, topics: Iterable[Topic]) -> None:
        for topic in topics:
            if topic.name in self:
                self._topics[topic.name].lingers = True

    def _leaves(self, topic: Topic) -> bool:
        """Whether it is still to be let go: nobody wants it, or it was not asked for again yet, and may soon be."""
        if topic.name not in self:
            return True
        return self._topics[topic.name].state is State.PENDING and self._tries[topic.name] < LET_GO_TRIES

    def _expire(self, now_s: float) -> None:
        for request in self._requests.expired(now_s):
            topics = list(request.waiting.values())
            if request.refusal is None:
                self._tries.update(request.waiting.keys())
                self._linger(topics)
                self._again(request.subscribe, topics, now_s)
            elif request.subscribe:
                self._refused(self._asked_for(topics), request.refusal, now_s)
        due = [s for s in self._unsettled.values() if s.state is State.REJECTED and now_s - s.since_s >= REJECTED_RETRY_S]
        for group in dict.fromkeys(s.topic.group for s in due):
            self._suspect([s for s in due if s.topic.group == group], now_s)

    def _refused(self, batch: list[Subscription], reason: str, now_s: float) -> None:
        """A batch was refused, and nobody says which of its names is at fault."""
        if len(batch) == 1:
            self._reject(batch[0], reason, now_s)
            return
        half = len(batch) // 2
        self._suspect(batch[:half], now_s)
        self._suspect(batch[half:], now_s)
