"""What streams ask of connections: topics by address, and how many of them one connection holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from marketfeed.assignment import Assignment, topic_url
from marketfeed.exchanges import catalogue
from marketfeed.exchanges.exchange import Limits, Market, Topic
from marketfeed.resource import Endpoint


@dataclass(frozen=True, slots=True, order=True)
class Load:
    """Topics at one address."""

    topics: int = 0
    characters: int = 0
    """Of all their names together."""
    deep: int = 0
    """Those that count as deep books."""

    def __add__(self, other: Load) -> Load:
        return Load(self.topics + other.topics, self.characters + other.characters, self.deep + other.deep)

    def __sub__(self, other: Load) -> Load:
        return Load(self.topics - other.topics, self.characters - other.characters, self.deep - other.deep)


@dataclass(frozen=True, slots=True)
class Room:
    """What one connection holds; null: no such limit."""

    topics: int
    characters: int | None = None
    deep: int | None = None

    @classmethod
    def of(cls, limits: Limits, topics: int) -> Room:
        """By an exchange's limits; `topics`: as many as the assignment says."""
        characters, deep = limits.topic_bytes, limits.deep_books
        return cls(topics, None if characters is None else int(characters.default), None if deep is None else int(deep.default))

    def without_rest(self, longest: int) -> Room:
        """What is sure to be filled with topics of at most so many characters: one that does not fit leaves some unused.

        Limits that are not reached before the others are left out.
        """
        characters, deep = self.characters, self.deep
        if characters is not None:
            characters = None if self.topics * longest <= characters else characters - longest + 1
        return Room(self.topics, characters, None if deep is None or deep >= self.topics else deep)

    def counted(self, load: Load) -> Load:
        """The load as far as it is limited."""
        characters = 0 if self.characters is None else load.characters
        return Load(load.topics, characters, 0 if self.deep is None else load.deep)

    def share(self, load: Load) -> float:
        """How much of one connection these topics take, by whichever limit is the scarcest: 1.0 is all of it."""
        return max(
            load.topics / self.topics,
            load.characters / self.characters if self.characters is not None else 0.0,
            load.deep / self.deep if self.deep is not None else 0.0,
        )

    def connections(self, load: Load) -> int:
        """Connections for these topics, each filled as far as it goes."""
        return max(
            -(-load.topics // self.topics),
            -(-load.characters // self.characters) if self.characters is not None else 0,
            -(-load.deep // self.deep) if self.deep is not None else 0,
        )


def load_of(topic: Topic) -> Load:
    """Of a single topic."""
    return Load(1, len(topic.name.encode()), int(topic.deep))


def topics(
    market: Market, endpoint: Endpoint, native: str, channels: Iterable[str], book_depth: int | None
) -> Iterator[tuple[str, Topic]]:
    """(address, topic) of all that a symbol's channels need, each once."""
    seen: set[tuple[str, str]] = set()
    for channel in channels:
        for topic in market.topics(channel, native, book_depth):
            url = topic_url(market, endpoint, topic)
            if (url, topic.name) not in seen:
                seen.add((url, topic.name))
                yield url, topic


def connections(assignment: Assignment) -> int:
    """Connections that a shard's streams need."""
    market = catalogue.market(assignment.exchange, assignment.market)
    by_url: dict[str, dict[str, Load]] = {}
    for streams in assignment.symbols:
        for url, topic in topics(market, assignment.endpoint, streams.native, streams.channels, assignment.book_depth):
            by_url.setdefault(url, {})[topic.name] = load_of(topic)
    room = Room.of(market.limits, assignment.limits.streams_per_connection)
    return assignment.legs * sum(room.connections(sum(loads.values(), Load())) for loads in by_url.values())
