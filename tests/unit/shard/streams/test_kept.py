from __future__ import annotations

from marketfeed_shard.streams.kept import KEPT_BYTES, KEPT_NS, Frame, Kept


def frame(size_bytes: int = 10, received_ns: int = 0) -> Frame:
    return Frame(bytes(size_bytes), 1, received_ns, 1, received_ns)


def test_the_oldest_give_way_to_age_and_size() -> None:
    kept = Kept()
    kept.add(frame(received_ns=0))
    kept.add(frame(received_ns=KEPT_NS))
    kept.trim()
    assert len(kept.frames) == 2
    kept.add(frame(received_ns=KEPT_NS + 1))
    kept.trim()
    assert [f.received_ns for f in kept.frames] == [KEPT_NS, KEPT_NS + 1]
    kept.add(frame(KEPT_BYTES - 15, received_ns=KEPT_NS + 2))
    kept.trim()
    assert [f.received_ns for f in kept.frames] == [KEPT_NS + 1, KEPT_NS + 2]


def test_the_latest_is_kept_whatever_its_size() -> None:
    kept = Kept()
    kept.add(frame())
    kept.add(frame(2 * KEPT_BYTES))
    assert kept.full
    kept.trim()
    assert [len(f.content) for f in kept.frames] == [2 * KEPT_BYTES]
