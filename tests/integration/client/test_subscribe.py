"""The client against the publishers themselves: the same events over gRPC and Redis, through restarts of what is between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc.aio
import orjson
import pytest
from published import Feed
from redis_server import RedisServer, free_port
from waiting import until

from marketfeed.resource import Grpc as GrpcSpec
from marketfeed.resource import RedisPubSub as RedisSpec
from marketfeed_client import subscribe
from marketfeed_shard.publishers.grpc import Grpc
from marketfeed_shard.publishers.redis_pubsub import RedisPubSub


@asynccontextmanager
async def publishing(publisher: Any) -> AsyncIterator[Any]:
    await publisher.start()
    await publisher.connected()
    try:
        yield publisher
    finally:
        await publisher.close(0.0)


class Reader:
    """Collects what `subscribe` yields."""

    def __init__(self, url: str, **wanted: Any) -> None:
        self.events: list[Any] = []
        self._task = asyncio.create_task(self._read(url, wanted))

    async def _read(self, url: str, wanted: dict[str, Any]) -> None:
        async for event in subscribe(url, **wanted):
            self.events.append(event)

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


@asynccontextmanager
async def reading(url: str, **wanted: Any) -> AsyncIterator[Reader]:
    reader = Reader(url, **wanted)
    try:
        yield reader
    finally:
        await reader.stop()


def decoded(feed: Feed, slots: set[int]) -> list[Any]:
    return [orjson.loads(event) for slot, event in feed.sent if slot in slots]


def subscribers(publisher: Grpc) -> int:
    return len(list(publisher._subscriptions))


async def test_grpc_events_arrive_filtered_and_in_order(feed: Feed) -> None:
    port = free_port()
    spec = GrpcSpec.model_validate({"port": port, "maxAge": "60s"})
    url = f"grpc://127.0.0.1:{port}"
    async with (
        publishing(Grpc(spec, feed.context())) as publisher,
        reading(url) as all_of_it,
        reading(url, symbols=["S1-*"], exchange="binance") as some,
    ):
        await until(lambda: subscribers(publisher) == 2, "both subscribed")
        for count in (1, 10, 300):
            publisher.put(feed.batch(count))
        await until(lambda: len(all_of_it.events) == 311, "all events")
        await until(lambda: len(some.events) == len(decoded(feed, {1})), "those of one symbol")
    assert all_of_it.events == decoded(feed, {0, 1, 2})
    assert some.events == decoded(feed, {1})


async def test_grpc_is_connected_again_when_the_shard_restarts(feed: Feed) -> None:
    port = free_port()
    spec = GrpcSpec.model_validate({"port": port, "maxAge": "60s"})
    async with reading(f"grpc://127.0.0.1:{port}") as reader:
        for _ in range(3):
            async with publishing(Grpc(spec, feed.context())) as publisher:
                await until(lambda: subscribers(publisher) == 1, "the subscription")
                publisher.put(feed.batch(5))
                await until(lambda: len(reader.events) == len(feed.sent), "the events")
    assert reader.events == decoded(feed, {0, 1, 2})


async def test_what_is_no_market_data_server_is_told() -> None:
    port, server = free_port(), grpc.aio.server()
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    with pytest.raises(ValueError, match="Method not found"):
        await anext(subscribe(f"grpc://127.0.0.1:{port}"))
    await server.stop(None)


def subscriber_ids(server: RedisServer) -> set[str]:
    """The connections that are subscribed to something."""
    with server.admin() as admin:
        return {client["id"] for client in admin.client_list() if client["sub"] != "0" or client["psub"] != "0"}


@pytest.mark.parametrize(
    ("wanted", "slots"),
    [
        ({}, {0, 1, 2}),
        ({"symbols": ["S1-USDT", "S2-USDT"], "exchange": "binance", "market": "spot", "channels": ["trades"]}, {1, 2}),
        ({"symbols": ["S1-*", "*-USDT", "S2-USDT"]}, {0, 1, 2}),
        ({"symbols": ["S[01]-*"], "market": "spot"}, {0, 1}),
    ],
)
async def test_redis_events_arrive_once_filtered_and_in_order(
    feed: Feed, redis_server: RedisServer, wanted: dict[str, Any], slots: set[int]
) -> None:
    redis_server.start()
    spec = RedisSpec.model_validate({"url": redis_server.url, "maxAge": "60s"})
    async with publishing(RedisPubSub(spec, feed.context())) as publisher, reading(redis_server.url, **wanted) as reader:
        await until(lambda: len(subscriber_ids(redis_server)) == 1, "the subscription")
        for count in (1, 10, 300):
            publisher.put(feed.batch(count))
        await until(lambda: len(reader.events) >= len(decoded(feed, slots)), "the events")
        await until(lambda: publisher.report().published == len(feed.sent), "all answers")
    assert reader.events == decoded(feed, slots)


async def test_redis_is_connected_again_when_it_restarts(feed: Feed, redis_server: RedisServer) -> None:
    redis_server.start()
    spec = RedisSpec.model_validate({"url": redis_server.url, "maxAge": "60s"})
    async with publishing(RedisPubSub(spec, feed.context())) as publisher, reading(redis_server.url) as reader:
        for _ in range(3):
            await until(lambda: len(subscriber_ids(redis_server)) == 1, "the subscription")
            await until(lambda: publisher.report().state == "connected", "the publisher")
            publisher.put(feed.batch(5))
            await until(lambda: len(reader.events) == len(feed.sent), "the events")
            redis_server.restart()
    assert reader.events == decoded(feed, {0, 1, 2})


async def test_a_frozen_redis_is_left(feed: Feed, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("marketfeed_client.redis.PING_S", 0.2)
    monkeypatch.setattr("marketfeed_client.redis.CONNECT_S", 0.5)
    redis_server.start()
    spec = RedisSpec.model_validate({"url": redis_server.url, "maxAge": "60s"})
    async with publishing(RedisPubSub(spec, feed.context())) as publisher, reading(redis_server.url) as reader:
        await until(lambda: len(subscriber_ids(redis_server)) == 1, "the subscription")
        before = subscriber_ids(redis_server)
        redis_server.freeze()
        await asyncio.sleep(1.0)  # longer than the ping and its answer may take: this wait is what is tested
        redis_server.thaw()
        await until(
            lambda: len(subscriber_ids(redis_server)) == 1 and subscriber_ids(redis_server) != before, "a new subscription"
        )
        publisher.put(feed.batch(5))
        await until(lambda: len(reader.events) == 5, "the events")


@pytest.mark.parametrize("message", ["hello", "[1]", '{"a', '{"type":"trade"}', ""])
async def test_what_is_no_event_is_told_with_its_channel(redis_server: RedisServer, message: str) -> None:
    redis_server.start()
    first = asyncio.create_task(anext(subscribe(redis_server.url)))
    await until(lambda: subscriber_ids(redis_server), "the subscription")
    with redis_server.admin() as admin:
        admin.publish("md.a.b.c.d", message)
    with pytest.raises(ValueError, match=r"the channel md\.a\.b\.c\.d carries what is no event"):
        await first


async def test_a_wrong_password_is_told(redis_server: RedisServer) -> None:
    redis_server.start("--requirepass", "opensesame")
    with pytest.raises(ValueError, match=r"WRONGPASS|invalid username-password|uthentication"):
        await anext(subscribe(redis_server.url.replace("redis://", "redis://:openbarley@")))
