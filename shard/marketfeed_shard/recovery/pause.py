"""How long no REST call goes out after the exchange refused our pace. Without I/O."""

from __future__ import annotations

MOST_S = 300.0


class Pause:
    """As long as the window in which the exchange counts, then twice as long, until it answers again."""

    def __init__(self, base_s: float) -> None:
        self._base_s = base_s
        self._length_s = 0.0
        self._until_s = float("-inf")

    def refused(self, sent_s: float, now_s: float) -> None:
        """A call of that moment was refused for pace. Those that went out together count once."""
        if sent_s < self._until_s:
            return
        self._length_s = min(MOST_S, 2.0 * self._length_s or self._base_s)
        self._until_s = now_s + self._length_s

    def passed(self, sent_s: float) -> None:
        """A call of that moment was answered."""
        if sent_s >= self._until_s:
            self._length_s = 0.0

    def left_s(self, now_s: float) -> float:
        """Of the pause; 0.0 where there is none."""
        return max(0.0, self._until_s - now_s)
