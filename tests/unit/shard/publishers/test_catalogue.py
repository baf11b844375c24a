from __future__ import annotations

from typing import Any

import pytest

from marketfeed.clock import ManualClock
from marketfeed.resource import Publishers
from marketfeed_shard.publishers.catalogue import create
from marketfeed_shard.publishers.context import Context
from marketfeed_shard.secrets import Secrets

CONTEXT = Context("feed", "feed-0", "binance", "spot", [], lambda losses: None, ManualClock(), Secrets(None), "127.0.0.1")


def test_what_the_manifest_asks_for_is_made() -> None:
    spec = Publishers.model_validate({"redisPubSub": {"url": "redis://h", "required": False}, "grpc": {}})
    assert [(publisher.name, publisher.required) for publisher in create(spec, CONTEXT)] == [
        ("redisPubSub", False),
        ("grpc", True),
    ]


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"kafka": {"bootstrapServers": ["h:1"]}}, "publishers.kafka: is not offered yet; there are redisPubSub, grpc"),
        ({"redisPubSub": {"url": "redis://h", "cluster": True}}, "publishers.redisPubSub: sentinel and cluster"),
        ({"redisPubSub": {"url": "redis://h", "encoding": "msgpack"}}, "publishers.redisPubSub.encoding: msgpack"),
        ({"grpc": {"slowClient": "conflate"}}, "publishers.grpc.slowClient: conflate"),
        ({"grpc": {"encoding": "protobuf"}}, "publishers.grpc.encoding: protobuf"),
    ],
)
def test_what_is_not_offered_yet_is_refused_by_name(asked: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        create(Publishers.model_validate(asked), CONTEXT)
