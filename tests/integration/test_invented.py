"""An exchange more is one file, and one line in the catalogue: everything else goes by these."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import invented
import pytest
from engines import Both, needs_kernel
from redis_server import HOST, free_port
from rest_server import rest_server
from typer.testing import CliRunner

from marketfeed.clock import SystemClock
from marketfeed.exchanges import catalogue
from marketfeed.planner import plan
from marketfeed.symbols import Names
from marketfeed.validation import parse, validate
from marketfeed_cli.app import app
from marketfeed_client import subscribe
from marketfeed_shard.shard import Place, Shard

ENGINES = [pytest.param("plain"), pytest.param("compiled", marks=needs_kernel)]


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one line."""
    monkeypatch.setitem(catalogue.MARKETS, ("acme", "spot"), invented.SPOT)


def manifest(port: int = 9090, **fields: Any) -> dict[str, Any]:
    source = {
        "exchange": "acme",
        "market": "spot",
        "symbols": ["BTC-EUR", "ETH-EUR"],
        "channels": ["trades", "bbo", "book"],
        **fields,
    }
    return {
        "apiVersion": "marketfeed.dev/v1alpha1",
        "kind": "MarketFeed",
        "metadata": {"name": "feed"},
        "spec": {"sources": [source], "publishers": {"grpc": {"port": port}}},
    }


def command(*arguments: str, given: bytes | None = None) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, arguments, input=given)
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def file(tmp_path: Path) -> Path:
    place = tmp_path / "feed.json"
    place.write_text(json.dumps(manifest()))
    return place


@pytest.fixture
def rest() -> Iterator[str]:
    with rest_server({"/pairs": invented.PAIRS}) as url:
        yield url


def test_it_is_validated_and_what_it_lacks_is_told(file: Path) -> None:
    assert command("validate", "-f", str(file))[0] == 0
    (problem,) = validate(manifest(channels=["ticker"]))
    assert str(problem).endswith("acme spot has no channel 'ticker'; it has trades, bbo, book, candles.<interval>")
    (problem,) = validate(manifest(limits={"streamsPerConnection": 9}))
    assert "above the ceiling 8 of acme spot" in str(problem)


def test_it_is_planned_by_its_limits(file: Path) -> None:
    code, out, _ = command("plan", "-f", str(file), "-o", "json")
    assert code == 0
    (shard,) = json.loads(out)["shards"]
    assert (shard["name"], shard["streams"], shard["connections"]) == ("feed-acme-spot-0", 6, 2)
    assert shard["rest"] == {"count": 8, "seconds": 1.0}


def test_its_instruments_are_listed_and_chosen_from(rest: str, tmp_path: Path) -> None:
    code, out, _ = command("instruments", "--exchange", "acme", "--market", "spot", "--rest", rest, "-o", "json")
    assert code == 0
    assert [(i["symbol"], i["native"], i["tick_size"]) for i in json.loads(out)] == [
        ("BTC-EUR", "BTC~EUR", "0.1"),
        ("ETH-EUR", "ETH~EUR", "0.01"),
    ]
    chosen = manifest(symbolSelector={"include": ["ETH-*"]}, endpoint={"rest": rest})
    del chosen["spec"]["sources"][0]["symbols"]
    (tmp_path / "chosen.json").write_text(json.dumps(chosen))
    _, out, _ = command("plan", "-f", str(tmp_path / "chosen.json"), "--online", "-o", "json")
    assert json.loads(out)["shards"][0]["symbols"] == ["ETH-EUR"]


@pytest.mark.parametrize("engine", ENGINES)
def test_its_messages_are_normalised(engine: str) -> None:
    frames = [invented.trade(1), invented.best(2), invented.book(1), invented.book(2), {"id": 1, "ok": True}]
    given = b"".join(json.dumps(frame).encode() + b"\n" for frame in frames)
    code, out, told = command("normalize", "--exchange", "acme", "--market", "spot", "--engine", engine, given=given)
    assert code == 0, told
    events = [json.loads(line) for line in out.splitlines()]
    assert [event["type"] for event in events] == ["trade", "bbo", "book", "book"]
    assert (events[0]["symbol"], events[0]["id"], events[0]["side"], events[0]["price"]) == ("BTC-EUR", "1", "sell", "10.50")
    assert [(event["snapshot"], event["seq"], event["prev_seq"]) for event in events[2:]] == [(True, 1, None), (False, 2, 1)]


@needs_kernel
def test_both_engines_agree() -> None:
    both = Both(invented.SPOT, Names({}, invented.SPOT.symbol))
    for number in range(1, 30):
        for make in (invented.trade, invented.best, invented.book):
            assert both.events(json.dumps(make(number)).encode())
    assert both.declined == 0


async def test_a_shard_collects_it(tmp_path: Path) -> None:
    async with invented.serving() as server:
        port, http = free_port(), free_port()
        feed = parse(manifest(port, symbols=["BTC-EUR", "NO-EUR"], endpoint={"ws": server.url, "rest": f"http://{HOST}:1"}))
        (assignment,) = plan(feed).assignments
        place = tmp_path / "assignment.json"
        place.write_bytes(assignment.dumps())
        shard = Shard(assignment, Place(place, tmp_path, None, HOST, http), SystemClock())
        running = asyncio.ensure_future(shard.run())
        try:
            events = await collected(port)
        finally:
            shard.stop()
            await running
    assert {event["symbol"] for event in events if event["type"] != "gap"} == {"BTC-EUR"}
    trades = [event for event in events if event["type"] == "trade"]
    assert [int(event["id"]) for event in trades] == list(range(int(trades[0]["id"]), int(trades[0]["id"]) + len(trades)))
    books = [event for event in events if event["type"] == "book"]
    assert all(after["prev_seq"] == before["seq"] for before, after in pairwise(books))
    assert all(len(request["topics"]) <= 3 for request in server.asked)


async def collected(port: int) -> list[dict[str, Any]]:
    """What a consumer gets, until it has some of everything."""
    events: list[dict[str, Any]] = []
    async with asyncio.timeout(30):
        async for event in subscribe(f"grpc://{HOST}:{port}"):
            events.append(event)
            if all(sum(e["type"] == kind for e in events) >= 20 for kind in ("trade", "bbo", "book")):
                return events
    return events
