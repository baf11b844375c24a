"""A hundred thousand broken frames of each exchange: the compiled engine may decline, it never differs, and neither ever fails.

They are the same ones each time, spread evenly over the exchange's markets, and take some 6 s an exchange.
"""

from __future__ import annotations

from itertools import islice
from random import Random

import pytest
from engines import Both, needs_kernel
from mutations import mutated
from recordings import captures, lines, needs_recordings

from marketfeed.exchanges import catalogue

pytestmark = [needs_recordings, needs_kernel, pytest.mark.timeout(300)]

_DATA = b'"data":'
SEED = 20_261_125
FRAMES = 100_000
"""Of each exchange."""


def sampled(exchange: str, market: str, random: Random) -> list[bytes]:
    """Up to 150 messages of each file, from all over it, so that rare kinds are there as often as common ones.

    Some of Binance's come as a raw stream has them.
    """
    frames: list[bytes] = []
    for path in captures(exchange, market):
        read = list(islice(lines(path), 20_000))
        frames += random.sample(read, min(150, len(read)))
    raw = [frame[frame.index(_DATA) + len(_DATA) : -1] for frame in frames if frame.startswith(b'{"stream":')]
    return frames + random.sample(raw, len(raw) // 3)


@pytest.mark.parametrize("exchange", catalogue.exchanges())
def test_engines_agree_on_mutated_frames(exchange: str) -> None:
    random = Random(f"{SEED} {exchange}")
    markets = catalogue.markets(exchange)
    accepted = malformed = 0
    for name in markets:
        market = catalogue.market(exchange, name)
        both = Both(market, market.symbol)
        frames = sampled(exchange, name, random)
        for _ in range(-(-FRAMES // len(markets))):
            events = both.events(mutated(random.choice(frames), random))
            malformed += events is None
        accepted += both.accepted
    assert accepted > FRAMES // 20  # the mutations are mild enough to mean something
    assert malformed > FRAMES // 5  # and hard enough
