from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from engines import needs_kernel
from pipeline_bed import Bed, bbo, trade

from marketfeed_shard.kernel.plain import PlainEngine
from marketfeed_shard.transport.reader import PlainReader, factory


@pytest.fixture(params=[pytest.param("compiled", marks=needs_kernel), "plain"])
def bed(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bed:
    if request.param == "plain":
        monkeypatch.setenv("MARKETFEED_ENGINE", "plain")
    return Bed(tmp_path)


def test_messages_of_known_topics_go_to_the_engine_and_the_streams_are_marked(bed: Bed) -> None:
    trades, quotes, other = bed.add(("trades", "BTC-USDT"), ("bbo", "BTC-USDT"), ("bbo", "ETH-USDT"))
    reader = factory(bed.pipeline.engine)(7, 3)
    taken = []
    for at, message in enumerate((trade(1), trade(2), bbo(5), bbo(6))):
        received_ns = bed.now_ns + at
        reader.begin(received_ns)
        frame = json.dumps(message).encode()
        taken.append(reader.feed(frame))
        if not taken[-1]:
            for slot in bed.pipeline.decode(frame, 7, received_ns):
                reader.mark(slot)
            reader.count(received_ns)
        bed.pipeline.flush()
    assert [(e["type"], e["recv"]) for e in bed.take() if e["type"] != "gap"] == [
        ("trade", bed.now_ns), ("trade", bed.now_ns + 1), ("bbo", bed.now_ns + 2), ("bbo", bed.now_ns + 3),
    ]  # fmt: skip
    assert not any(taken) if isinstance(reader, PlainReader) else taken[1] and taken[3], (
        "a topic that was met goes to the engine"
    )
    assert [reader.saw(slot) for slot in (trades, quotes, other)] == [True, True, False]
    assert (reader.messages, reader.last_message_ns) == (4, bed.now_ns + 3)


def test_what_is_no_data_counts_for_nothing(bed: Bed) -> None:
    bed.add(("trades", "BTC-USDT"))
    reader = factory(bed.pipeline.engine)(7, 1)
    reader.begin(bed.now_ns)
    assert not reader.feed(b'{"result":null,"id":1}')
    assert not reader.feed(b"no JSON")
    assert (reader.messages, reader.last_message_ns, reader.saw(0)) == (0, 0, False)


def test_streams_that_are_new_have_not_been_seen(bed: Bed) -> None:
    reader = factory(bed.pipeline.engine)(7, 1)
    reader.mark(0)
    reader.grow(2000)
    assert reader.saw(0)
    assert not any(reader.saw(slot) for slot in range(1, 2000))
    reader.mark(1999)
    assert reader.saw(1999)


def test_what_came_since_somebody_looked_is_told_once(bed: Bed) -> None:
    trades, quotes, other = bed.add(("trades", "BTC-USDT"), ("bbo", "BTC-USDT"), ("bbo", "ETH-USDT"))
    reader = factory(bed.pipeline.engine)(7, 3)

    def read(*messages: dict[str, Any]) -> None:
        reader.begin(bed.now_ns)
        for message in messages:
            frame = json.dumps(message).encode()
            if not reader.feed(frame):
                for slot in bed.pipeline.decode(frame, 7, bed.now_ns):
                    reader.mark(slot)

    read(trade(1), bbo(5))
    read(trade(2), bbo(6))
    assert list(reader.fresh()) == [trades, quotes]
    assert list(reader.fresh()) == []
    read(trade(3))
    assert list(reader.fresh()) == [trades]
    assert [reader.saw(slot) for slot in (trades, quotes, other)] == [True, True, False], "looking forgets nothing"


def test_without_a_compiled_engine_there_is_a_plain_reader() -> None:
    assert isinstance(factory(PlainEngine(()))(1, 1), PlainReader)
