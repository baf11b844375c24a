"""What the tests of all exchanges share: which markets, and the times that they measure."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from measured import Times

from marketfeed_simulator.catalogue import EXCHANGES

USUAL = {"okx": ("inverse",)}
"""What each run tests; the other markets take minutes more."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`exchange` and `market` of a test: the usual ones, or with `MARKETFEED_MARKETS=all` every one."""
    if {"exchange", "market"} <= set(metafunc.fixturenames):
        every = os.environ.get("MARKETFEED_MARKETS") == "all"
        chosen = [(e, m) for e, m in sorted(EXCHANGES) if every or m in USUAL.get(e, ())]
        metafunc.parametrize(("exchange", "market"), chosen, ids=[f"{e} {m}" for e, m in chosen])


@pytest.fixture(scope="session")
def times(request: pytest.FixtureRequest) -> Iterator[Times]:
    """Told at the end, whether output is captured or not."""
    made = Times()
    yield made
    capture = request.config.pluginmanager.getplugin("capturemanager")
    assert capture is not None
    with capture.global_and_fixture_disabled():
        print("", *made.lines(), sep="\n")
