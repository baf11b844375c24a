"""Which REST call goes out when: by urgency, within the budget, a few at a time, never under a ban. Without I/O."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol, TypeAlias

from marketfeed.exchanges.exchange import Call, Fault, FaultKind, Market
from marketfeed.faults import fault, words
from marketfeed_shard.recovery.budget import Weights
from marketfeed_shard.recovery.pause import Pause
from marketfeed_shard.recovery.ports import Answer, Rest

log = logging.getLogger("marketfeed.shard")

MOST_IN_FLIGHT = 8
"""Calls at the same time."""
TIMEOUT_S = 10.0
"""A call without an answer for so long is given up."""
_TRANSIENT = frozenset({408, 425})
"""Client errors by their number that say nothing against the call itself; refusals for pace come with a ban."""


class Purpose(IntEnum):
    """What a call is for; the most urgent first."""

    BOOK = 0
    BACKFILL = 1
    POLL = 2
    INSTRUMENTS = 3


_PATIENT = frozenset({Purpose.POLL, Purpose.INSTRUMENTS})
"""These leave half of the budget to what cannot wait."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A call that brought nothing."""

    reason: str
    permanent: bool = False
    """The exchange refuses the call itself: to ask again soon would bring the same."""


Done: TypeAlias = Callable[[Answer | Failure, float], None]
"""(what became of a call, now_s)"""


class Bans(Protocol):
    """Bans are by address: they hold for REST and sockets alike."""

    def banned(self, seconds: float, reason: str, now_s: float) -> None:
        """The exchange wants no attempt for so long."""
        ...

    def banned_for_s(self, now_s: float) -> float:
        """How long no attempt may be made; 0.0 where none is forbidden."""
        ...


@dataclass(frozen=True, slots=True)
class _Wish:
    purpose: Purpose
    call: Call
    done: Done


class Calls:
    """All REST calls of one shard."""

    def __init__(self, market: Market, rest: Rest, bans: Bans, spending: Callable[[int], None] = lambda weight: None) -> None:
        """`spending`: told of each call before it goes out."""
        self._market = market
        self._rest = rest
        self._bans = bans
        self._spending = spending
        self._weights: Weights | None = None
        self._pause = Pause(market.limits.rest.seconds)
        self._waiting: dict[int, _Wish] = {}
        self._sent: dict[int, tuple[float, _Wish]] = {}
        self._last_number = 0
        self.outcomes: Counter[tuple[Purpose, str]] = Counter()
        """Calls that are over: by purpose, and `ok`, `failed`, `paced`, `refused`, or the HTTP status of a refusal."""

    def allow(self, weights: Weights | None) -> None:
        """What may be spent from now on; null: nothing."""
        self._weights = weights

    def ask(self, purpose: Purpose, call: Call, done: Done) -> int:
        """Want a call. `done` hears what became of it, later. Returns its number."""
        self._last_number += 1
        self._waiting[self._last_number] = _Wish(purpose, call, done)
        return self._last_number

    def drop(self, number: int) -> None:
        """Want it no more: nothing more is heard of it. One that is over is no error."""
        self._waiting.pop(number, None)
        if self._sent.pop(number, None) is not None:
            self._rest.cancel(number)

    def waits(self, number: int) -> bool:
        """Whether a call has not gone out yet."""
        return number in self._waiting

    def promises(self, purpose: Purpose, weight: int, within_s: float, now_s: float) -> bool:
        """Whether a call would go out that soon, after those that wait and are as urgent."""
        if self._weights is None or self._held_s(now_s) > within_s:
            return False
        ahead = sum(wish.call.weight for wish in self._waiting.values() if wish.purpose <= purpose)
        return self._weights.free_at(ahead + weight, now_s) <= now_s + within_s

    def answered(self, number: int, answer: Answer, now_s: float) -> None:
        """The exchange answered."""
        sent = self._sent.pop(number, None)
        if sent is None:
            return
        sent_s, wish = sent
        told = fault(self._market, answer.body)
        if told is not None and told.kind is FaultKind.PACED and answer.retry_after_s is None:  # else it said how long
            self._pause.refused(sent_s, now_s)
        if not 200 <= answer.status < 300:
            self._refused(wish, answer, told, now_s)
        elif told is not None:
            failure = Failure(told.reason, permanent=told.kind is FaultKind.REFUSED)
            self._over(wish, told.kind.value, failure, now_s)
        else:
            self._pause.passed(sent_s)
            self.outcomes[wish.purpose, "ok"] += 1
            wish.done(answer, now_s)

    def failed(self, number: int, reason: str, now_s: float) -> None:
        """There is no answer."""
        sent = self._sent.pop(number, None)
        if sent is not None:
            self._over(sent[1], "failed", Failure(reason), now_s)

    def expire(self, now_s: float) -> None:
        """Give up calls that wait too long for their answer."""
        for number in [n for n, (sent_s, _) in self._sent.items() if now_s - sent_s >= TIMEOUT_S]:
            self._rest.cancel(number)
            self.failed(number, f"no answer within {TIMEOUT_S:g} s", now_s)

    def tick(self, now_s: float) -> float:
        """Give up and send what is due. Returns when to call again, at the latest."""
        self.expire(now_s)
        due_s = self._send(now_s)
        return min((due_s, *(sent_s + TIMEOUT_S for sent_s, _ in self._sent.values())))

    def _send(self, now_s: float) -> float:
        """Send what may go out. Returns when the next one may: it has its turn before all that are less urgent."""
        while self._waiting and self._weights is not None and len(self._sent) < MOST_IN_FLIGHT:
            number = min(self._waiting, key=lambda n: (self._waiting[n].purpose, n))
            wish = self._waiting[number]
            if wish.call.weight > self._weights.count:
                del self._waiting[number]
                self._over(wish, "failed", Failure("costs more than the whole budget", permanent=True), now_s)
                continue
            held_s = self._held_s(now_s)
            spare = self._weights.count // 2 if wish.purpose in _PATIENT else 0
            free_s = max(now_s + held_s, self._weights.free_at(wish.call.weight, now_s + held_s, spare))
            if free_s > now_s:
                return free_s
            self._weights.take(wish.call.weight, now_s, spare)
            self._sent[number] = (now_s, self._waiting.pop(number))
            self._spending(wish.call.weight)
            self._rest.get(number, wish.call)
        return float("inf")

    def _held_s(self, now_s: float) -> float:
        """How long nothing may go out, whatever the budget."""
        return max(self._bans.banned_for_s(now_s), self._pause.left_s(now_s))

    def _refused(self, wish: _Wish, answer: Answer, told: Fault | None, now_s: float) -> None:
        """The status is one of a refusal; what the body tells of it is more exact."""
        closing = self._market.refusal(answer.status, answer.retry_after_s)
        if closing.banned_s:
            self._bans.banned(closing.banned_s, closing.reason, now_s)
        said = words(self._market, answer.body)
        reason = f"{closing.reason or f'HTTP {answer.status}'}{': ' if said else ''}{said}"
        permanent = not closing.banned_s and _is_permanent(answer.status, told)
        self._over(wish, str(answer.status), Failure(reason, permanent), now_s)

    def _over(self, wish: _Wish, outcome: str, failure: Failure, now_s: float) -> None:
        log.warning("REST call %s (%s): %s", wish.call.path, wish.purpose.name.lower(), failure.reason)
        self.outcomes[wish.purpose, outcome] += 1
        wish.done(failure, now_s)


def _is_permanent(status: int, told: Fault | None) -> bool:
    if told is not None:
        return told.kind is FaultKind.REFUSED
    return 400 <= status < 500 and status not in _TRANSIENT
