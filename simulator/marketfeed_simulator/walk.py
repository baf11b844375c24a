"""What chance decides of a symbol's market, from its seed: how prices walk, and what sizes there are."""

from __future__ import annotations

from functools import lru_cache
from itertools import accumulate
from random import Random

from marketfeed_simulator.listing import decimal

SIZES = 1009
"""Sizes that there are: a prime, so that they come in another order at every pass."""
COARSE = 5
"""What has lots of more decimals is traded in more of them."""
REACH = 60
"""The best bid stays within so many ticks of where it began."""


@lru_cache(maxsize=64)
def sizes(seed: int, lot_decimals: int, places: int) -> tuple[list[int], list[str]]:
    """Sizes in lots and as text; symbols of the same lot share them, each beginning at another place."""
    rng = Random(f"{seed}:{lot_decimals}")  # noqa: S311
    finer = 10 ** max(0, lot_decimals - COARSE)
    lots = [max(1, int(finer * rng.lognormvariate(3.0, 1.6))) for _ in range(SIZES)]
    return lots, [decimal(size, lot_decimals, places) for size in lots]


def walk(rng: Random, period: int) -> list[int]:
    """A random walk that ends where it began."""
    steps = [0, *accumulate(rng.choice((-1, -1, 0, 0, 0, 0, 1, 1)) for _ in range(period))]
    drift = steps[-1] / period
    return [max(-REACH, min(REACH, step - round(drift * at))) for at, step in enumerate(steps[:-1])]
