"""How fast requests may follow each other after the exchange refused their pace. Decisions only."""

from __future__ import annotations

from collections.abc import Callable

FIRST_S = 2.5
"""Wait at least so long after a refusal, and at most twice as long; twice that after the next one."""
MOST_DOUBLINGS = 4


class Pace:
    """Of one connection: after refusals one request waits for the answer to the one before.

    Each refusal doubles the wait and halves the requests; each request that is granted takes one back.
    """

    def __init__(self, random: Callable[[], float]) -> None:
        """`random`: 0.0 to 1.0."""
        self._random = random
        self._refusals = 0
        self.free_s = 0.0
        """No request before then."""

    @property
    def slow(self) -> bool:
        """Whether a request has to wait for the answer to the one before."""
        return self._refusals > 0

    def refused(self, now_s: float) -> None:
        """The exchange refused a request, or a part of it, for its pace."""
        self.free_s = now_s + FIRST_S * 2.0 ** min(self._refusals, MOST_DOUBLINGS) * (1.0 + self._random())
        self._refusals += 1

    def granted(self) -> None:
        """The exchange granted the whole of a request."""
        self._refusals = max(0, min(self._refusals, MOST_DOUBLINGS) - 1)

    def most(self, topics: int) -> int:
        """How many topics one request may hold, where the exchange allows so many."""
        return max(1, topics >> self._refusals)
