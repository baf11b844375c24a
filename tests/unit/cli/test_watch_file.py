from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from marketfeed_cli import watch_file
from marketfeed_cli.watch_file import changes, signature

POLL_S = 0.005


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "feed.yaml"
    file.write_text("one")
    return file


async def change_after(path: Path, act: Any) -> bool:
    """What is told first after this was done."""
    seen = signature(path)
    act()
    async with asyncio.timeout(10), aclosing(changes(path, seen, POLL_S)) as found:
        return await anext(found)


async def test_a_file_that_is_written_in_place_has_changed(file: Path) -> None:
    assert await change_after(file, lambda: file.write_text("two and more"))


async def test_a_file_that_is_replaced_has_changed(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "new"
    other.write_text("two")
    assert await change_after(file, lambda: other.replace(file))


async def test_a_symlink_that_is_swapped_somewhere_on_the_way_is_a_change(tmp_path: Path) -> None:
    for version in ("v1", "v2"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "feed.yaml").write_text(version)
    (tmp_path / "data").symlink_to("v1")
    (tmp_path / "feed.yaml").symlink_to("data/feed.yaml")

    def swap() -> None:
        (tmp_path / "next").symlink_to("v2")
        (tmp_path / "next").rename(tmp_path / "data")

    assert await change_after(tmp_path / "feed.yaml", swap)


async def test_a_file_that_is_gone_for_a_moment_has_changed_when_it_is_back(file: Path) -> None:
    def act() -> None:
        file.unlink()
        asyncio.get_running_loop().call_later(10 * POLL_S, lambda: file.write_text("back"))

    assert await change_after(file, act)


async def test_a_file_that_stays_away_is_told_once(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_file, "GONE_S", 10 * POLL_S)
    assert not await change_after(file, file.unlink)


async def test_the_same_file_is_no_change(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter([signature(file)] * 20)
    monkeypatch.setattr(watch_file, "signature", lambda path: next(looks))
    async with aclosing(changes(file, signature(file), 0.0)) as found:
        with pytest.raises(RuntimeError, match="StopIteration"):  # looked 20 times, and told nothing
            await anext(found)


async def test_a_change_counts_when_it_has_settled(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter([(1, 1, n, n) for n in (1, 2, 3, 3, 4)])
    seen: list[Any] = []

    def look(path: Path) -> Any:
        seen.append(next(looks, (1, 1, 4, 4)))
        return seen[-1]

    monkeypatch.setattr(watch_file, "signature", look)
    async with aclosing(changes(file, (1, 1, 0, 0), 0.0)) as found:
        assert await anext(found)
    assert seen[-3:] == [(1, 1, 4, 4)] * 3
