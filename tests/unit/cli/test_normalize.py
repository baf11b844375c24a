from __future__ import annotations

import gzip
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from click.testing import Result
from engines import needs_kernel
from typer.testing import CliRunner
from waiting import wait_until

from marketfeed_cli import normalize as command
from marketfeed_cli.normalize import normalize

APP = typer.Typer(pretty_exceptions_enable=False)
APP.command()(normalize)

TRADE = {"e": "trade", "E": 1672515782140, "s": "BTCUSDT", "t": 12345, "p": "0.0010", "q": "100", "T": 1672515782136, "m": True}
QUOTE = {"u": 5, "s": "ETHBTC", "b": "1", "B": "2", "a": "3", "A": "4"}
INFO = {"symbols": [{"symbol": "ETHBTC", "status": "TRADING", "baseAsset": "ETH", "quoteAsset": "BTC", "filters": []}]}
ENGINES = [pytest.param("plain"), pytest.param("compiled", marks=needs_kernel)]


def line(message: Any) -> bytes:
    return json.dumps(message).encode() + b"\n"


def combined(stream: str, data: Any) -> bytes:
    return line({"stream": stream, "data": data})


def run(source: bytes, *options: str, exchange: str = "binance", market: str = "spot") -> Result:
    return CliRunner().invoke(APP, ["--exchange", exchange, "--market", market, *options], input=source)


def counts(result: Result) -> list[str]:
    return result.stderr.splitlines()[-4:]


@pytest.mark.parametrize("engine", ENGINES)
def test_every_line_is_accounted_for(engine: str) -> None:
    source = b"".join(
        (
            combined("btcusdt@trade", TRADE),
            b"\n",
            line(QUOTE).replace(b"\n", b"\r\n"),
            line({"result": None, "id": 1}),
            combined("btcusdt@avgPrice", {"e": "avgPrice"}),
            b"not JSON\n",
            combined("btcusdt@trade", {**TRADE, "p": "x"}),
            line({"hello": 1}),
            b'{"\xff":1}\n',
            combined("btcusdt@trade", TRADE).rstrip(b"\n"),
        )
    )
    result = run(source, "--engine", engine)
    assert result.exit_code == 1
    events = [json.loads(text) for text in result.stdout.splitlines()]
    assert [(event["type"], event["symbol"], event["recv"], event["n"]) for event in events] == [
        ("trade", "BTC-USDT", None, None),
        ("bbo", "ETH-BTC", None, None),
        ("trade", "BTC-USDT", None, None),
    ]
    assert counts(result) == [
        "events: 3 (bbo 1, trade 2)",
        "control: 1",
        "ignored: 1 (btcusdt@avgPrice 1)",
        "failed: 4 (lines 6, 7, 8, 9)",
    ]
    failures = result.stderr.splitlines()[:-4]
    assert [text.partition(":")[0] for text in failures] == ["line 6", "line 7", "line 8", "line 9"]
    assert "price: not a number: 'x'" in failures[1]


@pytest.mark.parametrize("engine", ENGINES)
def test_without_a_failure_the_exit_code_is_zero(engine: str) -> None:
    result = run(combined("btcusdt@trade", TRADE) + combined("btcusdt@depth5", {}), "--engine", engine)
    assert (result.exit_code, counts(result)[3]) == (0, "failed: 0")


def test_a_byte_order_mark_at_the_beginning_belongs_to_no_message() -> None:
    mark = b"\xef\xbb\xbf"
    result = run(mark + line(TRADE) + mark + line(TRADE))
    assert (result.exit_code, counts(result)[3]) == (1, "failed: 1 (lines 2)")
    assert run(mark).exit_code == 0


