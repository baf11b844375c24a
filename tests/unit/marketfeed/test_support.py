from __future__ import annotations

from typing import Any

import pytest

from marketfeed.exchanges import catalogue
from marketfeed.exchanges.exchange import Market
from marketfeed.support import unsupported
from marketfeed.validation import parse

SECRET = {"secretKeyRef": {"name": "n", "key": "k"}}


def paths(source: dict[str, Any] | None = None, publishers: dict[str, Any] | None = None, **spec: Any) -> list[str]:
    manifest = {
        "apiVersion": "marketfeed.dev/v1alpha1",
        "kind": "MarketFeed",
        "metadata": {"name": "feed"},
        "spec": {
            "sources": [
                {
                    "exchange": "binance",
                    "market": "spot",
                    "symbols": ["BTC-USDT"],
                    "channels": ["trades", "bbo"],
                    **(source or {}),
                }
            ],
            "publishers": publishers or {"grpc": {}},
            **spec,
        },
    }
    return [problem.path for problem in unsupported(parse(manifest))]


@pytest.mark.parametrize("market", catalogue.MARKETS.values(), ids=lambda market: f"{market.exchange} {market.name}")
def test_every_channel_of_every_market_runs(market: Market) -> None:
    symbol = {"spot": "BTC-USDT", "linear": "BTC-USDT-PERP", "inverse": "BTC-USD-PERP"}[market.name]
    endpoint = dict.fromkeys(market.endpoints.others, "ws://h")
    source = {"exchange": market.exchange, "market": market.name, "symbols": [symbol], "channels": list(market.channels)}
    assert paths({**source, "endpoint": endpoint}) == []


def test_what_runs_is_not_named() -> None:
    redis = {"url": "rediss://localhost", "passwordFrom": SECRET, "tls": {"caFrom": SECRET}}
    server = {"tls": {"certFrom": SECRET, "keyFrom": SECRET}}
    endpoint = {"ws": "ws://h", "rest": "http://h"}
    source = {"endpoint": endpoint, "transport": "websockets", "proxy": {"urlFrom": SECRET}}
    assert paths(source, {"redisPubSub": redis, "grpc": server}, sharding={"legs": 2}) == []


@pytest.mark.parametrize(
    ("publishers", "spec", "path"),
    [
        ({"redisStreams": {"url": "redis://h"}}, {}, "spec.publishers.redisStreams"),
        ({"kafka": {"bootstrapServers": ["a:1"]}}, {}, "spec.publishers.kafka"),
        ({"grpc": {"encoding": "msgpack"}}, {}, "spec.publishers.grpc.encoding"),
        ({"grpc": {"slowClient": "conflate"}}, {}, "spec.publishers.grpc.slowClient"),
        ({"redisPubSub": {"url": "redis://h", "cluster": True}}, {}, "spec.publishers.redisPubSub.cluster"),
        (
            {"redisPubSub": {"sentinel": {"master": "m", "addresses": ["a"]}}},
            {},
            "spec.publishers.redisPubSub.sentinel",
        ),
        ({}, {"sharding": {"replicas": 2}}, "spec.sharding.replicas"),
    ],
)
def test_what_is_valid_and_does_not_run_yet_is_named(publishers: dict[str, Any], spec: dict[str, Any], path: str) -> None:
    assert paths(None, publishers, **spec) == [path]
