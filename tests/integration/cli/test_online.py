"""`validate --online` and `plan --online` against a simulated exchange."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from redis_server import HOST, free_port
from simulated import SimulatorProcess
from typer.testing import CliRunner

from marketfeed_cli.app import app


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "feed.yaml"


def write(file: Path, rest: str, **which: object) -> None:
    source = {"exchange": "binance", "market": "spot", "channels": ["trades"], "endpoint": {"rest": rest}, **which}
    metadata = {"apiVersion": "marketfeed.dev/v1alpha1", "kind": "MarketFeed", "metadata": {"name": "feed"}}
    file.write_text(yaml.safe_dump({**metadata, "spec": {"sources": [source], "publishers": {"grpc": {}}}}))


def test_symbols_that_the_exchange_does_not_list_are_refused(file: Path, simulator_process: SimulatorProcess) -> None:
    simulator_process.start("--symbols", "4", "--paused")
    write(file, simulator_process.rest_url, symbols=["BTC-USDT", "NOSUCH-USDT"])
    assert CliRunner().invoke(app, ["validate", "-f", str(file)]).exit_code == 0
    result = CliRunner().invoke(app, ["validate", "-f", str(file), "--online"])
    assert result.exit_code == 2
    assert "spec.sources[0].symbols[1]: binance spot does not list NOSUCH-USDT" in result.stderr


def test_a_selector_is_planned_from_the_exchange_s_list(file: Path, simulator_process: SimulatorProcess) -> None:
    simulator_process.start("--symbols", "4", "--paused")
    write(file, simulator_process.rest_url, symbolSelector={"quote": ["USDT"], "exclude": ["BTC-*"]})
    result = CliRunner().invoke(app, ["plan", "-f", str(file), "-o", "json", "--online"])
    assert result.exit_code == 0
    assert json.loads(result.stdout)["shards"][0]["symbols"] == ["BNB-USDT", "ETH-USDT", "SOL-USDT"]


def test_a_proxy_s_address_is_read_from_the_folder_of_secrets(file: Path, simulator_process: SimulatorProcess) -> None:
    simulator_process.start("--symbols", "4", "--paused")
    proxy = {"urlFrom": {"secretKeyRef": {"name": "proxy", "key": "url"}}}
    write(file, simulator_process.rest_url, symbolSelector={"quote": ["USDT"]}, proxy=proxy)
    (file.parent / "proxy").mkdir()
    (file.parent / "proxy" / "url").write_text(f"http://{HOST}:{free_port()}")
    command = ["plan", "-f", str(file), "--online"]
    result = CliRunner().invoke(app, [*command, "--secrets", str(file.parent)])
    assert result.exit_code == 2
    assert f"/api/v3/exchangeInfo: proxy http://{HOST}:" in result.stderr
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 2
    assert "key url of Secret proxy: no directory of Secrets was given, see --secrets" in result.stderr


def test_an_exchange_that_does_not_answer_is_told(file: Path) -> None:
    write(file, rest := f"http://{HOST}:{free_port()}", symbols=["BTC-USDT"])
    result = CliRunner().invoke(app, ["validate", "-f", str(file), "--online"])
    assert result.exit_code == 2
    assert result.stdout == ""
    assert f"{rest}/api/v3/exchangeInfo: Cannot connect" in result.stderr
