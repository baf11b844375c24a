"""One connection of a client: what the server keeps beside the socket."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Callable
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.frames import Frame, Opcode
from websockets.protocol import Event, State

from marketfeed_simulator.blocks import Blocks
from marketfeed_simulator.framing import text_header
from marketfeed_simulator.keepalive import Keepalive
from marketfeed_simulator.limits import Limits, RollingWindow
from marketfeed_simulator.session import Session

_COUNTED = frozenset({Opcode.TEXT, Opcode.BINARY, Opcode.PING, Opcode.PONG})
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: on, for no time."""


class Peer(ServerConnection):
    """A connection of the library, with the exchange's session. Nothing of the session is there before `begin`."""

    number = 0
    address = ""
    session: Session
    pulse: Keepalive
    opened_s: float
    heard_s: float
    """When the client said something last, pings and pongs included."""
    data_s: float
    """When data was sent to it last."""
    said_s: float
    """When anything was sent to it last."""
    requests: RollingWindow | None
    """Its (un)subscribe requests, where the exchange counts them."""
    blocks: Blocks | None = None
    """What it gets at full speed; null: to be made."""
    doomed = False
    """It broke a limit: what else it says is not heard."""

    def begin(
        self, number: int, session: Session, limits: Limits, on_flood: Callable[[Peer], None], frozen: Callable[[int], bool]
    ) -> None:
        """Before the handshake is answered. `frozen`: whether nothing may leave, not even pongs."""
        now_s = self.loop.time()
        self.number = session.number = number
        self.address = self.remote_address[0]
        self.session = session
        self.opened_s = self.heard_s = self.data_s = self.said_s = now_s
        self.pulse = Keepalive(limits.ping_interval_s, limits.ping_timeout_s, now_s)
        self.turn = asyncio.Lock()
        """Held while a round of blocks is written: what is subscribed does not change within one."""
        self.requests = RollingWindow(limits.requests) if limits.requests else None
        self._heard = RollingWindow(limits.client_messages) if limits.client_messages else None
        self._on_flood = on_flood
        self._frozen = frozen
        self._out = bytearray()
        self._late: deque[bytes] = deque()
        """Written by timers, each the oldest: timers of one time have no order."""
        self._due_s = 0.0

    def process_event(self, event: Event) -> None:
        if self.number and isinstance(event, Frame):
            if self.doomed:
                return
            if event.opcode in _COUNTED:
                self.heard_s = self.loop.time()
                if self._heard is not None and not self._heard.add(self.heard_s):
                    self.doomed = True
                    self._on_flood(self)
                    return
            if event.opcode is Opcode.PONG:
                self.pulse.ponged(bytes(event.data))
        super().process_event(event)

    def send_data(self) -> None:
        if self.number and self._frozen(self.number):
            self.protocol.data_to_send()
        else:
            super().send_data()

    @property
    def is_open(self) -> bool:
        return self.protocol.state is State.OPEN

    def say(self, text: str) -> None:
        """A control message: at once, after the data before it."""
        if self.is_open:
            self.flush(0.0)
            self.said_s = self.loop.time()
            self.protocol.send_text(text.encode())
            self.send_data()

    def send_ping(self, payload: bytes, now_s: float) -> None:
        """A ping frame."""
        if self.is_open:
            self.protocol.send_ping(payload)
            self.send_data()
            self.pulse.pinged(payload, now_s)

    def add(self, text: bytes) -> None:
        """A data message, to leave with the next `flush`."""
        self._out += text_header(len(text))
        self._out += text

    def flush(self, delay_s: float) -> None:
        """Write what was added, now or so much later; never before what was added earlier."""
        if not self._out:
            return
        data, self._out = bytes(self._out), bytearray()
        now_s = self.loop.time()
        if delay_s == 0.0 and not self._late:
            self.write(data)
            return
        self._due_s = max(self._due_s, now_s + delay_s)
        self._late.append(data)
        self.loop.call_at(self._due_s, self._write_late)

    def _write_late(self) -> None:
        self.write(self._late.popleft())

    def write(self, frames: bytes) -> None:
        """Whole frames to the socket, past the library's protocol: it keeps no account of what a server sends."""
        if self.is_open and not self._frozen(self.number):
            self.data_s = self.said_s = self.loop.time()
            self.transport.write(frames)

    async def writable(self) -> None:
        """Wait until the reader keeps up again, or is gone."""
        try:
            await self.drain()
        except OSError:  # gone while we waited; its handler takes note of it
            return

    def reset(self) -> None:
        """End the connection with a TCP reset, what waits unsent."""
        sock: Any = self.transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.transport.abort()
