"""Where streams go: which connection has room for one more, by all that the exchange limits. Decisions only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from marketfeed.exchanges.exchange import Limits, Topic
from marketfeed_shard.connection.connection import Connection


@dataclass(slots=True)
class Load:
    """What a connection holds of what an exchange limits."""

    topics: int = 0
    characters: int = 0
    deep: int = 0

    def add(self, topics: Iterable[Topic]) -> None:
        """So many more."""
        for topic in topics:
            self.topics += 1
            self.characters += len(topic.name)
            self.deep += topic.deep


@dataclass(frozen=True, slots=True)
class Capacity:
    """What one connection may hold."""

    topics: int
    characters: float = float("inf")
    deep: float = float("inf")

    @classmethod
    def of(cls, limits: Limits, topics: int) -> Capacity:
        """Of a market; `topics`: the number that the assignment says."""
        infinite = float("inf")
        return cls(
            topics,
            infinite if limits.topic_bytes is None else limits.topic_bytes.default,
            infinite if limits.deep_books is None else limits.deep_books.default,
        )

    def holds(self, load: Load, more: Iterable[Topic] = ()) -> bool:
        """Whether that much fits, and these topics beside it."""
        sum_ = Load(load.topics, load.characters, load.deep)
        sum_.add(more)
        return sum_.topics <= self.topics and sum_.characters <= self.characters and sum_.deep <= self.deep


@dataclass(slots=True, eq=False)
class _Place:
    connection: Connection
    names: set[str]
    load: Load


class Placement:
    """Places for streams on connections that take some, for one round of placing: what is placed counts from then on."""

    def __init__(self, connections: Iterable[Connection], capacity: Capacity) -> None:
        self._capacity = capacity
        self._places: dict[tuple[str, int], list[_Place]] = defaultdict(list)
        self._with: dict[tuple[str, int, str], _Place] = {}
        for connection in connections:
            self.open(connection)
        for places in self._places.values():
            places.sort(key=lambda place: place.load.topics, reverse=True)

    def open(self, connection: Connection) -> None:
        """One more connection takes streams."""
        place = _Place(connection, set(), Load())
        self._places[connection.url, connection.leg].append(place)
        self._put(place, list(connection.subscriptions.held()))

    def find(self, topics: Sequence[Topic], url: str, leg: int) -> Connection | None:
        """The connection that takes what a stream needs: one that has of it already, else the fullest with room."""
        with_some = [place for topic in topics if (place := self._with.get((url, leg, topic.name))) is not None]
        for place in dict.fromkeys((*with_some, *self._places[url, leg])):
            more = [topic for topic in topics if topic.name not in place.names]
            if not more or self._capacity.holds(place.load, more):
                self._put(place, more)
                return place.connection
        return None

    def _put(self, place: _Place, topics: Iterable[Topic]) -> None:
        url, leg = place.connection.url, place.connection.leg
        for topic in topics:
            place.names.add(topic.name)
            self._with.setdefault((url, leg, topic.name), place)
        place.load.add(topics)
        if place.load.topics >= self._capacity.topics and place in self._places[url, leg]:
            self._places[url, leg].remove(place)
