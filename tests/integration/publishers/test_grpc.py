"""The gRPC publisher on the loopback, with real clients: quick, slow, many, and away."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
import trustme
from published import Feed
from redis_server import free_port
from waiting import until

from marketfeed.report import PublisherState
from marketfeed.resource import Grpc as Spec
from marketfeed.v1.marketfeed_pb2 import EventBatch, SubscribeRequest
from marketfeed_shard.publishers import grpc as publisher_module
from marketfeed_shard.publishers.grpc import Grpc

METHOD = "/marketfeed.v1.MarketData/Subscribe"


@asynccontextmanager
async def running(feed: Feed, spec: dict[str, Any]) -> AsyncIterator[Grpc]:
    publisher = Grpc(Spec.model_validate(spec), feed.context())
    await publisher.start()
    try:
        yield publisher
    finally:
        await publisher.close(0.0)


class Client:
    """One stream; reads only when told."""

    def __init__(self, port: int, credentials: Any = None, **request: Any) -> None:
        # A small window, so that a client that does not read is felt soon.
        options = (("grpc.http2.lookahead_bytes", 65_536), ("grpc.http2.bdp_probe", 0))
        address = f"127.0.0.1:{port}"
        if credentials is None:
            self._channel = grpc.aio.insecure_channel(address, options=options)
        else:
            self._channel = grpc.aio.secure_channel(address, credentials, options=options)
        self._call: Any = self._channel.unary_stream(
            METHOD, request_serializer=SubscribeRequest.SerializeToString, response_deserializer=EventBatch.FromString
        )(SubscribeRequest(**request))
        self.events: list[bytes] = []
        self.missed = 0
        self.messages = 0

    async def subscribed(self) -> None:
        await self._call.initial_metadata()

    async def read_until(self, count: int) -> None:
        """Read until so many events arrived or were told as missed."""
        async with asyncio.timeout(20):
            while len(self.events) + self.missed < count:
                message = await self._call.read()
                assert message is not grpc.aio.EOF
                self.messages += 1
                self.missed += message.missed
                self.events += message.events

    async def read_to_end(self) -> Any:
        while (message := await self._call.read()) is not grpc.aio.EOF:
            self.missed += message.missed
            self.events += message.events
        return await self._call.code()

    async def leave(self) -> None:
        self._call.cancel()
        await self._channel.close()


@asynccontextmanager
async def client(port: int, credentials: Any = None, **request: Any) -> AsyncIterator[Client]:
    client = Client(port, credentials, **request)
    try:
        await client.subscribed()
        yield client
    finally:
        await client.leave()


async def test_every_client_gets_every_event_in_order_byte_by_byte(feed: Feed) -> None:
    port = free_port()
    async with running(feed, {"port": port, "maxAge": "60s"}) as publisher:
        await publisher.connected()
        async with client(port) as one, client(port) as two:
            for count in [1, 5, 100, 1] * 50:
                publisher.put(feed.batch(count))
                await asyncio.sleep(0)
            await asyncio.gather(one.read_until(len(feed.sent)), two.read_until(len(feed.sent)))
            await until(lambda: publisher.report().queued_bytes == 0, "all handed over")
            report = publisher.report()
    assert one.events == two.events == [event for _, event in feed.sent]
    assert (one.missed, two.missed) == (0, 0)
    assert (report.state, report.published, report.dropped) == (PublisherState.CONNECTED, len(feed.sent), 0)
    assert len(feed.done) == 200


async def test_a_lone_event_is_a_message_of_its_own(feed: Feed) -> None:
    port = free_port()
    async with running(feed, {"port": port}) as publisher:
        await publisher.connected()
        async with client(port) as one:
            for i in range(1, 4):
                publisher.put(feed.batch(1))
                await one.read_until(i)
    assert one.messages == 3


async def test_a_client_gets_what_its_filter_takes_and_no_more(feed: Feed) -> None:
    port = free_port()
    async with running(feed, {"port": port, "maxAge": "60s"}) as publisher:
        await publisher.connected()
        async with (
            client(port, symbols=["S[02]-*"], exchange="binance") as some,
            client(port, symbols=["S1-USDT", "S4-USDT"], channels=["trades"]) as other,
            client(port, market="linear") as none,
        ):
            publisher.put(feed.batch(9))
            feed.streams.append(type(feed.streams[0])("trades", "S4-USDT", "S4USDT"))
            feed.streams.append(type(feed.streams[0])("bbo", "S1-USDT", "S1USDT"))
            publisher.put(feed.batch(4, [4, 5]))
            await asyncio.gather(some.read_until(6), other.read_until(5))
            await until(lambda: publisher.report().published == 13, "all published")
    assert some.events == [event for slot, event in feed.sent if slot in {0, 2}]
    assert other.events == [event for slot, event in feed.sent if slot in {1, 4}]
    assert none.events == []


async def test_a_slow_client_is_told_exactly_what_it_missed_and_slows_no_other(feed: Feed) -> None:
    port = free_port()
    spec = {"port": port, "maxAge": "60s", "bufferBytes": "1Mi"}
    async with running(feed, spec) as publisher:
        await publisher.connected()
        async with client(port) as slow, client(port) as fast:
            for i in range(1, 101):
                publisher.put(feed.batch(100, pad=300))
                await fast.read_until(100 * i)
                assert publisher.report().queued_bytes <= 2 * 2**20
            dropped = publisher.report().dropped
            await slow.read_until(len(feed.sent))
    assert fast.events == [event for _, event in feed.sent]
    assert fast.missed == 0
    assert slow.missed == dropped > 0
    assert set(slow.events) < set(fast.events)
    assert slow.events[-1] == fast.events[-1]
    assert slow.events == [event for event in fast.events if event in set(slow.events)]


async def test_what_is_too_old_for_a_client_is_missed(feed: Feed) -> None:
    port = free_port()
    async with running(feed, {"port": port, "maxAge": "50ms"}) as publisher:
        await publisher.connected()
        async with client(port) as slow:
            for _ in range(30):
                publisher.put(feed.batch(100, pad=300))
            await asyncio.sleep(0.2)  # longer than maxAge: this wait is what is tested
            await slow.read_until(len(feed.sent))
            report = publisher.report()
    assert slow.missed == report.dropped > 0
    assert report.published + report.dropped == len(feed.sent)


async def test_what_a_client_leaves_behind_is_not_dropped(feed: Feed) -> None:
    port = free_port()
    async with running(feed, {"port": port, "maxAge": "60s"}) as publisher:
        await publisher.connected()
        async with client(port):
            for _ in range(30):
                publisher.put(feed.batch(100, pad=300))
            assert publisher.report().queued_bytes > 0
        await until(lambda: publisher.report().queued_bytes == 0, "that it left")
        publisher.put(feed.batch(1))
        assert (publisher.report().published, publisher.report().dropped) == (3001, 0)
    assert len(feed.done) == 31


async def test_close_hands_over_what_waits_and_ends_the_streams(feed: Feed) -> None:
    port = free_port()
    async with running(feed, {"port": port, "maxAge": "60s"}) as publisher:
        await publisher.connected()
        async with client(port) as one:
            for _ in range(30):
                publisher.put(feed.batch(100, pad=300))
            _, code = await asyncio.gather(publisher.close(20.0), one.read_to_end())
    assert code is grpc.StatusCode.OK
    assert one.events == [event for _, event in feed.sent]


async def test_close_counts_what_a_client_did_not_take_in_time(feed: Feed) -> None:
    port = free_port()
    async with running(feed, {"port": port, "maxAge": "60s"}) as publisher:
        await publisher.connected()
        async with client(port):
            for _ in range(300):  # in messages of their own: more than what lies between server and client holds
                publisher.put(feed.batch(100, pad=300))
                await asyncio.sleep(0)
            await publisher.close(0.05)
            report = publisher.report()
    assert report.dropped > 0
    assert report.published + report.dropped == len(feed.sent)
    assert report.queued_bytes == 0


async def test_a_taken_port_is_told_and_tried_again(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    monkeypatch.setattr(publisher_module, "MOST_S", 0.1)
    with socket.create_server(("127.0.0.1", port)):
        publisher = Grpc(Spec.model_validate({"port": port}), feed.context())
        await publisher.start()
        await until(lambda: publisher.report().state is PublisherState.FAILED, "the failure")
        assert f"127.0.0.1:{port}: Address already in use" in str(publisher.report().error)
        publisher.put(feed.batch(1))
    await publisher.connected()
    assert (publisher.report().state, publisher.report().error) == (PublisherState.CONNECTED, None)
    await publisher.close(0.0)


async def test_two_publishers_never_share_a_port(feed: Feed) -> None:
    port = free_port()
    async with running(feed, {"port": port}) as first, running(feed, {"port": port}) as second:
        await first.connected()
        await until(lambda: second.report().state is PublisherState.FAILED, "the failure of the second")


async def test_a_request_that_cannot_be_served_is_refused_with_the_reason(feed: Feed) -> None:
    port = free_port()
    async with running(feed, {"port": port}) as publisher:
        await publisher.connected()
        for request, reason in [({"encoding": 7}, "JSON"), ({"symbols": ["*"] * 257}, "symbols has 257 globs")]:
            one = Client(port, **request)
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await one.read_until(1)
            assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
            assert reason in refused.value.details()
            await one.leave()


async def test_tls_serves_with_the_given_certificate(feed: Feed, tmp_path: Path) -> None:
    port = free_port()
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    folder = tmp_path / "secrets" / "tls"
    folder.mkdir(parents=True)
    certificate.private_key_pem.write_to_path(folder / "tls.key")
    certificate.cert_chain_pems[0].write_to_path(folder / "tls.crt")
    keys = {"certFrom": "tls.crt", "keyFrom": "tls.key"}
    tls = {name: {"secretKeyRef": {"name": "tls", "key": key}} for name, key in keys.items()}
    async with running(feed, {"port": port, "tls": tls}) as publisher:
        await publisher.connected()
        credentials = grpc.ssl_channel_credentials(authority.cert_pem.bytes())
        async with client(port, credentials) as one:
            publisher.put(feed.batch(3))
            await one.read_until(3)
    assert one.events == [event for _, event in feed.sent]
