"""Requests to subscribe and unsubscribe: how large they may be, and which topics an answer is about. Without I/O."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from marketfeed.exchanges.exchange import Control, ControlKind, Market, Topic

ANSWER_TIMEOUT_S = 10.0
"""A request without an answer for so long is sent again; twice as long after each time."""
MOST_DOUBLINGS = 4
SETTLE_S = 0.5
"""Where a request is refused that has several names, answers that name one are awaited for so long."""


@dataclass(slots=True)
class Request:
    """One that waits for answers."""

    number: int
    subscribe: bool
    waiting: dict[str, Topic]
    """Topics by name that were not answered yet."""
    due_s: float
    """When it is given up, or, once it was refused, when what was not answered by name counts as refused."""
    refusal: str | None = None
    """Why the exchange refused it, where it did not say which name."""
    paced: bool = False
    """A part of it was refused for pace."""
    names: frozenset[str] = field(init=False)
    """Of all its topics."""

    def __post_init__(self) -> None:
        self.names = frozenset(self.waiting)


class Requests:
    """Those of one socket that wait for answers."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._under_way: dict[int, Request] = {}
        self._last = 0

    def __len__(self) -> int:
        return len(self._under_way)

    def __iter__(self) -> Iterator[Request]:
        return iter(self._under_way.values())

    def leaving(self) -> Iterator[Topic]:
        """Topics that are being let go: the exchange counts them still."""
        return (topic for request in self if not request.subscribe for topic in request.waiting.values())

    def parting(self) -> set[str]:
        """Names in requests to let go that are not answered as a whole: what is to begin anew waits, and goes out together."""
        return {name for request in self if not request.subscribe for name in request.names}

    def forget(self) -> None:
        """The socket is gone: nothing will be answered. Numbers go on, so that a late answer is never taken for a new one's."""
        self._under_way.clear()

    def fitting(self, subscribe: bool, topics: Sequence[Topic], most: int) -> Sequence[Topic]:
        """Of topics of one group, as many from the first on as one request takes."""
        limits = self._market.limits
        count = min(len(topics), most, int(limits.request_topics.default))
        while count > 1 and (over := self._bytes(subscribe, topics[:count]) / limits.request_bytes.default) > 1.0:
            count = max(1, min(count - 1, int(count / over)))
        return topics[:count]

    def send(self, subscribe: bool, topics: Sequence[Topic], tries: int, now_s: float) -> str:
        """The frame of a request that is sent now; `tries`: how often its topics were asked for without an answer."""
        self._last += 1
        due_s = now_s + ANSWER_TIMEOUT_S * 2.0 ** min(tries, MOST_DOUBLINGS)
        self._under_way[self._last] = Request(self._last, subscribe, {topic.name: topic for topic in topics}, due_s)
        return self._frame(subscribe, topics, self._last)

    def answered(self, control: Control, now_s: float) -> tuple[Request, list[Topic]] | None:
        """The request that is answered, and which of its topics are; they wait no more. None: not ours, or not settled."""
        request = self._asked(control)
        if request is None:
            return None
        names = self._meant(request, control)
        if control.kind is ControlKind.REJECTED and not (control.topics or control.native) and len(names) > 1:
            request.refusal, request.due_s = control.reason, now_s + SETTLE_S
            return None
        topics = [request.waiting.pop(name) for name in names if name in request.waiting]
        if not request.waiting:
            del self._under_way[request.number]
        return request, topics

    def expired(self, now_s: float) -> list[Request]:
        """Those that were not answered in time, or were refused a while ago; they are under way no more."""
        late = [number for number, request in self._under_way.items() if now_s >= request.due_s]
        return [self._under_way.pop(number) for number in late]

    # ---- inside ------------------------------------------------------------------------------------------------------

    def _asked(self, control: Control) -> Request | None:
        """By its number, or by a topic that it names; a refusal may lack both where only one is under way."""
        if control.request is not None:
            return self._under_way.get(control.request)
        if control.topics:
            return next((r for r in self._under_way.values() if any(t in r.waiting for t in control.topics)), None)
        if control.kind is not ControlKind.ACKNOWLEDGED and len(self._under_way) == 1:
            return next(iter(self._under_way.values()))
        return None

    def _meant(self, request: Request, control: Control) -> Sequence[str]:
        if control.topics:
            return control.topics
        if control.native:
            return [name for name, topic in request.waiting.items() if topic.native == control.native]
        return list(request.waiting)

    def _bytes(self, subscribe: bool, topics: Sequence[Topic]) -> int:
        return len(self._frame(subscribe, topics, self._last + 1).encode())

    def _frame(self, subscribe: bool, topics: Sequence[Topic], number: int) -> str:
        return (self._market.subscribe if subscribe else self._market.unsubscribe)(topics, number)
