"""The messages of one socket in plain Python: the surface of the compiled reader, every message left to the plain engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from marketfeed_shard import compiled
from marketfeed_shard.kernel.plain import Engine, PlainEngine


class Reader(Protocol):
    """What one socket delivered."""

    @property
    def messages(self) -> int:
        """Data messages."""
        ...

    @property
    def last_message_ns(self) -> int:
        """Receipt of the last data message, or 0."""
        ...

    def grow(self, slots: int) -> None:
        """There are so many streams now: to be called before the first message of a new one."""
        ...

    def saw(self, slot: int) -> bool:
        """Whether this socket delivered data of a stream."""
        ...

    def fresh(self) -> list[int]:
        """The streams that delivered here since this was last asked."""
        ...

    def mark(self, slot: int) -> None:
        """Data of a stream came through the plain engine."""
        ...

    def count(self, received_ns: int) -> None:
        """A data message came through the plain engine."""
        ...

    def begin(self, received_ns: int) -> None:
        """A new socket read: to be called before its first message."""
        ...

    def feed(self, message: bytes) -> bool:
        """A message of this read: True if the engine took it, False if it is for the plain one."""
        ...


class PlainReader:
    """Takes no message: each is for the plain engine."""

    def __init__(self) -> None:
        self._seen: set[int] = set()
        self._fresh: set[int] = set()
        self.messages = 0
        self.last_message_ns = 0

    def grow(self, slots: int) -> None:
        """Nothing: streams are kept in a set."""

    def saw(self, slot: int) -> bool:
        return slot in self._seen

    def fresh(self) -> list[int]:
        fresh, self._fresh = sorted(self._fresh), set()
        return fresh

    def mark(self, slot: int) -> None:
        self._seen.add(slot)
        self._fresh.add(slot)

    def count(self, received_ns: int) -> None:
        self.messages += 1
        self.last_message_ns = received_ns

    def begin(self, received_ns: int) -> None:
        """Nothing: each message comes with its receipt."""

    def feed(self, message: bytes) -> bool:
        return False


def factory(engine: Engine) -> Callable[[int, int], Reader]:
    """(key of the socket, streams that there are) → the reader that fits the engine."""
    module = None if isinstance(engine, PlainEngine) else compiled.module("kernel._listener")
    if module is None:
        return lambda key, slots: PlainReader()
    make: Callable[[Engine, int, int], Reader] = module.Reader
    return lambda key, slots: make(engine, key, slots)
