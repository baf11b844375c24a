"""Redis Pub/Sub against a real redis-server, through its restarts, freezes and refusals."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
import uvloop
from published import Consumer, Feed
from redis_server import RedisServer, free_port
from waiting import until

from marketfeed.report import PublisherState
from marketfeed.resource import RedisPubSub as Spec
from marketfeed_shard.publishers import redis_pubsub
from marketfeed_shard.publishers.redis_pubsub import RedisPubSub

CONNECTED = PublisherState.CONNECTED


@asynccontextmanager
async def running(feed: Feed, spec: dict[str, Any]) -> AsyncIterator[RedisPubSub]:
    publisher = RedisPubSub(Spec.model_validate(spec), feed.context())
    await publisher.start()
    try:
        yield publisher
    finally:
        await publisher.close(0.0)


def by_channel(received: list[tuple[str, bytes]]) -> dict[str, list[bytes]]:
    found: dict[str, list[bytes]] = {}
    for channel, event in received:
        found.setdefault(channel, []).append(event)
    return found


def sent_by_channel(feed: Feed) -> dict[str, list[bytes]]:
    return by_channel([(f"md.binance.spot.trades.{feed.streams[slot].symbol}", event) for slot, event in feed.sent])


async def test_every_event_arrives_once_and_in_order(feed: Feed, redis_server: RedisServer, consumer: Consumer) -> None:
    redis_server.start()
    await consumer.start(redis_server.url)
    async with running(feed, {"url": redis_server.url, "maxAge": "60s"}) as publisher:
        await publisher.connected()
        batches = [feed.batch(count, slots) for count, slots in [(1, [0]), (7, [0, 1, 2]), (500, [3, 1]), (3, [2])] * 50]
        for i, batch in enumerate(batches):
            publisher.put(batch)
            if i % 10 == 0:
                await asyncio.sleep(0)
        await until(lambda: len(consumer.received) >= len(feed.sent), "all events at the subscriber")
        await until(lambda: publisher.report().queued_bytes == 0, "all answers")
        report = publisher.report()
    assert by_channel(consumer.received) == sent_by_channel(feed)
    assert (report.state, report.published, report.dropped, report.lag) == (CONNECTED, len(feed.sent), 0, 0.0)
    assert feed.done == batches
    assert feed.losses == []


async def test_streams_that_are_added_later_have_their_channels(
    feed: Feed, redis_server: RedisServer, consumer: Consumer
) -> None:
    redis_server.start()
    await consumer.start(redis_server.url)
    async with running(feed, {"url": redis_server.url, "channel": "md.{symbol}/{market}"}) as publisher:
        await publisher.connected()
        publisher.put(feed.batch(1, [0]))
        feed.streams.append(type(feed.streams[0])("bbo", "币安人生-USDT", "币安人生USDT"))
        publisher.put(feed.batch(1, [4]))
        await until(lambda: len(consumer.received) == 2, "both events")
    assert [channel for channel, _ in consumer.received] == ["md.S0-USDT/spot", "md.币安人生-USDT/spot"]


async def test_events_wait_for_the_first_connection(feed: Feed, redis_server: RedisServer) -> None:
    async with running(feed, {"url": redis_server.url, "maxAge": "60s"}) as publisher:
        publisher.put(feed.batch(5))
        await until(lambda: publisher.report().state is PublisherState.BACKOFF, "a failed attempt")
        assert "Connect call failed" in str(publisher.report().error) or "refused" in str(publisher.report().error)
        assert publisher.report().queued_bytes > 0
        redis_server.start()
        await until(lambda: publisher.report().published == 5, "all events answered")
        assert publisher.report().error is None
    assert feed.losses == []


async def test_what_is_lost_while_redis_is_away_is_announced_once_with_its_bounds(
    feed: Feed, redis_server: RedisServer, consumer: Consumer
) -> None:
    redis_server.start()
    async with running(feed, {"url": redis_server.url, "maxAge": "100ms"}) as publisher:
        await publisher.connected()
        before = feed.batch(6)
        publisher.put(before)
        await until(lambda: publisher.report().published == 6, "answers")
        redis_server.kill()
        await until(lambda: publisher.report().state is not CONNECTED, "the loss of the connection")
        for _ in range(4):
            publisher.put(feed.batch(5, [0, 1, 0, 0, 0]))
        await until(lambda: publisher.report().dropped == 20, "all of them too old")
        assert feed.losses == []
        redis_server.start()
        await until(lambda: feed.losses, "the announcement")
        await consumer.start(redis_server.url)
        publisher.put(feed.batch(3))
        await until(lambda: publisher.report().published == 9, "answers")
        assert publisher.report().dropped == 20
    (losses,) = feed.losses
    told = [(loss.slot, loss.count, loss.first_position, loss.last_position, loss.before_ns) for loss in losses]
    assert told == [(0, 16, 3, 18, before.received_ns), (1, 4, 3, 6, before.received_ns)]
    assert [event for _, event in consumer.received] == [event for _, event in feed.sent[-3:]]
    assert len(feed.done) == 2, "what was dropped is not done with"


async def test_restarts_under_load_lose_nothing_that_is_not_announced(
    feed: Feed, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_pubsub, "MOST_S", 0.2)
    redis_server.start()
    async with running(feed, {"url": redis_server.url, "maxAge": "50ms"}) as publisher:
        await publisher.connected()
        for _ in range(3):
            loop = asyncio.get_running_loop()
            killed_s, end_s = loop.time() + 0.2, loop.time() + 0.5
            while loop.time() < end_s:
                publisher.put(feed.batch(30))
                await asyncio.sleep(0.001)
                if killed_s and loop.time() > killed_s:
                    redis_server.kill()
                    killed_s = 0.0
            redis_server.start()
            announced = len(feed.losses)
            await until(lambda: publisher.report().state is CONNECTED, "the connection")
            await until(lambda: len(feed.losses) > announced, "the announcement")  # noqa: B023
            publisher.put(feed.batch(3))
            await until(lambda: publisher.report().queued_bytes == 0, "all answers")
        report = publisher.report()
    assert report.published + report.dropped == len(feed.sent)
    assert report.dropped > 0
    assert sum(loss.count for losses in feed.losses for loss in losses) == report.dropped
    assert all(loss.last_position - loss.first_position + 1 == loss.count for losses in feed.losses for loss in losses)


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_put_never_raises_while_the_connection_ends(feed: Feed, redis_server: RedisServer, run: Any) -> None:
    async def scenario() -> RedisPubSub:
        async with running(feed, {"url": redis_server.url, "maxAge": "60s"}) as publisher:
            for _ in range(5):
                await until(lambda: publisher.report().state is CONNECTED, "the connection")
                ended = asyncio.get_running_loop().run_in_executor(None, redis_server.kill)
                while not ended.done() or publisher.report().state is CONNECTED:
                    publisher.put(feed.batch(3))
                    await asyncio.sleep(0)
                await asyncio.to_thread(redis_server.start)
            await until(lambda: publisher.report().queued_bytes == 0, "all answers")
        return publisher

    redis_server.start()
    report = run(scenario()).report()
    assert report.published + report.dropped == len(feed.sent)


async def test_a_frozen_redis_is_left_and_found_again(
    feed: Feed, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_pubsub, "HANG_S", 0.3)
    redis_server.start()
    async with running(feed, {"url": redis_server.url, "maxAge": "60s"}) as publisher:
        await publisher.connected()
        redis_server.freeze()
        publisher.put(feed.batch(4, [0]))
        await until(lambda: publisher.report().dropped == 4, "the unanswered counted as dropped")
        assert "no answer" in str(publisher.report().error)
        publisher.put(feed.batch(2, [0]))
        redis_server.thaw()
        await until(lambda: publisher.report().published == 2, "what waited, delivered")
        await until(lambda: feed.losses, "the announcement")
    ((loss,),) = feed.losses
    assert (loss.count, loss.first_position, loss.last_position) == (4, 1, 4)


async def test_a_frozen_redis_never_makes_the_buffer_exceed_its_bound(
    feed: Feed, redis_server: RedisServer, consumer: Consumer
) -> None:
    redis_server.start()
    await consumer.start(redis_server.url)
    bound = 4 * 2**20
    async with running(feed, {"url": redis_server.url, "maxAge": "60s", "bufferBytes": bound}) as publisher:
        await publisher.connected()
        redis_server.freeze()
        for _ in range(400):
            publisher.put(feed.batch(100, pad=300))
            assert publisher.report().queued_bytes <= bound
            await asyncio.sleep(0)
        dropped = publisher.report().dropped
        assert dropped > 0
        assert publisher.report().lag > 0.0
        redis_server.thaw()
        await until(lambda: publisher.report().queued_bytes == 0, "all answers")
        report = publisher.report()
        await until(lambda: len(consumer.received) >= report.published, "what was answered, at the subscriber")
    assert report.dropped == dropped
    assert report.published + report.dropped == len(feed.sent)
    assert sum(loss.count for losses in feed.losses for loss in losses) == dropped
    lost = {loss.slot: range(loss.first_position, loss.last_position + 1) for loss in feed.losses[0]}
    arrived = {event for _, event in consumer.received}
    n = [0, 0, 0]
    for slot, event in feed.sent:
        n[slot] += 1
        assert (event in arrived) is (n[slot] not in lost[slot])


async def test_a_wrong_password_is_told_without_it_and_heals_when_the_secret_changes(
    feed: Feed, redis_server: RedisServer, tmp_path: Path
) -> None:
    redis_server.start("--requirepass", "opensesame")
    secret = tmp_path / "secrets" / "redis" / "password"
    spec = {"url": redis_server.url, "passwordFrom": {"secretKeyRef": {"name": "redis", "key": "password"}}}
    async with running(feed, spec) as publisher:
        await until(lambda: publisher.report().state is PublisherState.FAILED, "the missing secret")
        assert "password of Secret redis" in str(publisher.report().error)
        secret.parent.mkdir(parents=True)
        secret.write_text("openbarley\n")
        await until(lambda: "WRONGPASS" in str(publisher.report().error), "the refusal")
        assert publisher.report().state is PublisherState.FAILED
        assert "openbarley" not in str(publisher.report().error)
        secret.write_text("opensesame\n")
        await until(lambda: publisher.report().state is CONNECTED, "the connection")
        assert publisher.report().error is None


async def test_a_channel_that_the_user_may_not_use_drops_its_own_events_only(feed: Feed, redis_server: RedisServer) -> None:
    redis_server.start()
    with redis_server.admin() as admin:
        allowed = "&md.binance.spot.trades.S0-USDT"
        admin.execute_command("ACL", "SETUSER", "feeder", "on", ">pa$$/w", "resetchannels", allowed, "+publish")
        url = f"redis://feeder:pa$$%2Fw@127.0.0.1:{redis_server.port}/0"
        async with running(feed, {"url": url}) as publisher:
            await publisher.connected()
            publisher.put(feed.batch(6, [0, 1]))
            await until(lambda: publisher.report().queued_bytes == 0, "all answers")
            report = publisher.report()
            assert (report.published, report.dropped, report.state) == (3, 3, PublisherState.FAILED)
            assert "NOPERM" in str(report.error)
            publisher.put(feed.batch(2, [0]))
            await until(lambda: publisher.report().published == 5, "the other channel")
            assert feed.losses == []
            admin.execute_command("ACL", "SETUSER", "feeder", "allchannels")
            publisher.put(feed.batch(1, [1]))
            await until(lambda: feed.losses, "the announcement")
            assert publisher.report().published == 6
    ((loss,),) = feed.losses
    assert (loss.slot, loss.count, loss.first_position, loss.last_position) == (1, 3, 1, 3)


async def test_tls_checks_the_certificate_against_the_given_authority(
    feed: Feed, redis_server: RedisServer, consumer: Consumer, tmp_path: Path
) -> None:
    authority, other = trustme.CA(), trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    (tmp_path / "secrets" / "tls").mkdir(parents=True)
    other.cert_pem.write_to_path(tmp_path / "secrets" / "tls" / "ca.crt")
    files = {"--tls-cert-file": "cert.pem", "--tls-key-file": "key.pem", "--tls-ca-cert-file": "ca.pem"}
    options = [word for name, file in files.items() for word in (name, str(tmp_path / file))]
    port = free_port()
    redis_server.start("--tls-port", str(port), *options, "--tls-auth-clients", "no")
    url = f"rediss://127.0.0.1:{port}"
    spec = {"url": url, "maxAge": "60s", "tls": {"caFrom": {"secretKeyRef": {"name": "tls", "key": "ca.crt"}}}}
    async with running(feed, spec) as publisher:
        await until(lambda: "certificate refused" in str(publisher.report().error), "the refusal")
        assert publisher.report().state is PublisherState.FAILED
        authority.cert_pem.write_to_path(tmp_path / "secrets" / "tls" / "ca.crt")
        await until(lambda: publisher.report().state is CONNECTED, "the connection")
        await consumer.start(url, ssl_ca_certs=str(tmp_path / "ca.pem"))
        for _ in range(20):
            publisher.put(feed.batch(300))
        await until(lambda: len(consumer.received) == len(feed.sent), "all events at the subscriber")
    assert by_channel(consumer.received) == sent_by_channel(feed)


async def test_close_delivers_what_waits(feed: Feed, redis_server: RedisServer, consumer: Consumer) -> None:
    redis_server.start()
    await consumer.start(redis_server.url)
    publisher = RedisPubSub(Spec.model_validate({"url": redis_server.url, "maxAge": "60s"}), feed.context())
    await publisher.start()
    for _ in range(10):
        publisher.put(feed.batch(1000))
    await publisher.close(20.0)
    assert (publisher.report().published, publisher.report().dropped) == (10_000, 0)
    await until(lambda: len(consumer.received) == 10_000, "all events at the subscriber")
    publisher.put(feed.batch(1))
    assert publisher.report().dropped == 1


async def test_close_lets_go_at_its_deadline_and_counts_what_was_not_delivered(feed: Feed, redis_server: RedisServer) -> None:
    redis_server.start()
    publisher = RedisPubSub(Spec.model_validate({"url": redis_server.url, "maxAge": "60s"}), feed.context())
    await publisher.start()
    await publisher.connected()
    redis_server.freeze()
    publisher.put(feed.batch(10))
    await publisher.close(0.05)
    redis_server.thaw()
    assert (publisher.report().published, publisher.report().dropped, publisher.report().queued_bytes) == (0, 10, 0)
    assert feed.done == []
