"""What the manifest's contract has and this version cannot run yet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from marketfeed.problem import Problem
from marketfeed.resource import Grpc, MarketFeed, Publisher, Redis

LIVE_PUBLISHERS: Final = ("redisPubSub", "grpc")
"""Sinks that a shard has."""


def unsupported(feed: MarketFeed) -> list[Problem]:
    """What is valid and cannot be run by this version."""
    return [*_publishers(feed), *_sharding(feed)]


def _not_yet(path: str, what: str, way_out: str) -> Problem:
    return Problem(path, f"{what} cannot be run by this version yet", way_out)


def _publishers(feed: MarketFeed) -> Iterator[Problem]:
    for name, field in type(feed.spec.publishers).model_fields.items():
        publisher = getattr(feed.spec.publishers, name)
        kind = field.alias or name
        path = f"spec.publishers.{kind}"
        if publisher is None:
            continue
        if kind not in LIVE_PUBLISHERS:
            yield _not_yet(path, f"publisher {kind}", f"run {' or '.join(LIVE_PUBLISHERS)}")
        else:
            yield from _publisher(publisher, path)


def _publisher(publisher: Publisher, path: str) -> Iterator[Problem]:
    if publisher.encoding != "json":
        yield _not_yet(f"{path}.encoding", f"encoding {publisher.encoding}", "run json")
    if isinstance(publisher, Redis):
        if publisher.sentinel is not None:
            yield _not_yet(f"{path}.sentinel", "a Redis behind sentinels", "give its url")
        if publisher.cluster:
            yield _not_yet(f"{path}.cluster", "a Redis cluster", "give the url of a single Redis")
    if isinstance(publisher, Grpc) and publisher.slow_client != "drop-oldest":
        yield _not_yet(f"{path}.slowClient", f"slowClient {publisher.slow_client}", "run drop-oldest")


def _sharding(feed: MarketFeed) -> Iterator[Problem]:
    replicas = feed.spec.sharding.replicas
    if replicas != 1:
        yield _not_yet("spec.sharding.replicas", f"replicas: {replicas}", "run replicas: 1")
