"""`marketfeed normalize` over recorded messages: each line accounted for, and every event beside an expectation of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

import expected
import pytest
from engines import needs_kernel
from recordings import RECORDINGS, captures, lines, needs_recordings

from marketfeed.exchanges import catalogue
from marketfeed.exchanges.exchange import Market
from marketfeed.symbols import Names
from marketfeed_cli import saved_list

pytestmark = [needs_recordings, pytest.mark.timeout(300)]

SPOT = catalogue.market("binance", "spot")
INFO = [path for path in sorted((RECORDINGS / "binance" / "spot").glob("*exchangeInfo*")) if ".recv" not in path.name]
ENGINES = [pytest.param("plain"), pytest.param("compiled", marks=needs_kernel)]
CAPTURES = [
    pytest.param(market, path, id=f"{market.exchange}-{market.name}-{path.name}")
    for market in catalogue.MARKETS.values()
    for path in captures(market.exchange, market.name)
]


def normalize(source: bytes, engine: str, *options: str, market: Market = SPOT) -> tuple[list[bytes], dict[str, int], int]:
    """Events, counts and exit code."""
    arguments = ["normalize", "--exchange", market.exchange, "--market", market.name, "--engine", engine, *options]
    done = subprocess.run([sys.executable, "-m", "marketfeed_cli", *arguments], input=source, capture_output=True, timeout=120)
    counts = re.findall(r"^(events|control|ignored|failed): (\d+)", done.stderr.decode(), re.MULTILINE)
    return done.stdout.splitlines(), {name: int(count) for name, count in counts}, done.returncode


def listed() -> dict[str, str]:
    if not INFO:
        pytest.skip("no instrument list of Binance spot among the recordings")
    return {i.native: i.symbol for path in INFO for i in saved_list.instruments(path, SPOT)}


@lru_cache(maxsize=1)
def wanted(exchange: str, market: str, path: Path) -> tuple[list[bytes], int]:
    """The lines that a capture must become, and how many of its messages are no data of ours."""
    found, others = [], 0
    for frame in lines(path):
        events = expected.lines(exchange, market, frame)
        others += not events
        found += events
    return found, others


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("market", "path"), CAPTURES)
def test_every_recorded_message_is_its_event_to_the_byte(engine: str, market: Market, path: Path) -> None:
    events, counts, code = normalize(b"\n".join(lines(path)), engine, market=market)
    all_wanted, others = wanted(market.exchange, market.name, path)
    different = next(((ours, theirs) for ours, theirs in zip(events, all_wanted, strict=False) if ours != theirs), None)
    assert different is None
    assert (code, counts["failed"]) == (0, 0)
    assert counts["events"] == len(events) == len(all_wanted)
    assert counts["control"] + counts["ignored"] == others


@pytest.mark.parametrize("engine", ENGINES)
def test_with_an_instrument_list_the_events_are_the_same(engine: str) -> None:
    symbols, path = listed().values(), min(captures("binance", "spot"), key=lambda path: path.stat().st_size)
    frames = [f for f in lines(path) if all(e["symbol"] in symbols for e in expected.events("binance", "spot", f) or ())]
    source = b"\n".join(frames)
    assert normalize(source, engine, "--instruments", str(INFO[0])) == normalize(source, engine)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("market", ["linear", "inverse"])
def test_messages_of_other_markets_are_accounted_for_too(market: str, engine: str) -> None:
    frames = [frame for path in captures("binance", market) for frame in list(lines(path))[:5000]]
    events, counts, code = normalize(b"\n".join(frames), engine)
    assert len(events) == counts["events"]
    assert sum(counts.values()) == len(frames)
    assert code == (1 if counts["failed"] else 0)


def test_every_listed_symbol_is_split_at_its_own_quote() -> None:
    names = Names({}, SPOT.symbol)
    symbols = listed()
    assert len(symbols) > 1000
    assert {native: names(native) for native in symbols} == symbols
