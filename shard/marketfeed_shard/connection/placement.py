"""Where streams go: which connection has room for one more, by all that the exchange limits. Decisions only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from marketfeed.exchanges.exchange import Topic
from marketfeed.load import Load, Room, load_of
from marketfeed_shard.connection.connection import Connection


@dataclass(slots=True, eq=False)
class _Place:
    connection: Connection
    names: set[str]
    load: Load


class Placement:
    """Places for streams on connections that take some, for one round of placing: what is placed counts from then on."""

    def __init__(self, connections: Iterable[Connection], room: Room) -> None:
        """`room`: of one connection."""
        self._room = room
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
            if not more or self._room.connections(_sum(place.load, more)) <= 1:
                self._put(place, more)
                return place.connection
        return None

    def _put(self, place: _Place, topics: Sequence[Topic]) -> None:
        url, leg = place.connection.url, place.connection.leg
        for topic in topics:
            place.names.add(topic.name)
            self._with.setdefault((url, leg, topic.name), place)
        place.load = _sum(place.load, topics)
        if place.load.topics >= self._room.topics and place in self._places[url, leg]:
            self._places[url, leg].remove(place)


def _sum(load: Load, topics: Iterable[Topic]) -> Load:
    return sum(map(load_of, topics), load)
