"""Real servers for integration tests: each of its own, on a free port, gone afterwards."""

from __future__ import annotations

import shutil
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import trustme
from published import Consumer, Feed
from recordings import RECORDINGS
from redis_server import RedisServer
from simulated import SimulatorProcess, binance

from marketfeed_simulator.server import Simulator


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    """Not started: `start()` it."""
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed")
    server = RedisServer(tmp_path)
    yield server
    server.kill()


@pytest.fixture
def feed(tmp_path: Path) -> Feed:
    """Events to publish; its Secrets are in the folder `secrets` of the test's."""
    return Feed(tmp_path / "secrets")


@pytest.fixture
async def consumer() -> AsyncIterator[Consumer]:
    """Not subscribed: `start(url)` it."""
    consumer = Consumer()
    yield consumer
    await consumer.stop()


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    """Binance spot in this process: 40 symbols, a ledger, standing still until `resume` or `emit`."""
    async with binance(40, rate=2000.0) as simulator:
        yield simulator


@pytest.fixture
def simulator_process(tmp_path: Path) -> Iterator[SimulatorProcess]:
    """Not started: `start("--rate", "500")` it."""
    simulator = SimulatorProcess(tmp_path)
    yield simulator
    simulator.kill()


@pytest.fixture(scope="session")
def test_ca() -> trustme.CA:
    """An authority that nobody trusts unless told to."""
    return trustme.CA()


@pytest.fixture(scope="session")
def server_tls(test_ca: trustme.CA) -> ssl.SSLContext:
    """TLS of a server at localhost and 127.0.0.1, certified by the test's authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    test_ca.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context


@pytest.fixture(scope="session")
def ca_file(test_ca: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The authority's certificate, as a file."""
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    test_ca.cert_pem.write_to_path(path)
    return path


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The folder of recorded exchange data."""
    if not RECORDINGS.is_dir():
        pytest.skip(f"no recorded data at {RECORDINGS}: set MARKETFEED_RECORDINGS")
    return RECORDINGS
