from __future__ import annotations

from array import array
from pathlib import Path

import pytest

from marketfeed_shard.state import progress as module
from marketfeed_shard.state.progress import Mark, Progress
from marketfeed_shard.streams.batch import Batch
from marketfeed_shard.streams.table import UNKNOWN


def batch(received_ns: int, *events: tuple[int, int]) -> Batch:
    """Events of (slot, position)."""
    index = array("q")
    for slot, position in events:
        index.extend((slot, 0, 0, position, 0))
    return Batch(b"", index, received_ns)


@pytest.fixture(params=["compiled", "plain"])
def progress(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Progress:
    if request.param == "plain":
        monkeypatch.setattr(module, "_write", module._write_plain)
    return Progress(tmp_path / "progress")


def test_the_last_event_of_each_stream_is_its_mark(progress: Progress, tmp_path: Path) -> None:
    progress.resize(["trades:BTC-USDT", "bbo:BTC-USDT"])
    progress.commit(batch(5, (0, 10), (1, 100), (0, 11)))
    progress.commit(batch(7, (1, UNKNOWN)))
    assert progress.marks() == {"trades:BTC-USDT": Mark(11, 5), "bbo:BTC-USDT": Mark(UNKNOWN, 7)}
    progress.close()
    assert Progress(tmp_path / "progress").known == {"trades:BTC-USDT": Mark(11, 5), "bbo:BTC-USDT": Mark(UNKNOWN, 7)}


def test_a_batch_that_comes_late_takes_nothing_back(progress: Progress) -> None:
    progress.resize(["a", "b"])
    progress.commit(batch(7, (0, 11)))
    progress.commit(batch(5, (0, 10), (1, 3)))
    assert progress.marks() == {"a": Mark(11, 7), "b": Mark(3, 5)}
    progress.close()


def test_marks_outlive_more_streams(progress: Progress) -> None:
    progress.resize(["a"])
    progress.commit(batch(5, (0, 10)))
    progress.resize([f"s{i}" for i in range(200)] + ["a"])
    progress.commit(batch(6, (199, 3)))
    assert progress.marks() == {"a": Mark(10, 5), "s199": Mark(3, 6)}
    progress.close()


def test_marks_of_streams_that_are_not_carried_now_are_kept(progress: Progress, tmp_path: Path) -> None:
    progress.resize(["a", "b"])
    progress.commit(batch(5, (0, 1), (1, 2)))
    progress.close()
    heir = Progress(tmp_path / "progress")
    heir.resize(["b"])
    heir.close()
    assert Progress(tmp_path / "progress").known["a"] == Mark(1, 5)


def test_a_file_of_another_kind_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "progress").write_bytes(b"something else, and long enough to be looked at as one of ours")
    made = Progress(tmp_path / "progress")
    assert made.known == {}
    made.resize(["a"])
    made.commit(batch(5, (0, 1)))
    made.close()
    assert Progress(tmp_path / "progress").known == {"a": Mark(1, 5)}


def test_a_name_that_does_not_fit_is_refused(progress: Progress) -> None:
    with pytest.raises(ValueError, match="longer than"):
        progress.resize(["x" * 200])
