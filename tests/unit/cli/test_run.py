from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from marketfeed_cli.app import app

GOOD = """\
apiVersion: marketfeed.dev/v1alpha1
kind: MarketFeed
metadata: {name: feed}
spec:
  sources: [{exchange: binance, market: spot, symbols: [BTC-USDT], channels: [trades]}]
  publishers: {grpc: {}}
"""


@pytest.fixture
def refused(tmp_path: Path) -> Any:
    """What `run` says of a manifest that it cannot run."""

    def refused(content: str, *options: str) -> str:
        file = tmp_path / "feed.yaml"
        file.write_text(content)
        result: Result = CliRunner().invoke(app, ["run", "-f", str(file), "--state", str(tmp_path / "state"), *options])
        assert result.exit_code == 2
        assert result.stdout == ""
        return result.stderr

    return refused


def test_a_refused_manifest_is_told_as_validate_tells_it(refused: Any) -> None:
    assert "spec.sources[0].channels[0]: unknown channel 'trade'" in refused(GOOD.replace("trades", "trade"))
    assert "empty" in refused("")
    assert "line 2" in refused("a: 1\nb: :: [\n")


def test_what_this_version_cannot_run_is_told(refused: Any) -> None:
    said = refused(GOOD.replace("{grpc: {}}", "{redisStreams: {url: 'redis://h'}}") + "  sharding: {replicas: 2}\n")
    assert "replicas: 2 cannot be run by this version yet" in said
    assert "publisher redisStreams cannot be run by this version yet" in said


def test_two_feeds_want_two_runs(refused: Any) -> None:
    assert "holds 2 documents" in refused(GOOD + "---\n" + GOOD)


def test_standard_input_cannot_be_followed() -> None:
    result = CliRunner().invoke(app, ["run", "-f", "-"], input=GOOD)
    assert result.exit_code == 2
    assert "give a file" in result.stderr


@pytest.mark.parametrize("address", ["8080", "localhost", "h:port", "h:70000", ":1"])
def test_a_status_address_is_host_and_port(refused: Any, address: str) -> None:
    assert f"--status-addr {address}: is no address; write HOST:PORT" in refused(GOOD, "--status-addr", address)


def test_secrets_are_a_directory(refused: Any) -> None:
    assert "is no directory" in refused(GOOD, "--secrets", "/no/such/folder")
