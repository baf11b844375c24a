"""What the connection manager asks of the outside, and what it is told: wishes, settings, and why a socket ended."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from marketfeed.assignment import Ban, EffectiveLimits, Share
from marketfeed.exchanges.exchange import Closing, Market, Topic
from marketfeed_shard.connection.budget import Turns


class Sockets(Protocol):
    """Sockets by key: each attempt to connect has its own, so that news of an old socket is never taken for a new one's."""

    def open(self, key: int, url: str) -> None:
        """Begin to connect: an attempt that the exchange counts. The answer is `Manager.opened` or `Manager.lost`."""
        ...

    def send(self, key: int, text: str) -> None:
        """Send a text frame."""
        ...

    def ping(self, key: int, payload: bytes) -> None:
        """Send a ping frame."""
        ...

    def pong(self, key: int, payload: bytes) -> None:
        """Answer a ping frame."""
        ...

    def close(self, key: int) -> None:
        """Let go of a socket; nothing more is heard of it."""
        ...

    def messages(self, key: int) -> int:
        """Data messages that it delivered."""
        ...

    def last_message_ns(self, key: int) -> int:
        """Wall clock at its last data message, or 0."""
        ...

    def seen(self, key: int, slot: int) -> bool:
        """Whether it delivered data of a stream."""
        ...

    def fresh(self, key: int) -> Iterable[int]:
        """Streams of which it delivered data since this was last asked."""
        ...


class Streams(Protocol):
    """The streams, whatever connection they are on."""

    def messages(self, slot: int) -> int:
        """Data messages of a stream so far."""
        ...

    def published(self, slot: int) -> int:
        """Events of a stream that went out so far."""
        ...

    def interrupted(self, slots: Iterable[int]) -> None:
        """Messages of these streams may be lost from now on: a gap is due before their next event."""
        ...

    def own(self, slot: int, key: int) -> None:
        """From now on a stream that the exchange does not number counts from this connection only.

        One that was joining does so now.
        """
        ...

    def joining(self, slots: Iterable[int]) -> None:
        """Another connection than their owner is about to bring these streams, too, perhaps ahead of it."""
        ...

    def joined(self, slot: int) -> bool:
        """Whether nothing that the other connection brought waits for the owner to come as far."""
        ...


@dataclass(frozen=True, slots=True)
class Source:
    """A topic, and the address at which it is to be had."""

    topic: Topic
    url: str


@dataclass(frozen=True, slots=True)
class Want:
    """A stream to carry: it is whole only with all of its sources. A source may serve several streams."""

    channel: str
    """Ours: how long it may be silent follows from it."""
    sources: tuple[Source, ...]

    @property
    def urls(self) -> tuple[str, ...]:
        """The addresses that it takes, each once."""
        return tuple(dict.fromkeys(source.url for source in self.sources))

    def topics(self, url: str) -> tuple[Topic, ...]:
        """What it needs of one address."""
        return tuple(source.topic for source in self.sources if source.url == url)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the assignment says about connections."""

    limits: EffectiveLimits
    connects: Share
    bans: tuple[Ban, ...]
    stale_after_s: float
    check_interval_s: float
    turns: Turns | None = None
    """When this shard may try to connect, where several share one attempt."""
    burst: Share | None = None
    """Attempts in a shorter time, beside `connects`."""
    burst_turns: Turns | None = None
    legs: int = 1
    """On so many connections each stream is carried."""


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Why a connection ended, or could not be made."""

    reason: str
    close_code: int | None = None
    """Of the exchange's close frame."""
    http_status: int | None = None
    """Of a refused handshake."""
    retry_after_s: float | None = None

    def understood(self, market: Market) -> Closing:
        """What it means by the rules of the exchange."""
        if self.http_status is not None:
            return market.refusal(self.http_status, self.retry_after_s)
        if self.close_code is not None:
            return market.closing(self.close_code, self.reason)
        return Closing(reason=self.reason)
