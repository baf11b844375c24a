"""Sockets that ended and whose end nobody is told of.

uvloop looks at a socket no more once it has an error, after one last call of its reader (0.23, `UVPoll._fatal_error`). The
reader of aiofastnet (1.2) takes what came before a reset, and would meet the reset itself at its next call only, which never
comes: the connection would be silent and pass for open until something is written to it.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable
from typing import Final

LOOK_S: Final = 0.2
"""Between two looks, of one system call for all sockets. One that is over at two of them is given up."""
_OVER: Final = select.POLLERR | select.POLLHUP | select.POLLNVAL


class Hangups:
    """Looks after sockets while there are any. Needs a running event loop."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self._ended: dict[int, Callable[[], None]] = {}
        self._suspects: set[int] = set()
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, descriptor: int, ended: Callable[[], None]) -> None:
        """From now on; `ended` is called once, and the socket is looked after no more."""
        self._ended[descriptor] = ended
        self._suspects.discard(descriptor)
        self._poll.register(descriptor, 0)
        if self._timer is None:
            self._later()

    def forget(self, descriptor: int, ended: Callable[[], None]) -> None:
        """It is closed; nothing where its number has gone to another one."""
        if self._ended.get(descriptor) == ended:
            del self._ended[descriptor]
            self._suspects.discard(descriptor)
            self._poll.unregister(descriptor)

    def _later(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(LOOK_S, self._look)

    def _look(self) -> None:
        over = {descriptor for descriptor, event in self._poll.poll(0) if event & _OVER}
        for descriptor in over & self._suspects:
            ended = self._ended[descriptor]
            self.forget(descriptor, ended)
            ended()
        self._suspects = over & self._ended.keys()
        self._timer = None
        if self._ended:
            self._later()
