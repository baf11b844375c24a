"""`marketfeed run` with real shards and a simulated exchange: what it starts, follows, restarts and ends."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from feed_run import SupervisedRun
from processes import alive
from redis_server import HOST, free_port
from simulated import SimulatorProcess
from waiting import wait_until


@pytest.fixture
def run(tmp_path: Path, simulator_process: SimulatorProcess) -> Iterator[SupervisedRun]:
    """Not started: `start()` it. The simulator behind it runs."""
    simulator_process.start("--symbols", "8", "--rate", "400")
    run = SupervisedRun(tmp_path, f"{HOST}:{simulator_process.port}")
    yield run
    run.close()


def test_it_prints_each_shard_with_its_status_address_and_ends_with_code_0(run: SupervisedRun) -> None:
    run.start()
    run.wait_live(4)
    found = re.fullmatch(r"feed-binance-spot-0 (http://127\.0\.0\.1:\d+/status)\n", run.out)
    assert found is not None
    with urllib.request.urlopen(found[1], timeout=10) as reply:
        assert json.load(reply)["shard"] == "feed-binance-spot-0"
    assert 'ws_subscription_count{exchange="binance"} 4.0' in run.metrics()
    (pid,) = run.shard_pids()
    assert run.stop() == 0
    assert not alive(pid)
    assert run.said() == []


def test_symbols_come_and_go_without_closing_a_connection(run: SupervisedRun) -> None:
    run.start()
    run.wait_live(4)
    (pid,), opened = run.shard_pids(), run.shard()["connections"][0]["opened"]
    run.source["symbols"] = ["BTC-USDT", "BNB-USDT", "SOL-USDT"]
    run.write()
    run.wait_live(6)
    assert run.shard()["generation"] == 2
    assert run.shard_pids() == [pid]
    assert [c["opened"] for c in run.shard()["connections"]] == [opened]
    assert run.said() == []


def test_a_change_of_publishers_starts_the_shard_anew(run: SupervisedRun) -> None:
    run.start()
    run.wait_live(4)
    (pid,) = run.shard_pids()
    run.spec["publishers"]["grpc"]["port"] = other = free_port()
    run.write()
    wait_until(lambda: run.shard_pids() not in ([pid], []), "another process")
    run.wait_live(4)
    assert run.shard()["generation"] == 2
    with socket.create_connection((HOST, other), timeout=10):
        pass
    assert len(run.out.splitlines()) == 1


def test_shards_are_added_and_taken_away(run: SupervisedRun) -> None:
    run.start()
    run.wait_live(4)
    run.source["limits"] = {"streamsPerConnection": 2}
    run.spec["sharding"] = {"connectionsPerShard": 1}
    run.write()
    run.wait_live(4, shards=2)
    with socket.create_connection((HOST, run.grpc_port + 1), timeout=10):
        pass
    assert len(run.out.splitlines()) == 2
    gone, kept = (json.loads((run.state / f"feed-binance-spot-{k}/assignment.json").read_text()) for k in (0, 1))
    run.source["symbols"] = [kept["symbols"][0]["symbol"]]
    run.write()
    run.wait_live(2)
    assert list(run.status()) == [kept["shard"]]
    assert run.said()[-1] == f"{gone['shard']}: stopped, no longer planned"
    assert not (run.state / gone["shard"] / "assignment.json").exists()


def test_a_broken_file_is_one_line_and_the_last_good_plan_runs_on(run: SupervisedRun) -> None:
    run.start()
    run.wait_live(4)
    run.file.write_text("a: 1\nb: [\n")
    wait_until(run.said, "a line")
    run.file.unlink()
    run.source["symbols"] = ["BTC-USDT"]
    run.write()
    run.wait_live(2)
    (line,) = run.said()
    assert "line 3" in line
    assert line.endswith("the last good plan runs on")


def test_what_cannot_be_run_yet_is_refused_in_a_running_feed_too(run: SupervisedRun) -> None:
    run.start()
    run.wait_live(4)
    run.spec["sharding"] = {"replicas": 2}
    run.write()
    wait_until(run.said, "a line")
    assert "replicas: 2 cannot be run by this version yet" in run.said()[0]
    assert run.live(4)


def test_a_paused_feed_has_no_shards_and_goes_on_where_it_was(run: SupervisedRun) -> None:
    run.start()
    run.wait_live(4)
    run.spec["paused"] = True
    run.write()
    wait_until(lambda: run.shard_pids() == [], "the shards' end")
    wait_until(lambda: run.status() == {}, "an empty status")
    run.spec["paused"] = False
    run.write()
    run.wait_live(4)
    assert run.shard()["generation"] == 1


def test_a_killed_shard_is_ready_again_without_a_hand(run: SupervisedRun) -> None:
    run.start()
    run.wait_live(4)
    (pid,) = run.shard_pids()
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: run.shard_pids() not in ([pid], []), "another process")
    run.wait_live(4)
    assert run.said()[0].startswith("feed-binance-spot-0: was ended by signal 9 (Killed); starts again in ")


def test_shards_do_not_outlive_a_killed_runner_and_the_next_one_goes_on(run: SupervisedRun) -> None:
    run.start()
    run.wait_live(4)
    run.source["symbols"] = ["BTC-USDT"]
    run.write()
    run.wait_live(2)
    (pid,) = run.shard_pids()
    run.signal(signal.SIGKILL)
    run.wait()
    run.start()
    run.wait_live(2)
    assert not alive(pid)
    assert run.shard()["generation"] == 2


def test_unknown_symbols_are_named_and_the_others_run(run: SupervisedRun) -> None:
    run.source["symbols"] = ["BTC-USDT", "NOSUCH-USDT"]
    run.start()
    run.wait_live(2)
    assert run.said() == ["warning: not listed by the exchange, left out: binance spot NOSUCH-USDT"]


def test_without_a_list_symbols_are_taken_as_they_are(run: SupervisedRun) -> None:
    run.source["endpoint"]["rest"] = f"http://{HOST}:{free_port()}"
    run.start()
    run.wait_live(4)
    (line,) = run.said()
    assert line.startswith("warning: no instrument list, symbols are taken as they are, and it is asked for again: http://")


def test_a_selector_chooses_from_the_list(run: SupervisedRun) -> None:
    del run.source["symbols"]
    run.source["symbolSelector"] = {"quote": ["USDT"], "exclude": ["BTC-*"]}
    run.start()
    run.wait_live(14)
    assert run.said() == []


def test_a_second_run_of_the_feed_waits_and_is_refused_while_the_first_one_lives(
    run: SupervisedRun, tmp_path: Path, simulator_process: SimulatorProcess
) -> None:
    run.start()
    run.wait_live(4)
    (second := tmp_path / "second").mkdir()
    other = SupervisedRun(second, f"{HOST}:{simulator_process.port}")
    other.state = run.state
    other.start()
    try:
        wait_until(other.said, "a line")
        assert "another run holds it; waiting" in other.said()[0]
        assert run.stop() == 0
        other.wait_live(4)
    finally:
        other.close()


def test_a_taken_port_is_named(run: SupervisedRun) -> None:
    with socket.socket() as taken:
        taken.bind((HOST, run.grpc_port))
        taken.listen()
        run.start()
        assert run.wait() == 2
    assert f"spec.publishers.grpc.port: port {run.grpc_port} on {HOST}, for feed-binance-spot-0, is taken" in run.err


def test_a_taken_status_address_is_named(run: SupervisedRun) -> None:
    with socket.socket() as taken:
        taken.bind((HOST, run.port))
        taken.listen()
        run.start()
        assert run.wait() == 1
    (line,) = run.said()
    assert line.startswith(f"--status-addr {HOST}:{run.port}: ")
