from __future__ import annotations

from pathlib import Path

import pytest

from marketfeed.assignment import Ban
from marketfeed_shard.recovery.instruments import Facts
from marketfeed_shard.state.directory import StateDirectory


def test_what_is_remembered_is_the_past_of_the_next_process(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path, "wss://exchange")
    state.attempted(5)
    state.spent(6, 250)
    state.banned(Ban(until_ns=7, reason="HTTP 418"))
    state.listed({"A-USDT": Facts("TRADING", "0.01"), "B-USDT": Facts()})
    state.close()
    past = StateDirectory(tmp_path, "wss://exchange").past()
    assert list(past.attempts_ns) == [5]
    assert list(past.spent) == [(6, 250)]
    assert past.ban == Ban(until_ns=7, reason="HTTP 418")
    assert past.listed == {"A-USDT": Facts("TRADING", "0.01"), "B-USDT": Facts()}


def test_a_first_process_has_no_past(tmp_path: Path) -> None:
    past = StateDirectory(tmp_path, "wss://exchange").past()
    assert (list(past.attempts_ns), list(past.spent), past.ban, past.listed) == ([], [], None, {})


@pytest.mark.parametrize("content", [b"", b"[]", b'{"A-USDT": 1}', b'{"A-USDT": [1, 2, 3, 4, 5, 6, 7]}', b"\xff"])
def test_a_file_of_instruments_that_is_none_is_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "instruments").write_bytes(content)
    assert StateDirectory(tmp_path, "wss://exchange").past().listed == {}
