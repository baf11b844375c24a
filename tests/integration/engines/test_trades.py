"""Recorded trades through the data path: those whose ids rise by one are complete, and a lost message is announced as such."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import expected
import pytest
from engines import needs_kernel
from pipeline_bed import Bed
from recordings import captures, lines, needs_recordings

from marketfeed.exchanges.catalogue import MARKETS
from marketfeed.exchanges.exchange import Market
from marketfeed.exchanges.message import Numbering
from marketfeed_shard.streams.table import Stream

pytestmark = [needs_recordings, needs_kernel, pytest.mark.timeout(300)]

ENGINES = ("compiled", "plain")
FRAMES = 3000


def trades(market: Market, path: Path) -> list[tuple[bytes, list[int]]]:
    """The trades of one symbol with their ids, of a kind whose ids rise by one."""
    by_symbol: dict[str, list[tuple[bytes, list[int]]]] = {}
    topics = [
        topic.partition("{symbol}")[2]
        for message in market.wire.messages
        if message.channel == "trades" and message.numbering is Numbering.CONSECUTIVE
        for topic in message.topics
    ]
    for frame in islice(lines(path), FRAMES) if topics else ():
        events = expected.events(market.exchange, market.name, frame) or []
        if events and events[0]["channel"] == "trades" and any(topic.encode() in frame for topic in topics):
            by_symbol.setdefault(events[0]["symbol"], []).append((frame, [int(event["id"]) for event in events]))
    return max(by_symbol.values(), key=len, default=[])


CAPTURES = [
    pytest.param(market, found, id=f"{market.exchange}-{market.name}-{path.name}")
    for market in MARKETS.values()
    for path in captures(market.exchange, market.name)
    if len(found := trades(market, path)) > 4
]


@pytest.mark.parametrize(("market", "found"), CAPTURES)
@pytest.mark.parametrize("engine", ENGINES)
def test_a_lost_message_is_announced_with_its_bounds(
    engine: str, market: Market, found: list[tuple[bytes, list[int]]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARKETFEED_ENGINE", engine)
    bed, lost = Bed(tmp_path, market), len(found) // 2
    symbol = (expected.events(market.exchange, market.name, found[0][0]) or [])[0]["symbol"]
    bed.pipeline.add([Stream("trades", symbol, market.native(symbol))])
    for number, (frame, _) in enumerate(found):
        if number != lost:
            bed.feed(frame.decode())
    started, *events = bed.take()
    bed.progress.close()
    gaps = [(event["reason"], event["from_seq"], event["to_seq"]) for event in events if event["type"] == "gap"]
    assert (started["reason"], gaps) == ("started", [("sequence", found[lost][1][0], found[lost][1][-1])])
    ids = [i for number, (_, own) in enumerate(found) for i in own if number != lost]
    assert [int(event["id"]) for event in events if event["type"] == "trade"] == ids
    assert [event["n"] for event in events] == list(range(2, len(events) + 2))
