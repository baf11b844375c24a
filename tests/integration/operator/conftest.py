"""A cluster for the tests of the operator, and a namespace for each of them."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster import Cluster, lacking
from operated import Feeds, Operator, wait_acting
from received import Consumer
from redis_server import RedisServer

ROOT = Path(__file__).parents[3]
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A real control plane and the nodes `node-1` and `node-2`."""
    reason = lacking()
    if reason is not None:
        pytest.skip(reason)
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        cluster.start(nodes=2)
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """Empty, and gone afterwards with all that is in it."""
    name = f"test-{next(_numbers)}"
    cluster.create_namespace(name)
    yield name
    cluster.heal()
    cluster.delete_namespace(name)


@pytest.fixture(scope="session")
def crd(cluster: Cluster) -> None:
    """MarketFeeds are known."""
    cluster.kubectl("apply", "--server-side", "-f", str(ROOT / "crds/marketfeeds.yaml"))
    cluster.wait(lambda: cluster.get("/apis/marketfeed.dev/v1alpha1"), "MarketFeeds are served")


@pytest.fixture
def operator(cluster: Cluster, namespace: str, crd: None, tmp_path: Path) -> Iterator[Operator]:
    """One that acts."""
    running = Operator(tmp_path, cluster, namespace)
    running.start()
    wait_acting(running)
    yield running
    running.kill()


@pytest.fixture
def feeds(cluster: Cluster, namespace: str, operator: Operator) -> Feeds:
    return Feeds(cluster, namespace, operator)


@pytest.fixture
def sink(tmp_path: Path, cluster: Cluster) -> Iterator[RedisServer]:
    """Redis where pods reach it."""
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed")
    server = RedisServer(tmp_path, cluster.host)
    try:
        server.start("--protected-mode", "no")
        yield server
    finally:
        server.kill()


@pytest.fixture
def consumer(sink: RedisServer) -> Iterator[Consumer]:
    made = Consumer(sink.port, sink.host)
    made.start()
    yield made
    made.stop()
