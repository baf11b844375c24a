"""A socket's frames in plain Python: the surface of the compiled listener, every frame left to the plain engine."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

from picows import WSFrame, WSListener, WSMsgType, WSTransport

from marketfeed_shard import compiled
from marketfeed_shard.plain import Engine, PlainEngine


class Sink(Protocol):
    """What a listener calls."""

    def connected(self, listener: Any, transport: WSTransport) -> None: ...

    def disconnected(self, listener: Any, transport: WSTransport) -> None: ...

    def declined(self, listener: Any, frame: bytes, received_ns: int) -> None: ...

    def other(self, listener: Any, transport: WSTransport, frame: WSFrame, received_ns: int) -> None: ...

    def flush(self) -> None: ...


class PlainListener(WSListener):
    """One socket's frames; every one goes to `sink`."""

    def __init__(self, sink: Sink, connection: int) -> None:
        self._sink = sink
        self._seen: set[int] = set()
        self._received_ns = 0
        self.connection = connection
        self.messages = 0
        self.last_message_ns = 0

    def grow(self, slots: int) -> None:
        """Nothing: streams are kept in a set."""

    def saw(self, slot: int) -> bool:
        """Whether this socket delivered data of a stream."""
        return slot in self._seen

    def mark(self, slot: int) -> None:
        """Data of a stream came."""
        self._seen.add(slot)

    def count(self, received_ns: int) -> None:
        """A data message came."""
        self.messages += 1
        self.last_message_ns = received_ns

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._sink.connected(self, transport)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._sink.disconnected(self, transport)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if not self._received_ns:
            self._received_ns = time.time_ns()
        if frame.msg_type == WSMsgType.TEXT and frame.fin:
            self._sink.declined(self, frame.get_payload_as_bytes(), self._received_ns)
        else:
            self._sink.other(self, transport, frame, self._received_ns)
        if frame.last_in_buffer:
            self._received_ns = 0
            self._sink.flush()


def factory(engine: Engine) -> Callable[[Sink, int, int], Any]:
    """(sink, key, slots) → the listener that fits the engine."""
    listeners = None if isinstance(engine, PlainEngine) else compiled.module("kernel._listener")
    if listeners is None:
        return lambda sink, key, slots: PlainListener(sink, key)
    return lambda sink, key, slots: listeners.Listener(engine, sink, key, slots)
