"""Budgets that an exchange counts by address, divided among shards: together they never exceed it in any window.

Each shard gets a part of the window; where there are more shards than the window allows they take turns, over several windows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from marketfeed.assignment import Share
from marketfeed.exchanges.exchange import Market, Window
from marketfeed.problem import NotAccepted, Problem

WINDOW_S: Final = 300.0
LATE_S: Final = 0.35
"""A turn lasts a quarter of a second, and clocks differ: what is a window apart here must not arrive closer there."""
LONGEST_S: Final = 600.0
"""In so long each shard may do everything at least once."""
ASIDE: Final = 0.2
"""Part of the REST budget that no shard has: the operator and commands ask for instrument lists."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A shard that wants its parts."""

    market: Market
    attempts: int
    """To connect, in 5 minutes from one address, as the manifest allows them."""
    costliest: int
    """Weight of the costliest REST call that it may have to make."""


@dataclass(frozen=True, slots=True)
class Shares:
    """One shard's parts."""

    connects: Share
    connects_burst: Share | None
    rest: Share


def shares(claims: Sequence[Claim]) -> list[Shares]:
    """Each shard's parts, in the order of the claims. Raises `NotAccepted` where one of them would get too little.

    Markets of one exchange that have a host in common have the budget in common, too.
    """
    connects: dict[int, tuple[Share, Share | None]] = {}
    for together in _by_host(claims, lambda market: market.endpoints.ws):
        connects |= zip(together, _connects([claims[i] for i in together]), strict=True)
    rest: dict[int, Share] = {}
    for together in _by_host(claims, lambda market: market.endpoints.rest):
        rest |= zip(together, _rest([claims[i] for i in together]), strict=True)
    return [Shares(*connects[i], rest[i]) for i in range(len(claims))]


def _by_host(claims: Sequence[Claim], address: Callable[[Market], str]) -> Iterable[list[int]]:
    """Numbers of the claims, those on one budget together."""
    found: dict[tuple[str, str], list[int]] = {}
    for i, claim in enumerate(claims):
        found.setdefault((claim.market.exchange, urlsplit(address(claim.market)).netloc), []).append(i)
    return found.values()


def _connects(claims: Sequence[Claim]) -> list[tuple[Share, Share | None]]:
    """Attempts to connect, in 5 minutes and, where the exchange has such a limit, in a shorter time beside that."""
    attempts = Window(min(claim.attempts for claim in claims), WINDOW_S)
    burst = min((c.market.limits.connects for c in claims if c.market.limits.connects is not None), key=_rate, default=None)
    # Who takes turns with the attempts takes them so far apart that the shorter window needs none of its own.
    parts = _divided(attempts, len(claims), 0.0 if burst is None else (burst.seconds + LATE_S) / burst.count)
    if parts[0].seconds > LONGEST_S:
        way_out = "raise limits.connectsPer5Minutes or sharding.connectionsPerShard, so that each has one in 10 minutes"
        raise _refused(claims, f"share {attempts.count} connection attempts in 5 minutes to {_names(claims)}", way_out)
    if burst is None:
        return [(part, None) for part in parts]
    if parts[0].turn_s is not None:
        return [(part, Share(count=1, seconds=burst.seconds)) for part in parts]
    return list(zip(parts, _divided(burst, len(claims)), strict=True))


def _rest(claims: Sequence[Claim]) -> list[Share]:
    """Weight of REST calls: where a part is below the costliest call, that many at once, in turns."""
    window = min((claim.market.limits.rest for claim in claims), key=_rate)
    costliest = max(claim.costliest for claim in claims)
    usable = window.count * (1.0 - ASIDE)
    each = int(usable / len(claims))
    if each >= costliest:
        return [Share(count=each, seconds=window.seconds) for _ in claims]
    calls = Window(max(1, int(usable / costliest)), window.seconds * max(1.0, costliest / usable))
    parts = [part.model_copy(update={"count": costliest}) for part in _divided(calls, len(claims))]
    if parts[0].seconds > LONGEST_S:
        allowed = f"share REST calls of weight {window.count} in {window.seconds:g} s to {_names(claims)}"
        way_out = f"raise sharding.connectionsPerShard, so that each has one of weight {costliest} in 10 minutes"
        raise _refused(claims, allowed, way_out)
    return parts


def _divided(window: Window, shards: int, apart_s: float = 0.0) -> list[Share]:
    """Each shard's part: several in a window, or one in several of them in its turn. `apart_s`: between turns, at least."""
    if shards <= window.count:
        return [Share(count=window.count // shards, seconds=window.seconds) for _ in range(shards)]
    windows = -(-shards // window.count)
    period_s = max(windows * (window.seconds + LATE_S), shards * apart_s)
    return [
        Share(
            count=1,
            seconds=max(windows * window.seconds, shards * apart_s - LATE_S),
            turn_s=round(number * period_s / shards, 3),
            period_s=period_s,
        )
        for number in range(shards)
    ]


def _rate(window: Window) -> float:
    return window.count / window.seconds


def _names(claims: Sequence[Claim]) -> str:
    """Of the markets: `okx linear, spot`."""
    return f"{claims[0].market.exchange} {', '.join(sorted({claim.market.name for claim in claims}))}"


def _refused(claims: Sequence[Claim], told: str, way_out: str) -> NotAccepted:
    return NotAccepted([Problem("spec.sources", f"{len(claims)} shards {told}", way_out, "AddressBudgetExceeded")])
