from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from marketfeed_cli.app import app

EXAMPLES = Path(__file__).parents[3] / "examples"
GOOD = """\
apiVersion: marketfeed.dev/v1alpha1
kind: MarketFeed
metadata: {name: NAME}
spec:
  sources: [{exchange: binance, market: spot, symbols: [BTC-USDT, ETH-USDT], channels: [trades]}]
  publishers: {grpc: {}}
"""


@pytest.fixture
def validate(tmp_path: Path) -> Any:
    """Validate manifests, each as a file of its own: `a.yaml`, `b.yaml` …"""

    def validate(*contents: str, options: tuple[str, ...] = ()) -> Result:
        arguments = list(options)
        for name, content in zip("abc", contents, strict=False):
            file = tmp_path / f"{name}.yaml"
            file.write_text(content)
            arguments += ["-f", str(file)]
        return CliRunner().invoke(app, ["validate", *arguments])

    return validate


def exchange_info(*symbols: str) -> str:
    rows = []
    for symbol in symbols:
        base, quote = symbol.split("-")
        rows.append({"symbol": base + quote, "status": "TRADING", "baseAsset": base, "quoteAsset": quote, "filters": []})
    return json.dumps({"symbols": rows})


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.name)
def test_the_examples_are_accepted_and_run_whole(example: Path) -> None:
    result = CliRunner().invoke(app, ["validate", "-f", str(example)])
    assert result.exit_code == 0
    assert result.stderr == ""


def test_what_is_accepted_is_told_in_one_line_each(validate: Any) -> None:
    result = validate(GOOD.replace("NAME", "one"), GOOD.replace("NAME", "two"))
    assert result.exit_code == 0
    assert [line.partition(": ")[2] for line in result.stdout.splitlines()] == [
        "ok: feed one, 1 source, 2 symbols",
        "ok: feed two, 1 source, 2 symbols",
    ]


def test_a_problem_has_file_field_reason_and_way_out(validate: Any) -> None:
    result = validate(GOOD.replace("NAME", "one").replace("trades", "trade"), GOOD.replace("NAME", "two"))
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert "a.yaml: spec.sources[0].channels[0]: unknown channel 'trade'; did you mean trades?" in line
    assert "b.yaml: ok" in result.stdout
    assert "a.yaml" not in result.stdout


def test_empty_and_broken_files_are_told(validate: Any) -> None:
    result = validate("", "a: 1\nb: 2\nc: :: [\n")
    assert result.exit_code == 2
    empty, broken = result.stderr.splitlines()
    assert "empty" in empty
    assert "line 3" in broken


def test_a_file_that_is_not_there_is_told() -> None:
    result = CliRunner().invoke(app, ["validate", "-f", "/no/such/file.yaml"])
    assert result.exit_code == 2
    assert result.stderr == "/no/such/file.yaml: there is no such file; check the path\n"


def test_standard_input_and_several_documents() -> None:
    two = GOOD.replace("NAME", "one") + "---\n" + GOOD.replace("NAME", "two").replace("BTC", "btc")
    result = CliRunner().invoke(app, ["validate", "-f", "-"], input=two)
    assert result.exit_code == 2
    assert "standard input (document 1): ok: feed one" in result.stdout
    assert "standard input (document 2): spec.sources[0].symbols[0]: is no symbol" in result.stderr


def test_two_feeds_of_one_name_in_a_file_are_refused(validate: Any) -> None:
    result = validate(GOOD.replace("NAME", "one") + "---\n" + GOOD.replace("NAME", "one"))
    assert result.exit_code == 2
    assert "metadata.name: 'one' is the name of" in result.stderr


def test_limits_that_leave_no_room_are_told(validate: Any) -> None:
    sharding = "  sharding: {connectionsPerShard: 1, maxMessagesPerSecond: 2}\n"
    result = validate(GOOD.replace("NAME", "one") + sharding)
    assert result.exit_code == 2
    assert "spec.sharding.maxMessagesPerSecond: is 2, and BTC-USDT alone is expected to bring 3" in result.stderr
    assert result.stdout == ""


def test_what_does_not_run_yet_is_a_warning(validate: Any) -> None:
    result = validate(GOOD.replace("NAME", "one") + "  sharding: {replicas: 2}\n")
    assert result.exit_code == 0
    assert result.stderr.startswith("warning: ")
    assert "replicas: 2 cannot be run by this version yet" in result.stderr


def test_with_a_saved_list_symbols_must_exist(validate: Any, tmp_path: Path) -> None:
    saved = tmp_path / "exchangeInfo.json"
    saved.write_text(exchange_info("BTC-USDT", "ETH-USDT"))
    assert validate(GOOD.replace("NAME", "one"), options=("--instruments", str(saved))).exit_code == 0
    result = validate(GOOD.replace("NAME", "one").replace("ETH", "EHT"), options=("--instruments", str(saved)))
    assert result.exit_code == 2
    assert "spec.sources[0].symbols[1]: binance spot does not list EHT-USDT; did you mean ETH-USDT?" in result.stderr


def test_a_file_that_is_no_list_is_told(validate: Any, tmp_path: Path) -> None:
    saved = tmp_path / "exchangeInfo.json"
    saved.write_text("{}")
    result = validate(GOOD.replace("NAME", "one"), options=("--instruments", str(saved)))
    assert result.exit_code == 2
    assert "is no instrument list of binance spot" in result.stderr


def test_without_a_file_the_command_says_what_it_needs() -> None:
    result = CliRunner().invoke(app, ["validate"])
    assert result.exit_code == 2
    assert "--file" in result.stderr
