from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from redis_server import HOST, free_port
from waiting import wait_until


def kubeconfig(folder: Path, port: int) -> Path:
    path = folder / "kubeconfig"
    cluster = {"name": "c", "cluster": {"server": f"http://{HOST}:{port}"}}
    context = {"name": "c", "context": {"cluster": "c", "user": "u"}}
    content = {"clusters": [cluster], "contexts": [context], "users": [{"name": "u", "user": {}}], "current-context": "c"}
    path.write_text(yaml.safe_dump(content))
    return path


def command(*options: str) -> list[str]:
    return [sys.executable, "-m", "marketfeed_operator.main", *options]


@pytest.mark.parametrize(
    ("content", "told"),
    [(None, "no kubeconfig at"), ("a: [", "cannot be used"), ("{}", "cannot be used")],
)
def test_without_a_usable_kubeconfig_there_is_one_sentence(tmp_path: Path, content: str | None, told: str) -> None:
    file = tmp_path / "kubeconfig"
    if content is not None:
        file.write_text(content)
    done = subprocess.run(command(), env={"KUBECONFIG": str(file)}, capture_output=True, text=True, timeout=30)
    assert done.returncode == 2
    assert told in done.stderr
    assert str(file) in done.stderr
    assert "Traceback" not in done.stderr


def test_a_taken_address_is_one_sentence(tmp_path: Path) -> None:
    with socket.create_server((HOST, 0)) as taken:
        address = f"{HOST}:{taken.getsockname()[1]}"
        env = {"KUBECONFIG": str(kubeconfig(tmp_path, 1))}
        done = subprocess.run(command("--http", address), env=env, capture_output=True, text=True, timeout=30)
    assert done.returncode == 2
    assert f"--http {address}" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_api_server_that_is_away_is_waited_for_and_said_once(tmp_path: Path) -> None:
    log = tmp_path / "log"
    env = {"KUBECONFIG": str(kubeconfig(tmp_path, free_port()))}
    with log.open("wb") as output:
        process = subprocess.Popen(command("--http", f"{HOST}:{free_port()}"), env=env, stderr=output)
    try:
        wait_until(lambda: "waiting for it" in log.read_text(), "it says so")
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()
    assert log.read_text().count("waiting for it") == 1
    assert "Traceback" not in log.read_text()


class WithoutCrd(BaseHTTPRequestHandler):
    """An API server that knows no MarketFeeds."""

    def do_GET(self) -> None:
        known = self.path == "/version"
        content = b'{"gitVersion": "v1"}' if known else b'{"message": "the server could not find the requested resource"}'
        self.send_response(200 if known else 404)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Quietly."""


def test_a_missing_crd_is_waited_for_with_the_way_out(tmp_path: Path) -> None:
    log, port = tmp_path / "log", free_port()
    with ThreadingHTTPServer((HOST, 0), WithoutCrd) as api:
        threading.Thread(target=api.serve_forever, daemon=True).start()
        env = {"KUBECONFIG": str(kubeconfig(tmp_path, api.server_port))}
        with log.open("wb") as output:
            process = subprocess.Popen(command("--http", f"{HOST}:{port}"), env=env, stderr=output)
        try:
            wait_until(lambda: "waiting for it" in log.read_text(), "it says so")
            assert "apply crds/marketfeeds.yaml" in log.read_text()
            with pytest.raises(urllib.error.HTTPError) as unready:
                urllib.request.urlopen(f"http://{HOST}:{port}/readyz", timeout=5)
            with unready.value as answer:
                assert answer.code == 503
                assert b"apply crds/marketfeeds.yaml" in answer.read()
            with urllib.request.urlopen(f"http://{HOST}:{port}/healthz", timeout=5) as answer:
                assert answer.read() == b"ok\n"
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
        finally:
            process.kill()
            process.wait()
            api.shutdown()
