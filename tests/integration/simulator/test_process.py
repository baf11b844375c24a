from __future__ import annotations

import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from simulated import SimulatorProcess
from waiting import wait_until
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

URL = "/stream?streams=btcusdt@trade/ethusdt@bookTicker"


def test_process_says_where_it_listens_and_ends_with_code_0(simulator_process: SimulatorProcess) -> None:
    simulator_process.start("--symbols", "2", "--rate", "500")
    assert simulator_process.output() == f"listening {simulator_process.ws_url}\n"
    with connect(simulator_process.ws_url + URL) as ws:
        assert json.loads(ws.recv(timeout=10))["stream"] in URL
        assert simulator_process.stop() == 0


def test_any_market_is_served(simulator_process: SimulatorProcess) -> None:
    simulator_process.start("--exchange", "bybit", "--market", "linear", "--symbols", "3", "--rate", "500")
    with connect(simulator_process.ws_url + "/v5/public/linear") as ws:
        ws.send('{"op":"subscribe","args":["orderbook.50.BTCUSDT","publicTrade.BTCUSDT"]}')
        assert json.loads(ws.recv(timeout=10))["success"]
        kinds = {(message["topic"], message["type"]) for message in (json.loads(ws.recv(timeout=10)) for _ in range(50))}
    book, trades = "orderbook.50.BTCUSDT", "publicTrade.BTCUSDT"
    assert kinds == {(book, "snapshot"), (book, "delta"), (trades, "snapshot")}
    listed = simulator_process.get("/v5/market/instruments-info?category=linear")["result"]["list"]
    assert [row["symbol"] for row in listed] == ["BTCUSDT", "ETHUSDT", "BNBUSDT"]


def test_ledger_file_has_what_was_sent(simulator_process: SimulatorProcess) -> None:
    simulator_process.start("--paused", "--ledger", str(simulator_process.ledger_path))
    with connect(simulator_process.ws_url + URL) as ws:
        wait_until(lambda: simulator_process.get("/sim/state")["connections"], "the connection is open")
        assert simulator_process.get("/sim/emit?messages=20") == {"result": 20}
        texts = [ws.recv(timeout=10) for _ in range(20)]
    assert [entry["text"] for entry in simulator_process.ledger()] == texts


def test_killed_and_started_again_its_ids_go_on(simulator_process: SimulatorProcess) -> None:
    simulator_process.start("--rate", "1000")
    ids = []
    for _ in range(2):
        with connect(simulator_process.ws_url + "/ws/btcusdt@trade") as ws:
            ids += [json.loads(ws.recv(timeout=10))["t"] for _ in range(20)]
            simulator_process.restart()
    assert ids == sorted(set(ids))


def test_same_seed_gives_the_same_prices_and_with_a_start_the_same_ids(simulator_process: SimulatorProcess) -> None:
    runs = []
    for seed in ("7", "7", "8"):
        simulator_process.start("--seed", seed, "--start", "0", "--rate", "5000", "--paused")
        with connect(simulator_process.ws_url + "/ws/btcusdt@trade") as ws:
            wait_until(lambda: simulator_process.get("/sim/state")["connections"], "the connection is open")
            simulator_process.get("/sim/emit?messages=50")
            messages = [json.loads(ws.recv(timeout=10)) for _ in range(50)]
        runs.append([(m["t"], m["p"], m["q"], m["m"]) for m in messages])
        simulator_process.stop()
    assert runs[0] == runs[1] != runs[2]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--exchange", "nosuch"], "simulate: unknown exchange 'nosuch'"),
        (["--replay", "nosuch.jsonl"], "simulate: nosuch.jsonl: No such file"),
        (["--ledger", "/nosuch/folder/ledger.jsonl"], "simulate: /nosuch/folder/ledger.jsonl: No such file"),
    ],
)
def test_what_cannot_be_served_is_one_sentence(options: list[str], said: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "marketfeed_cli", "simulate", *options]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path, check=False)
    assert ended.returncode in {1, 2}
    assert ended.stderr.startswith(said)
    assert ended.stderr.count("\n") == 1


def test_port_that_is_taken_is_one_sentence(simulator_process: SimulatorProcess) -> None:
    simulator_process.start()
    command = [sys.executable, "-m", "marketfeed_cli", "simulate", "--port", str(simulator_process.port)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert str(simulator_process.port) in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_ledger_that_cannot_be_written_ends_the_process() -> None:
    command = [sys.executable, "-m", "marketfeed_cli", "simulate", "--ledger", "/dev/full", "--rate", "1000"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        url = process.stdout.readline().split()[1]
        with connect(url + URL), suppress(ConnectionClosed):
            _, said = process.communicate(timeout=30)
        assert process.returncode == 1
        assert "No space left on device" in said
        assert said.count("\n") == 1
    finally:
        process.kill()
        process.communicate()
