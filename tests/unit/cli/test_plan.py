from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from marketfeed.planner import plan as planned
from marketfeed_cli.app import app
from marketfeed_cli.manifest import feed as read_feed
from marketfeed_cli.plan import COLUMNS
from marketfeed_cli.state import write_assignment

MANIFEST = """\
apiVersion: marketfeed.dev/v1alpha1
kind: MarketFeed
metadata: {name: feed}
spec:
  sources:
    - {exchange: binance, market: spot, WHICH, channels: [trades, bbo], limits: {streamsPerConnection: 4}}
  publishers: {grpc: {}}
  sharding: {connectionsPerShard: 1}
"""
FIVE = "symbols: [A-USDT, B-USDT, C-USDT, D-USDT, E-USDT]"


@pytest.fixture
def manifest(tmp_path: Path) -> Any:
    def write(which: str) -> Path:
        file = tmp_path / "feed.yaml"
        file.write_text(MANIFEST.replace("WHICH", which))
        return file

    return write


def plan(file: Path, *options: str) -> Result:
    return CliRunner().invoke(app, ["plan", "-f", str(file), *options])


def test_json_is_all_that_is_printed(manifest: Any) -> None:
    result = plan(manifest(FIVE), "-o", "json")
    assert result.exit_code == 0
    assert result.stderr == ""
    content = json.loads(result.stdout)
    assert content["feed"] == "feed"
    assert [s["name"] for s in content["shards"]] == [f"feed-binance-spot-{k}" for k in range(3)]
    assert sorted(symbol for s in content["shards"] for symbol in s["symbols"]) == [f"{c}-USDT" for c in "ABCDE"]
    first = content["shards"][0]
    assert (first["streams"], first["connections"], first["messagesPerSecond"]) == (4, 1, 36.0)
    assert first["channels"] == {symbol: ["trades", "bbo"] for symbol in first["symbols"]}
    assert first["connects"] == {"count": 100, "seconds": 300.0}
    assert first["connectsBurst"] is None
    assert first["rest"] == {"count": 1600, "seconds": 60.0}
    assert "a shard holds 4 topics" in first["reason"]
    assert content["totals"] == {"shards": 3, "symbols": 5, "streams": 10, "connections": 3, "messagesPerSecond": 90.0}


def test_the_table_names_each_shard_with_its_reason(manifest: Any) -> None:
    result = plan(manifest(FIVE))
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["SHARD", "SYMBOLS", "STREAMS", "CONNECTIONS", "MESSAGES/S"]
    assert lines[1].split() == ["feed-binance-spot-0", "2", "4", "1", "36"]
    assert lines[2].startswith("    4 streams, about 36 messages per second; a shard holds 4 topics")
    assert "filled evenly" in " ".join(result.stdout.split())
    assert max(map(len, lines)) <= COLUMNS


def test_a_refused_manifest_has_no_plan(manifest: Any) -> None:
    result = plan(manifest("symbols: [btc]"), "-o", "json")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "spec.sources[0].symbols[0]: is no symbol" in result.stderr


def test_limits_that_leave_no_room_are_told(tmp_path: Path) -> None:
    file = tmp_path / "feed.yaml"
    file.write_text(MANIFEST.replace("WHICH", FIVE).replace("streamsPerConnection: 4", "streamsPerConnection: 1"))
    result = plan(file)
    assert result.exit_code == 2
    assert "2 topics of A-USDT do not fit one shard" in result.stderr


def test_a_selector_needs_a_list(manifest: Any, tmp_path: Path) -> None:
    file = manifest("symbolSelector: {quote: [USDT]}")
    result = plan(file)
    assert result.exit_code == 2
    assert "--online" in result.stderr
    assert "--instruments" in result.stderr
    saved = tmp_path / "info.json"
    rows = [{"symbol": f"A{q}", "status": "TRADING", "baseAsset": "A", "quoteAsset": q, "filters": []} for q in ("USDT", "BTC")]
    saved.write_text(json.dumps({"symbols": rows}))
    result = plan(file, "-o", "json", "--instruments", str(saved))
    assert [s["symbols"] for s in json.loads(result.stdout)["shards"]] == [["A-USDT"]]


def test_the_plan_goes_on_from_what_runs(manifest: Any, tmp_path: Path) -> None:
    for assignment in planned(read_feed(str(manifest(FIVE)))).assignments:
        write_assignment(tmp_path / "state", assignment)
    file = manifest(FIVE.replace("A-USDT, ", ""))
    fresh = json.loads(plan(file, "-o", "json").stdout)["shards"]
    onward = json.loads(plan(file, "-o", "json", "--state", str(tmp_path / "state")).stdout)["shards"]
    assert len(fresh) == 2
    assert len(onward) == 3
