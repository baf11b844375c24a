"""The examples are what they say they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from marketfeed.exchanges import catalogue
from marketfeed.planner import plan
from marketfeed_cli.manifest import feed

EXAMPLES = sorted((Path(__file__).parents[3] / "examples").glob("*.yaml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_accepted_and_planned(path: Path) -> None:
    found = feed(str(path))
    assert found.metadata.name == path.stem
    selecting = any(source.symbol_selector is not None for source in found.spec.sources)
    result = plan(found)
    assert result.assignments
    assert bool(result.waiting) == selecting


def test_every_market_has_an_example() -> None:
    shown = {(source.exchange, source.market) for path in EXAMPLES for source in feed(str(path)).spec.sources}
    assert shown == set(catalogue.MARKETS)
