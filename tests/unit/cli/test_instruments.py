from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from redis_server import free_port
from rest_server import rest_server
from typer.testing import CliRunner, Result

from marketfeed_cli.app import app


def row(native: str, quote: str = "USDT", **fields: Any) -> dict[str, Any]:
    """A swap, as OKX lists it."""
    usual = {
        "instId": native,
        "instType": "SWAP",
        "uly": f"{native.partition('-')[0]}-{quote}",
        "settleCcy": quote,
        "ctType": "linear",
        "ctVal": "0.01",
        "ctMult": "1",
        "ctValCcy": native.partition("-")[0],
        "tickSz": "0.1",
        "lotSz": "0.01",
        "state": "live",
        "expTime": "",
    }
    return {**usual, **fields}


SWAPS = [
    row("ETH-USDT-SWAP"),
    row("BTC-USDT-SWAP"),
    row("BTC-USDC-SWAP", "USDC"),
    row("OLD-USDT-SWAP", state="suspend"),
    row("BTC-USD-SWAP", "BTC", ctType="inverse", uly="BTC-USD"),
]
DATED = [row("BTC-USDT-261225", instType="FUTURES", expTime="1798185600000")]
PATH = "/api/v5/public/instruments?instType="


def body(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {"code": "0", "msg": "", "data": rows}


@pytest.fixture(scope="module")
def rest() -> Iterator[str]:
    with rest_server({f"{PATH}SWAP": body(SWAPS), f"{PATH}FUTURES": body(DATED)}) as url:
        yield url


def ask(*options: str, exchange: str = "okx", market: str = "linear") -> Result:
    return CliRunner().invoke(app, ["instruments", "--exchange", exchange, "--market", market, *options])


def symbols(result: Result) -> list[str]:
    assert result.exit_code == 0, result.stderr
    return [listed["symbol"] for listed in json.loads(result.stdout)]


def test_json_is_all_that_is_printed_of_all_calls_by_symbol(rest: str) -> None:
    result = ask("--rest", rest, "-o", "json")
    assert symbols(result) == ["BTC-USDC-PERP", "BTC-USDT-261225", "BTC-USDT-PERP", "ETH-USDT-PERP", "OLD-USDT-PERP"]
    assert result.stderr == ""
    assert json.loads(result.stdout)[1] == {
        "symbol": "BTC-USDT-261225",
        "native": "BTC-USDT-261225",
        "base": "BTC",
        "quote": "USDT",
        "status": "live",
        "trading": True,
        "tick_size": "0.1",
        "lot_size": "0.01",
        "contract_size": "0.01",
        "contract_currency": "BTC",
        "expiry": 1798185600000000000,
    }


def test_what_is_asked_for_is_all_that_is_listed(rest: str) -> None:
    def found(*options: str) -> list[str]:
        return symbols(ask("--rest", rest, "-o", "json", *options))

    assert found("--status", "suspend") == ["OLD-USDT-PERP"]
    assert found("--status", "trading", "--quote", "usdc") == ["BTC-USDC-PERP"]
    assert found("--symbol", "BTC-USDT-*", "--symbol", "ETH-*") == ["BTC-USDT-261225", "BTC-USDT-PERP", "ETH-USDT-PERP"]
    assert found("--quote", "EUR") == []


def test_the_table_has_a_line_for_each_and_is_not_cut(rest: str) -> None:
    result = ask("--rest", rest)
    head, *lines = result.stdout.splitlines()
    assert head.split() == ["SYMBOL", "NATIVE", "STATUS", "TICK", "LOT", "CONTRACT", "EXPIRY"]
    assert lines[1].split() == [
        "BTC-USDT-261225",
        "BTC-USDT-261225",
        "live",
        "0.1",
        "0.01",
        "0.01",
        "BTC",
        "2026-12-25",
        "08:00Z",
    ]
    assert len(lines) == 5
    assert result.stderr == "5 of 5 instruments of okx linear\n"


def test_a_list_that_cannot_be_had_is_one_sentence_and_no_output(rest: str) -> None:
    result = ask("--rest", rest, market="spot")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"{rest}{PATH}SPOT: answered 404\n"


@pytest.mark.parametrize(
    ("options", "exchange", "market", "words"),
    [
        ([], "okex", "spot", "unknown exchange 'okex'; there are binance, bybit, kraken, okx"),
        ([], "kraken", "linear", "its documented futures feed ends on 2027-03-01"),
        (["--rest", "ws://h"], "okx", "spot", "--rest ws://h: has the scheme 'ws'"),
        (["--rest", "http://h/?a=b"], "okx", "spot", "has a query"),
    ],
)
def test_wrong_usage_is_told(options: list[str], exchange: str, market: str, words: str) -> None:
    result = ask(*options, exchange=exchange, market=market)
    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("proxy", ["ftp://proxy:1", "proxy:1"])
def test_what_is_no_proxy_is_refused(proxy: str) -> None:
    result = ask("--proxy", proxy)
    assert result.exit_code == 2
    assert result.stderr.startswith("--proxy: ")


def test_a_list_is_asked_for_through_a_proxy() -> None:
    result = ask("--proxy", f"http://127.0.0.1:{free_port()}")
    assert result.exit_code == 1
    assert "proxy http://127.0.0.1:" in result.stderr
