from __future__ import annotations

from pathlib import Path

from marketfeed.assignment import Ban
from marketfeed_shard.state.bans import KeptBan

S = 1_000_000_000


def test_a_ban_outlives_a_process_that_is_killed(tmp_path: Path) -> None:
    kept = KeptBan(tmp_path / "ban", "ws://h")
    assert kept.ban is None
    kept.keep(Ban(until_ns=100 * S, reason="Banned (HTTP 418)"))
    assert KeptBan(tmp_path / "ban", "ws://h").ban == Ban(until_ns=100 * S, reason="Banned (HTTP 418)")
    assert KeptBan(tmp_path / "ban", "ws://other").ban is None, "another address knows nothing of it"


def test_the_one_that_ends_last_stays_and_the_same_is_not_written_again(tmp_path: Path) -> None:
    kept = KeptBan(tmp_path / "ban", "ws://h")
    kept.keep(Ban(until_ns=100 * S))
    written = (tmp_path / "ban").stat().st_ino
    kept.keep(Ban(until_ns=50 * S))
    kept.keep(Ban(until_ns=100 * S + 5))
    assert (tmp_path / "ban").stat().st_ino == written
    kept.keep(Ban(until_ns=200 * S))
    heir = KeptBan(tmp_path / "ban", "ws://h")
    assert heir.ban is not None
    assert heir.ban.until_ns == 200 * S


def test_a_file_that_is_none_of_ours_counts_for_nothing(tmp_path: Path) -> None:
    (tmp_path / "ban").write_bytes(b"\0nonsense")
    assert KeptBan(tmp_path / "ban", "ws://h").ban is None