@pytest.mark.parametrize("engine", ENGINES)
def test_a_check_tells_the_lines_that_do_not_follow_and_a_table(engine: str) -> None:
    source = b"".join(combined("btcusdt@trade", {**TRADE, "t": number}) for number in (5, 6, 9))
    plain, checked = run(source, "--engine", engine), run(source, "--engine", engine, "--check")
    assert (plain.exit_code, checked.exit_code) == (0, 1)
    assert checked.stdout == plain.stdout
    first, *between, head, row = checked.stderr.splitlines()
    assert first == "line 3: trades BTC-USDT: gap: 7 to 8"
    assert between == counts(plain)
    assert head.startswith("stream ")
    assert row.split() == "trades BTC-USDT @trade 3 1 1 - - - - -".split()
    assert run(source[: len(source) // 3], "--engine", engine, "--check").exit_code == 0


def test_a_check_joins_recorded_snapshots(tmp_path: Path) -> None:
    change = {"e": "depthUpdate", "E": 1, "s": "BTCUSDT", "U": 6, "u": 7, "b": [], "a": []}
    body = {"lastUpdateId": 6, "bids": [["1", "2"]], "asks": []}
    file = tmp_path / "book.rest.jsonl"
    file.write_bytes(line({"url": "https://api.binance.com/api/v3/depth?symbol=BTCUSDT&limit=1000", "body": body}))
    source = combined("btcusdt@depth@100ms", change)
    result = run(source, "--check", "--snapshots", str(file))
    assert (result.exit_code, result.stderr.split()[-1]) == (0, "1")
    assert run(source, "--snapshots", str(file)).exit_code == 2


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"url": "https://example/depth?symbol=BTCUSDT", "body": {}}, "is no book"),
        ({"url": "https://example/depth", "body": {}}, "has no book of binance spot"),
        ({"lastUpdateId": 6, "bids": [], "asks": []}, "has no book of binance spot"),
    ],
)
def test_unusable_snapshots_are_one_sentence(answer: Any, reason: str, tmp_path: Path) -> None:
    file = tmp_path / "book.rest.jsonl"
    file.write_bytes(line(answer))
    result = run(line(TRADE), "--check", "--snapshots", str(file))
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert reason in result.stderr


def test_nothing_comes_of_nothing() -> None:
    result = run(b"")
    assert (result.exit_code, result.stdout, counts(result)[0]) == (0, "", "events: 0")


@needs_kernel
def test_several_events_of_a_message_are_counted_by_type() -> None:
    ticker = {"e": "24hrTicker", "E": 1, "s": "BTCUSDT", "c": "1"}
    result = run(combined("!ticker@arr", [ticker, ticker]), "--engine", "compiled")
    assert counts(result)[0] == "events: 2 (ticker 2)"


def test_reasons_for_ignoring_are_bounded() -> None:
    result = run(b"".join(combined(f"s{number}@avgPrice", {}) for number in range(1500)))
    assert counts(result)[2].startswith("ignored: 1500 (others 500, ")
    assert len(counts(result)[2]) < 300


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("form", ["body", "marked", "gzip", "recording", "recordings"])
def test_an_instrument_list_names_the_symbols_that_there_are(form: str, engine: str, tmp_path: Path) -> None:
    body, recorded = json.dumps(INFO).encode(), line({"url": "https://example", "body": INFO})
    empty = line({"url": "https://example", "body": {"symbols": []}})
    content = {
        "body": body,
        "marked": b"\xef\xbb\xbf" + body,
        "gzip": gzip.compress(body),
        "recording": recorded,
        "recordings": empty + recorded,
    }[form]
    file = tmp_path / "exchangeInfo"
    file.write_bytes(content)
    result = run(line(QUOTE) + line(TRADE), "--instruments", str(file), "--engine", engine)
    assert result.exit_code == 0
    assert counts(result)[:3] == ["events: 1 (bbo 1)", "control: 0", "ignored: 1 (unknown symbol 'BTCUSDT' 1)"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "cannot be read"),
        (b"", "is no instrument list of binance spot"),
        (b"symbols", "is no JSON"),
        (b"[]", "is no instrument list of binance spot"),
        (b"{}", "is no instrument list of binance spot"),
        (b'{"symbols":[]}', "is no instrument list of binance spot"),
        (b'{"symbols":[{}]}', "is no instrument list of binance spot"),
        (b'{"symbols":[{"symbol":["A"],"status":"TRADING","baseAsset":"A","quoteAsset":"B"}]}', "is no instrument list"),
        (b'{"symbols":[{"symbol":"AB","status":"TRADING","baseAsset":1,"quoteAsset":"B"}]}', "is no instrument list"),
        (gzip.compress(b"{}")[:-3], "broken gzip"),
    ],
)
def test_an_unusable_instrument_list_is_one_sentence(content: bytes | None, reason: str, tmp_path: Path) -> None:
    file = tmp_path / "list.json"
    if content is not None:
        file.write_bytes(content)
    result = run(line(TRADE), "--instruments", str(file))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"{file}: ")
    assert reason in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(("exchange", "market"), [("binanc", "spot"), ("binance", "options")])
