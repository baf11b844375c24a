from __future__ import annotations

import importlib
from array import array
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketfeed.v1.marketfeed_pb2 import EventBatch
from marketfeed_shard.publishers import framing

NAMES = ["md.a", "md.币安人生-USDT", "x" * 130]
PREFIXES = [framing.publish_prefix(name) for name in NAMES]
events = st.lists(st.tuples(st.integers(0, 2), st.binary(max_size=300)), max_size=20)


def batch(rows: list[tuple[int, bytes]]) -> tuple[bytes, array[int]]:
    index, data = array("q"), b""
    for slot, event in rows:
        index.extend((slot, len(data), len(data) + len(event), 7, 0))
        data += event
    return data, index


@pytest.fixture(scope="module")
def compiled() -> ModuleType:
    return pytest.importorskip("marketfeed_shard.publishers._framing", reason="the compiled modules are not built")


@given(events)
def test_each_event_is_a_publish_to_the_channel_of_its_slot(rows: list[tuple[int, bytes]]) -> None:
    expected = b""
    for slot, event in rows:
        words = [b"PUBLISH", NAMES[slot].encode(), event]
        expected += b"*3\r\n" + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)
    assert framing.plain_resp(*batch(rows), PREFIXES) == expected


@given(events, st.binary(min_size=3, max_size=3))
def test_wanted_events_are_the_events_of_an_event_batch(rows: list[tuple[int, bytes]], mask: bytes) -> None:
    framed, count = framing.plain_protobuf(*batch(rows), mask)
    assert list(EventBatch.FromString(framed).events) == [event for slot, event in rows if mask[slot]]
    assert count == sum(1 for slot, _ in rows if mask[slot])


@given(rows=events, mask=st.binary(min_size=3, max_size=3))
def test_compiled_and_plain_write_the_same_bytes(compiled: ModuleType, rows: list[tuple[int, bytes]], mask: bytes) -> None:
    data, index = batch(rows)
    assert compiled.resp(data, index, PREFIXES) == framing.plain_resp(data, index, PREFIXES)
    assert compiled.protobuf(data, index, mask) == framing.plain_protobuf(data, index, mask)


@pytest.mark.parametrize("size", [0, 9, 10, 127, 128, 999, 1000, 16_383, 16_384, 100_000])
def test_lengths_are_written_right_at_every_width(compiled: ModuleType, size: int) -> None:
    data, index = batch([(0, b"x" * size)])
    assert compiled.resp(data, index, PREFIXES) == framing.plain_resp(data, index, PREFIXES)
    assert compiled.protobuf(data, index, b"\1") == framing.plain_protobuf(data, index, b"\1")
    assert list(EventBatch.FromString(compiled.protobuf(data, index, b"\1")[0]).events) == [data]


@pytest.mark.parametrize("row", [(0, -1, 2, 0, 0), (0, 2, 1, 0, 0), (0, 0, 4, 0, 0), (-1, 0, 1, 0, 0), (3, 0, 1, 0, 0)])
@pytest.mark.parametrize("engine", ["plain", "compiled"])
def test_an_index_that_does_not_fit_is_refused(engine: str, row: tuple[int, ...], compiled: ModuleType) -> None:
    resp = framing.plain_resp if engine == "plain" else compiled.resp
    protobuf = framing.plain_protobuf if engine == "plain" else compiled.protobuf
    with pytest.raises(ValueError, match="batch"):
        resp(b"abc", array("q", row), PREFIXES)
    with pytest.raises(ValueError, match="batch"):
        protobuf(b"abc", array("q", row), b"\1\1\1")


def test_the_plain_one_runs_where_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARKETFEED_ENGINE", "plain")
    plain = importlib.reload(framing)
    try:
        assert plain.resp is plain.plain_resp
        assert plain.protobuf is plain.plain_protobuf
    finally:
        monkeypatch.undo()
        importlib.reload(framing)
