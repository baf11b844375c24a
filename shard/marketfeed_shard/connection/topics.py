"""What is wanted of one connection, and how far each topic's subscription is. Without I/O; the caller says what time it is.

A stream may need several topics, and a topic may serve several streams.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, IntEnum, auto

from marketfeed.exchanges.exchange import Topic


class State(Enum):
    """How far one topic's subscription is."""

    PENDING = auto()
    REQUESTED = auto()
    ACKNOWLEDGED = auto()
    REJECTED = auto()


class Urgency(IntEnum):
    """Why a request is sent: where requests are counted by the hour, the more urgent ones have some to themselves."""

    CARE = auto()
    """What is silent is asked for again, and what was refused."""
    BOOK = auto()
    """A book begins anew."""
    WANTED = auto()
    """A stream comes or goes."""


@dataclass(slots=True, eq=False)
class Subscription:
    """One topic on this connection."""

    topic: Topic
    slots: set[int]
    """Of its streams: a topic may feed several."""
    state: State = State.PENDING
    since_s: float = 0.0
    """When it came into this state."""
    reason: str = ""
    """Of a rejection."""
    urgency: Urgency = Urgency.WANTED
    suspect: bool = False
    """It was in a batch that was refused: it is not asked for together with others than those."""
    renewed: bool = False
    """It was subscribed before on this socket: that it delivered proves nothing."""
    lingers: bool = False
    """The exchange may have it in any state: a request for it was not answered, or one to let it go was not granted."""


class Topics:
    """All topics of one connection."""

    def __init__(self) -> None:
        self._topics: dict[str, Subscription] = {}
        self._by_slot: dict[int, tuple[Subscription, ...]] = {}
        self._unsettled: dict[str, Subscription] = {}
        """Those that are not acknowledged: few, where many are looked at often."""
        self._before: set[str] = set()
        """Topics that were let go on this socket."""
        self.stirred = True
        """Something changed that may have to be acted on."""

    def __contains__(self, name: str) -> bool:
        return name in self._topics

    def __iter__(self) -> Iterator[Subscription]:
        return iter(self._topics.values())

    @property
    def slots(self) -> Collection[int]:
        """Slots of the wanted streams."""
        return self._by_slot.keys()

    def of(self, slot: int) -> tuple[Subscription, ...]:
        """What one of its streams needs; nothing where the stream is none of them."""
        return self._by_slot.get(slot, ())

    def add(self, slot: int, topics: Iterable[Topic], now_s: float) -> None:
        """Want a stream."""
        self.stirred = True
        self._by_slot[slot] = tuple(self._wanted(topic, now_s) for topic in topics)
        for subscription in self._by_slot[slot]:
            subscription.slots.add(slot)

    def live(self, slot: int, seen: bool) -> bool:
        """Whether all that a stream needs is acknowledged, or seen to deliver; `seen`: it delivered on this socket."""
        needed = self.of(slot)
        return bool(needed) and all(s.state is State.ACKNOWLEDGED or (seen and _proves(s, needed)) for s in needed)

    def acknowledged(self, slot: int) -> bool:
        """Whether the exchange granted all that a stream needs."""
        return all(s.state is State.ACKNOWLEDGED for s in self._by_slot[slot])

    def rejections(self) -> dict[int, str]:
        """Streams that need a name which the exchange refuses, with its reason."""
        return {slot: s.reason for s in self._unsettled.values() if s.state is State.REJECTED for slot in s.slots}

    def proven(self, seen: Callable[[int], bool], now_s: float) -> None:
        """Topics that delivered data are subscribed, whether or not their answer came."""
        for subscription in list(self._unsettled.values()):
            if subscription.state is State.REQUESTED and any(
                _proves(subscription, self._by_slot[slot]) and seen(slot) for slot in subscription.slots
            ):
                self._set(subscription, State.ACKNOWLEDGED, now_s)

    # ---- for who asks the exchange -----------------------------------------------------------------------------------

    def _wanted(self, topic: Topic, now_s: float) -> Subscription:
        if topic.name not in self._topics:
            wanted = Subscription(topic, set(), since_s=now_s, renewed=topic.name in self._before)
            self._topics[topic.name] = self._unsettled[topic.name] = wanted
        return self._topics[topic.name]

    def _set(self, subscription: Subscription, state: State, now_s: float) -> None:
        subscription.state, subscription.since_s = state, now_s
        if state is State.ACKNOWLEDGED:
            subscription.suspect = False
            self._unsettled.pop(subscription.topic.name, None)
        else:
            self._unsettled[subscription.topic.name] = subscription

    def _let_go(self, slot: int) -> list[Subscription]:
        """Want a stream no more. Returns what no other stream needs."""
        self.stirred = True
        free = []
        for subscription in self._by_slot.pop(slot):
            subscription.slots.discard(slot)
            if not subscription.slots:
                del self._topics[subscription.topic.name]
                self._unsettled.pop(subscription.topic.name, None)
                self._before.add(subscription.topic.name)
                free.append(subscription)
        return free

    def _asked_for(self, topics: Iterable[Topic]) -> list[Subscription]:
        """Those of these that are wanted and wait for an answer."""
        found = [self._topics[topic.name] for topic in topics if topic.name in self._topics]
        return [s for s in found if s.state is State.REQUESTED]


def _proves(subscription: Subscription, needed: Sequence[Subscription]) -> bool:
    """Whether a stream's data is that of this topic, asked for once: of several, nobody knows which one delivered."""
    return len(needed) == 1 and not subscription.renewed
