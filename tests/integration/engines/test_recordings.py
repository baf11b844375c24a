"""Every recorded message of four exchanges through both engines, and beside an expectation of its own."""

from __future__ import annotations

from pathlib import Path

import expected
import pytest
from engines import Both, needs_kernel
from recordings import captures, lines, needs_recordings

from marketfeed.exchanges.catalogue import MARKETS
from marketfeed.exchanges.exchange import Market

pytestmark = [needs_recordings, needs_kernel, pytest.mark.timeout(300)]

CAPTURES = [
    pytest.param(market, path, id=f"{market.exchange}-{market.name}-{path.name}")
    for market in MARKETS.values()
    for path in captures(market.exchange, market.name)
]


@pytest.mark.parametrize(("market", "path"), CAPTURES)
def test_engines_agree_and_fields_are_those_of_the_raw_message(market: Market, path: Path) -> None:
    both = Both(market, market.symbol)
    seen = data = 0
    for frame in lines(path):
        events = both.events(frame)
        wanted = expected.events(market.exchange, market.name, frame)
        assert events == wanted, frame
        assert wanted is None or [list(event) for event in events or ()] == [list(event) for event in wanted], frame
        seen += 1
        data += wanted is not None
    assert seen
    assert both.accepted == data  # nothing that exchanges really send is declined


def test_each_market_is_recorded() -> None:
    assert all(captures(exchange, market) for exchange, market in MARKETS)
