"""A REST client under the tests' hands, and bans as the dialer keeps them."""

from __future__ import annotations

from marketfeed.exchanges.exchange import Call
from marketfeed_shard.recovery.calls import Calls
from marketfeed_shard.recovery.ports import Answer


class RestDouble:
    """Keeps what it is asked until the test answers."""

    def __init__(self) -> None:
        self.asked: dict[int, Call] = {}
        """Calls that are on their way, by number."""
        self.all: list[Call] = []
        """Every call that went out, in order."""
        self.cancelled: list[int] = []

    def get(self, number: int, call: Call) -> None:
        assert number not in self.asked
        self.asked[number] = call
        self.all.append(call)

    def cancel(self, number: int) -> None:
        self.asked.pop(number, None)
        self.cancelled.append(number)

    @property
    def paths(self) -> list[str]:
        """Of the calls that are on their way, oldest first."""
        return [call.path for call in self.asked.values()]

    def take(self, containing: str = "") -> int:
        """The oldest call on its way whose path contains a text; it is over with this."""
        number = next(number for number, call in self.asked.items() if containing in call.path)
        del self.asked[number]
        return number

    def answer(
        self,
        calls: Calls,
        now_s: float,
        body: bytes = b"{}",
        status: int = 200,
        *,
        containing: str = "",
        retry_after_s: float | None = None,
    ) -> None:
        """Answer the oldest call whose path contains a text."""
        calls.answered(self.take(containing), Answer(status, body, round(now_s * 1e9), retry_after_s), now_s)


class BansDouble:
    """Bans of an address."""

    def __init__(self) -> None:
        self.until_s = 0.0
        self.reason = ""

    def banned(self, seconds: float, reason: str, now_s: float) -> None:
        self.until_s, self.reason = now_s + seconds, reason

    def banned_for_s(self, now_s: float) -> float:
        return max(0.0, self.until_s - now_s)
