"""What a transport tells of its sockets, and what it feeds."""

from __future__ import annotations

from typing import Protocol

from marketfeed_shard.connection.ports import Disconnect


class Events(Protocol):
    """Receives what happens on sockets; each is named by the key that it was opened with."""

    def attempting(self) -> None:
        """A socket is about to be opened: an attempt that the exchange counts."""
        ...

    def opened(self, key: int) -> None:
        """The handshake is done."""
        ...

    def lost(self, key: int, why: Disconnect) -> None:
        """The socket ended, or could not be made; not called for one that was closed on request."""
        ...

    def pinged(self, key: int, payload: bytes) -> None:
        """A ping frame."""
        ...

    def ponged(self, key: int) -> None:
        """A pong frame."""
        ...

    def frame(self, key: int, frame: bytes, received_ns: int) -> list[int]:
        """A message that no compiled engine took. Returns the slots that it brought data of."""
        ...

    def flush(self) -> None:
        """The socket read is over: what it brought may go out."""
        ...
