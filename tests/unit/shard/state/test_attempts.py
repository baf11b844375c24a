from __future__ import annotations

from pathlib import Path

from marketfeed_shard.state.attempts import MOST, Attempts


def test_attempts_outlive_a_process_that_is_killed(tmp_path: Path) -> None:
    attempts = Attempts(tmp_path / "attempts")
    attempts.add(5)
    attempts.add(7)
    heir = Attempts(tmp_path / "attempts")  # nothing was closed
    assert list(heir.times_ns) == [5, 7]
    heir.add(9)
    assert list(Attempts(tmp_path / "attempts").times_ns) == [5, 7, 9]
    attempts.close()
    heir.close()


def test_a_file_that_was_cut_short_keeps_its_whole_entries(tmp_path: Path) -> None:
    attempts = Attempts(tmp_path / "attempts")
    attempts.add(5)
    attempts.close()
    with (tmp_path / "attempts").open("ab") as file:
        file.write(b"\1\2\3")
    assert list(Attempts(tmp_path / "attempts").times_ns) == [5]


def test_only_the_latest_are_kept(tmp_path: Path) -> None:
    attempts = Attempts(tmp_path / "attempts")
    for number in range(MOST + 10):
        attempts.add(number)
    attempts.close()
    heir = Attempts(tmp_path / "attempts")
    assert list(heir.times_ns) == list(range(10, MOST + 10))
    heir.add(1)
    heir.close()
    assert (tmp_path / "attempts").stat().st_size == 8 * (MOST + 1)
