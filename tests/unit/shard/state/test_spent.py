from __future__ import annotations

from pathlib import Path

from marketfeed_shard.state.spent import MOST, Spent


def test_what_was_spent_survives_the_process(tmp_path: Path) -> None:
    spent = Spent(tmp_path / "spent")
    assert spent.calls == []
    spent.add(1, 250)
    spent.add(2, 1)
    heir = Spent(tmp_path / "spent")  # the first one was killed: nothing was closed
    assert heir.calls == [(1, 250), (2, 1)]
    heir.add(3, 5)
    heir.close()
    assert Spent(tmp_path / "spent").calls == [(1, 250), (2, 1), (3, 5)]
    spent.close()


def test_the_file_does_not_grow_without_end(tmp_path: Path) -> None:
    spent = Spent(tmp_path / "spent")
    for number in range(3 * MOST):
        spent.add(number, 1)
    spent.close()
    assert (tmp_path / "spent").stat().st_size <= 2 * MOST * 16
    assert Spent(tmp_path / "spent").calls[-1] == (3 * MOST - 1, 1)


def test_a_file_that_is_cut_short_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    spent = Spent(tmp_path / "spent")
    spent.add(1, 2)
    spent.add(3, 4)
    spent.close()
    path = tmp_path / "spent"
    path.write_bytes(path.read_bytes()[:-3])
    assert Spent(path).calls == [(1, 2)]
