"""How long to wait before the next attempt: exponential, with full jitter, without end."""

from __future__ import annotations

from collections.abc import Callable


class Backoff:
    """Waits between attempts: each one a random part of a bound that doubles, until a success has lasted."""

    def __init__(self, random: Callable[[], float], base_s: float = 0.5, most_s: float = 30.0, stable_s: float = 60.0) -> None:
        """`random`: 0.0 to 1.0. `stable_s`: a success that lasted so long begins anew."""
        self._random = random
        self._base_s = base_s
        self._most_s = most_s
        self._stable_s = stable_s
        self._failures = 0
        self._since_s: float | None = None

    def succeeded(self, now_s: float) -> None:
        """An attempt succeeded; whether that counts will be seen."""
        self._since_s = now_s

    def failed(self, now_s: float, at_least_s: float = 0.0) -> float:
        """An attempt failed, or what it brought ended: when to try again. `at_least_s`: wait so long whatever the dice say."""
        if self._since_s is not None and now_s - self._since_s >= self._stable_s:
            self._failures = 0
        self._since_s = None
        bound_s = min(self._most_s, self._base_s * 2.0 ** min(self._failures, 30))
        self._failures += 1
        return now_s + at_least_s + self._random() * bound_s
