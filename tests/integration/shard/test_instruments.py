"""What a shard makes of an exchange's instrument list, and of changes in it, while it runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from shard_run import ShardRun
from simulated import simulated
from waiting import until

from marketfeed_shard.recovery import instruments
from marketfeed_simulator.catalogue import EXCHANGES

SYMBOLS = {"spot": "BTC-USDT", "linear": "BTC-USDT-PERP", "inverse": "BTC-USD-PERP"}
OTHERS = {"spot": "ETH-USDT", "linear": "ETH-USDT-PERP", "inverse": "ETH-USD-PERP"}
MARKETS = [pytest.param(exchange, market, id=f"{exchange} {market}") for exchange, market in sorted(EXCHANGES)]
HALTS = {"binance": "BREAK", "bybit": "PreLaunch", "okx": "suspend", "kraken": "cancel_only"}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists are asked for again at once, as far as the budgets allow it."""
    monkeypatch.setattr(instruments, "FIRST_S", 0.1)
    monkeypatch.setattr(instruments, "EVERY_S", 1.2)


@pytest.mark.parametrize(("exchange", "market"), MARKETS)
async def test_a_symbol_that_is_halted_is_told_and_goes_on_when_it_is_traded_again(
    tmp_path: Path, exchange: str, market: str
) -> None:
    symbol, other = SYMBOLS[market], OTHERS[market]
    async with (
        simulated(exchange, market, [symbol, other], rate=100.0) as sim,
        ShardRun(tmp_path, sim, [symbol, other], ["trades"]) as run,
    ):
        assert sim.board is not None
        sim.resume()
        await run.ready()
        await until(lambda: run.report.catalogue.state == "current", "the list is there")
        assert run.report.catalogue.halted == []
        sim.board.status(symbol, HALTS[exchange])
        await until(lambda: run.report.catalogue.halted, "the halt is known")
        told = run.events("instrument")[-1]
        listed = not (exchange == "bybit" and market == "spot")  # which lists what trades, and nothing else
        status = HALTS[exchange] if listed else "not listed"
        assert run.report.catalogue.halted == [f"{symbol}: {status}"]
        assert (told["symbol"], told["status"]) == (symbol, HALTS[exchange] if listed else None)
        assert run.report.ready
        sim.board.status(symbol)
        before = len([trade for trade in run.events("trade") if trade["symbol"] == symbol])
        await until(lambda: not run.report.catalogue.halted, "it is traded again")
        await until(
            lambda: len([trade for trade in run.events("trade") if trade["symbol"] == symbol]) > before + 5, "its trades go on"
        )
        again = run.events("instrument")[-1]
        assert again["status"] not in {None, HALTS[exchange]}
        assert [event["n"] for event in run.sink.events if event["channel"] == "instruments"] == [1, 2, 3]
        assert sim.violations == []


@pytest.mark.parametrize("exchange", sorted(HALTS))
async def test_a_symbol_that_is_delisted_is_told_without_facts_and_with_them_when_it_is_back(
    tmp_path: Path, exchange: str
) -> None:
    symbol, other = SYMBOLS["spot"], OTHERS["spot"]
    async with (
        simulated(exchange, "spot", [symbol, other], rate=100.0) as sim,
        ShardRun(tmp_path, sim, [symbol, other], ["trades"]) as run,
    ):
        assert sim.board is not None
        sim.resume()
        await run.ready()
        await until(lambda: run.report.catalogue.state == "current", "the list is there")
        sim.board.delist(symbol)
        await until(lambda: run.report.catalogue.halted == [f"{symbol}: not listed"], "it is gone")
        gone = run.events("instrument")[-1]
        assert (gone["symbol"], gone["status"], gone["tick_size"]) == (symbol, None, None)
        sim.board.list(symbol)
        await until(lambda: not run.report.catalogue.halted, "it is back")
        back = run.events("instrument")[-1]
        assert back["status"] is not None
        assert back["tick_size"] is not None
