"""A cluster for the tests of the operator, and a namespace for each of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from cluster import Cluster, lacking

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
