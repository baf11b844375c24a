from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pipeline_bed import Bed

from marketfeed_shard import kernel


@pytest.fixture(params=["compiled", "plain"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The test runs with each engine."""
    wanted: str = request.param
    monkeypatch.setenv("MARKETFEED_ENGINE", wanted)
    if wanted == "compiled" and kernel.load() is None:
        pytest.skip("the kernel is not compiled here")
    return wanted


@pytest.fixture
def bed(engine: str, tmp_path: Path) -> Iterator[Bed]:
    """A pipeline of Binance's spot market."""
    made = Bed(tmp_path)
    yield made
    made.progress.close()
