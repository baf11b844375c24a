"""Whatever bytes come, both engines agree, neither raises, and the data path counts what it cannot read and goes on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from arbitrary import SYMBOLS, frames, topical
from engines import Both, needs_kernel
from hypothesis import HealthCheck, given, settings
from pipeline_bed import Bed

from marketfeed.exchanges.catalogue import MARKETS
from marketfeed.exchanges.exchange import Market
from marketfeed.exchanges.message import Message
from marketfeed.normalizer import Malformed, Normalizer
from marketfeed_cli.offline import Converter
from marketfeed_shard.streams.table import Stream

pytestmark = needs_kernel

DECLARED = [
    pytest.param(market, message, id=f"{market.exchange}-{market.name}-{message.topics[0]}")
    for market in MARKETS.values()
    for message in market.wire.messages
]


@pytest.mark.parametrize(("market", "message"), DECLARED)
def test_what_is_declared_is_taken_by_both_engines(market: Market, message: Message) -> None:
    both = Both(market, market.symbol)
    for pattern in message.topics:
        events = both.events(json.dumps(topical(market, pattern)).encode()) or []
        assert message.of_index or message.channel in {event["channel"].partition(".")[0] for event in events}
    assert both.declined == (len(message.topics) if message.of_index else 0)  # whom an index is about, the plain engine knows


@pytest.mark.parametrize("market", MARKETS.values(), ids=lambda market: f"{market.exchange}-{market.name}")
def test_engines_agree_and_never_raise(market: Market) -> None:
    both = Both(market, market.symbol)

    @given(frames(market))
    @settings(max_examples=400)
    def agree(frame: bytes) -> None:
        both.events(frame)

    agree()


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "plain"])
@pytest.mark.parametrize("market", MARKETS.values(), ids=lambda market: f"{market.exchange}-{market.name}")
def test_offline_each_message_is_accounted_for(market: Market, compiled: bool) -> None:
    @given(frames(market))
    @settings(max_examples=100)
    def is_accounted_for(frame: bytes) -> None:
        converter = Converter(market, market.symbol, compiled)
        try:
            events = converter.convert(frame)
        except Malformed:
            return
        counts = converter.counts
        assert counts.events.total() == events.count(b"\n")
        assert bool(events) + counts.control + counts.ignored.total() == 1

    is_accounted_for()


@pytest.mark.parametrize("engine", ["compiled", "plain"])
@pytest.mark.parametrize("market", MARKETS.values(), ids=lambda market: f"{market.exchange}-{market.name}")
def test_the_data_path_counts_what_it_cannot_read_and_goes_on(
    market: Market, engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARKETFEED_ENGINE", engine)
    bed, normalizer = Bed(tmp_path, market), Normalizer(market, market.symbol)
    symbol = SYMBOLS[market.name]
    bed.pipeline.add([Stream(channel, symbol, market.native(symbol)) for channel in market.channels])
    counts = bed.pipeline.counts

    @given(frames(market))
    @settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
    def goes_on(frame: bytes) -> None:
        before = counts.malformed
        received_ns = bed.now_ns
        bed.pipeline.engine.mark_read(received_ns)
        if not bed.pipeline.engine.feed(frame, 0, received_ns):
            bed.pipeline.decode(frame, 0, received_ns)
        bed.pipeline.flush()
        try:
            normalizer.decode(frame)
        except Malformed:
            assert counts.malformed == before + 1
        else:
            assert counts.malformed == before

    goes_on()
    bed.progress.close()