def test_an_unknown_market_is_one_sentence(exchange: str, market: str) -> None:
    result = run(line(TRADE), exchange=exchange, market=market)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1


def test_an_unknown_engine_is_wrong_usage() -> None:
    assert run(b"", "--engine", "fast").exit_code == 2


def test_a_compiled_engine_that_is_not_built_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("marketfeed_shard.kernel.load", lambda: None)
    asked = run(line(TRADE), "--engine", "compiled")
    assert (asked.exit_code, asked.stderr.count("\n")) == (2, 1)
    unasked = run(line(TRADE))
    assert unasked.exit_code == 0
    assert unasked.stderr.startswith("the compiled engine is not ")


def test_a_line_that_is_too_long_fails_and_the_next_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "MOST_BYTES", 300)
    source = line({"x": "y" * 200_000}) + line(TRADE) + b" " * 1000 + b"\n" + line({"x": "y" * 1000}).rstrip(b"\n")
    result = run(source)
    assert counts(result) == ["events: 1 (trade 1)", "control: 0", "ignored: 0", "failed: 2 (lines 1, 4)"]


ARGUMENTS = ["--exchange", "binance", "--market", "spot", "--engine", "plain"]
COMMAND = [sys.executable, "-m", "marketfeed_cli", "normalize", *ARGUMENTS]


@pytest.mark.parametrize("closed", ["<&-", ">&-"])
def test_a_closed_input_or_output_is_one_sentence(closed: str) -> None:
    done = subprocess.run(["sh", "-c", f'"$@" {closed}', "sh", *COMMAND], input=line(TRADE), capture_output=True, timeout=30)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.count(b"\n") == 1


def test_output_that_cannot_be_written_is_one_sentence() -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full here")
    with full.open("wb") as stdout:
        done = subprocess.run(COMMAND, input=line(TRADE), stdout=stdout, stderr=subprocess.PIPE, timeout=30)
    assert done.returncode == 1
    assert done.stderr == b"normalize: reading or writing failed: No space left on device\n"


def test_output_that_nobody_reads_ends_quietly(tmp_path: Path) -> None:
    source = tmp_path / "raw.jsonl"
    source.write_bytes(combined("btcusdt@trade", TRADE) * 5000)
    with (
        source.open("rb") as stdin,
        subprocess.Popen(COMMAND, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process,
    ):
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(30) == 141


def test_an_interruption_leaves_whole_events_and_counts_them(tmp_path: Path) -> None:
    output, lines = tmp_path / "events.jsonl", 3000
    with (
        output.open("wb") as stdout,
        subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=stdout, stderr=subprocess.PIPE) as process,
    ):
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(line(TRADE) * lines)
        process.stdin.flush()
        wait_until(lambda: output.stat().st_size > 0, "events are written")
        process.send_signal(signal.SIGINT)
        told = process.stderr.read().decode().splitlines()
        assert process.wait(30) == 130
    written = output.read_bytes()
    events = [json.loads(text) for text in written.splitlines()]
    assert written.endswith(b"}\n")
    assert told[0].startswith("interrupted")
    assert told[1:] == [f"events: {len(events)} (trade {len(events)})", "control: 0", "ignored: 0", "failed: 0"]
