"""An hour of a shard at each simulated market, with more trouble than a day has."""

from __future__ import annotations

import pytest

from marketfeed_shard.pipeline.gaps import Continuity
from marketfeed_shard.recovery.backfill import Backfill
from marketfeed_simulator.catalogue import EXCHANGES
from tests.simulation.life import live
from tests.simulation.plan import Plan

MARKETS = [pytest.param(exchange, market, id=f"{exchange} {market}") for exchange, market in sorted(EXCHANGES)]


@pytest.mark.parametrize(("exchange", "market"), MARKETS)
def test_whatever_goes_wrong_all_that_was_told_is_published_or_announced(exchange: str, market: str) -> None:
    outcome = live(Plan(exchange, market, hours=1.0, trouble_s=180.0), seed=1)
    assert outcome.failure is None
    assert outcome.figures.published > 2_000
    assert outcome.figures.faults.total() > 5
    assert outcome.figures.books_compared > 50


def test_a_day_is_lived_again_from_its_seed() -> None:
    plan = Plan("binance", "spot", hours=0.6, trouble_s=120.0)
    assert live(plan, 2) == live(plan, 2)
    assert live(plan, 2).figures != live(plan, 3).figures


def test_a_shard_that_announces_nothing_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    resumed = Continuity._resumed

    def silently(self: Continuity, slot: int, position: int, received_ns: int) -> None:
        resumed(self, slot, position, received_ns)

    monkeypatch.setattr(Continuity, "_resumed", silently)
    outcome = live(Plan("bybit", "linear", hours=0.6, trouble_s=120.0), seed=1)
    assert "lost in silence" in (outcome.failure or "")


def test_a_shard_that_fetches_nothing_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Backfill, "wants", lambda *arguments: False)
    outcome = live(Plan("binance", "spot", hours=1.5, trouble_s=120.0), seed=1)
    assert "could be had over REST" in (outcome.failure or "")


def test_on_two_legs_no_trade_is_lost_by_the_cut_of_one() -> None:
    outcome = live(Plan("binance", "spot", hours=3.0, legs=2), seed=1)
    assert outcome.failure is None
    assert outcome.figures.faults["cut"] > 10
    assert outcome.figures.filled_s == []
