from __future__ import annotations

import pytest
from assignments import assignment

from marketfeed.problem import NotAccepted
from marketfeed.resource import Publishers
from marketfeed_cli.placement import placed, secrets_wanted


def test_each_shard_has_a_grpc_port_of_its_own_and_keeps_it() -> None:
    offsets: dict[str, int] = {}
    first = placed([assignment(0), assignment(1), assignment(2)], offsets, {})
    assert [a.publishers.grpc.port for a in first if a.publishers.grpc] == [9090, 9091, 9092]
    then = placed([assignment(1), assignment(2), assignment(3)], offsets, {a.shard: a for a in first})
    assert [(a.shard[-1], a.publishers.grpc.port) for a in then if a.publishers.grpc] == [("1", 9091), ("2", 9092), ("3", 9090)]
    assert [a.generation for a in then] == [1, 1, 1]


def test_more_shards_than_ports_are_refused() -> None:
    with pytest.raises(NotAccepted, match=r"65535 leaves no port for feed-binance-spot-1"):
        placed([assignment(0, port=65535), assignment(1, port=65535)], {}, {})


def test_a_reference_to_a_secret_is_seen() -> None:
    secret = {"redisPubSub": {"urlFrom": {"secretKeyRef": {"name": "n", "key": "k"}}}}
    wanting = assignment().model_copy(update={"publishers": Publishers.model_validate(secret)})
    assert secrets_wanted([assignment(), wanting])
    assert not secrets_wanted([assignment()])
