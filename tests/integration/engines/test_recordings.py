"""Every recorded message of four exchanges through both engines, and beside an expectation of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from engines import Both, needs_kernel
from expectation import expected
from recordings import captures, lines, needs_recordings

from marketfeed.exchanges.catalogue import MARKETS

pytestmark = [needs_recordings, needs_kernel, pytest.mark.timeout(300)]

CAPTURES = [
    pytest.param(exchange, market, path, id=f"{exchange}-{market}-{path.name}")
    for exchange, market in MARKETS
    for path in captures(exchange, market)
]
HEAD = ("type", "exchange", "market", "channel", "symbol", "ts", "recv", "n")
TYPES = {"trades": "trade", "bbo": "bbo", "book": "book", "ticker": "ticker", "derivative": "derivative",
         "liquidations": "liquidation"}  # fmt: skip


def in_full(wanted: dict[str, Any], exchange: str, market: str) -> dict[str, Any]:
    own = {key: value for key, value in wanted.items() if key not in {"channel", "native", "ts"}}
    channel = wanted["channel"]
    kind = TYPES.get(channel, "candle")
    symbol = MARKETS[exchange, market].symbol(wanted["native"])
    head = (kind, exchange, market, channel, symbol, wanted["ts"], None, None)
    return {**dict(zip(HEAD, head, strict=True)), **own}


@pytest.mark.parametrize(("exchange", "market", "path"), CAPTURES)
def test_engines_agree_and_fields_are_those_of_the_raw_message(exchange: str, market: str, path: Path) -> None:
    both = Both(MARKETS[exchange, market], MARKETS[exchange, market].symbol)
    seen = data = 0
    for frame in lines(path):
        events = both.events(frame)
        wanted = expected(exchange, market, frame)
        seen += 1
        if wanted is None:
            assert events is None, frame
            continue
        data += 1
        in_order = [in_full(event, exchange, market) for event in wanted]
        assert events == in_order, frame
        assert [list(event) for event in events] == [list(event) for event in in_order], frame
    assert seen
    assert both.accepted == data  # nothing that exchanges really send is declined
