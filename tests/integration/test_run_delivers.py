"""`marketfeed run` end to end: simulator, shards, a real Redis and gRPC; what is received is the ledger, to the event."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from engines import needs_kernel
from feed_run import FeedRun, manifest
from received import Consumer, assert_counted, bare, by_stream, expected_event
from redis_server import RedisServer, free_port
from simulated import SimulatorProcess, binance
from waiting import until, wait_until

from marketfeed_client import subscribe
from marketfeed_simulator.ledger import MemoryLedger
from marketfeed_simulator.server import Simulator

CHANNELS = ("trades", "bbo")
ENGINES = [pytest.param("compiled", marks=needs_kernel), pytest.param("plain")]
ONE_READ = 20
"""Events of one stream that a socket read may bring here, at most."""


@pytest.fixture
def feed(tmp_path: Path) -> Iterator[FeedRun]:
    running = FeedRun(tmp_path)
    yield running
    running.close()


@pytest.fixture
def consumer(redis_server: RedisServer) -> Iterator[Consumer]:
    redis_server.start()
    made = Consumer(redis_server.port)
    made.start()
    yield made
    made.stop()


def symbols_of(simulator: Simulator) -> dict[str, str]:
    """Native → normalised."""
    return {name.replace("-", ""): name for name in names_of(simulator)}


def names_of(simulator: Simulator) -> list[str]:
    return [f"{listing.base}-{listing.quote}" for listing in simulator.source.listings]


def data(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [bare(event) for event in events if event["type"] != "gap"]


def sorted_by_stream(events: list[dict[str, Any]]) -> dict[tuple[str, str], list[Any]]:
    return dict(by_stream(events))


async def test_forty_symbols_arrive_over_redis_and_grpc_exactly_as_sent(
    feed: FeedRun, consumer: Consumer, redis_server: RedisServer
) -> None:
    """Also while symbols are added and removed, which closes no connection of others."""
    async with binance(40, rate=2000.0) as simulator:
        symbols = symbols_of(simulator)
        names = list(symbols.values())
        grpc_port = free_port()
        publishers = {"redisPubSub": {"url": redis_server.url}, "grpc": {"port": grpc_port}}

        def wanted(which: list[str]) -> dict[str, Any]:
            return manifest(simulator.ws_url, simulator.rest_url, which, CHANNELS, publishers)

        feed.start(wanted(names[:30]))
        await asyncio.to_thread(feed.wait_live, 60)
        received: list[dict[str, Any]] = []

        async def consume() -> None:
            async for event in subscribe(f"grpc://127.0.0.1:{grpc_port}"):
                received.append(dict(event))  # noqa: PERF401 - it never ends

        client = asyncio.ensure_future(consume())
        while not received:  # a live stream begins with what comes after the client
            await simulator.emit(1)
            await asyncio.sleep(0.05)
        await simulator.emit(3000)
        connections = set(simulator.connections)
        simulator.resume()
        feed.write(wanted(names[5:40]))
        await asyncio.to_thread(feed.wait_live, 70)
        simulator.pause()
        await simulator.emit(2000)
        assert set(simulator.connections) == connections, "no connection was closed or added"
        assert isinstance(simulator.ledger, MemoryLedger)
        sent = [expected_event(text, symbols) for _, _, _, text in simulator.ledger]
        last = {(e["channel"], e["symbol"]): e for e in sent}
        for events in (consumer.events, received):
            await until(
                lambda events=events: all(e in data(events[-5000:]) for s, e in last.items() if s[1] in names[5:]),
                "the last event of every stream",
            )
            if events is consumer.events:
                assert_counted(events)
            ours, theirs = sorted_by_stream(data(events)), sorted_by_stream(sent)
            for stream, theirs_all in theirs.items():
                mine = ours[stream]
                first = theirs_all.index(mine[0])
                assert mine == theirs_all[first : first + len(mine)], (stream, "without a hole, none twice")
                if events is consumer.events and stream[1] not in names[30:]:
                    assert first == 0, "from the first on"
                if stream[1] not in names[:5]:
                    assert len(mine) == len(theirs_all) - first, "to the last"
            assert {e["reason"] for e in events if e["type"] == "gap"} <= {"started"}
        assert simulator.violations == []
        client.cancel()
        await asyncio.gather(client, return_exceptions=True)
        status = feed.status()["feed-binance-spot-0"]
        assert status["streams"] == {"desired": 70, "live": 70, "stale": [], "rejected": [], "unproven": []}
        assert [c["reconnects"] for c in status["connections"]] == [0]
        assert status["publishers"]["redisPubSub"]["dropped"] == 0
        assert await asyncio.to_thread(feed.stop) == 0


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "name", ["hft-btcusdt-20240808.jsonl.gz", "hft-btcusdt-20240809.jsonl.gz", "cryptofeed-20211012-A.jsonl"]
)
def test_recorded_trades_and_book_tickers_arrive_normalised(
    recordings: Path, name: str, engine: str, feed: FeedRun, consumer: Consumer, redis_server: RedisServer,
    simulator_process: SimulatorProcess,
) -> None:  # fmt: skip
    path = recordings / "binance/spot" / name
    text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    recorded = [m.get("data", m) for m in map(json.loads, text.splitlines())]
    wanted = [m for m in recorded if m.get("e") == "trade" or {"u", "b", "B", "a", "A"} <= m.keys()]
    symbols = {m["s"]: _named(m["s"]) for m in wanted}
    channels = [c for c, there in (("trades", any("t" in m for m in wanted)), ("bbo", True)) if there]
    streams = {(m["s"], "t" in m) for m in wanted}
    simulator_process.start("--replay", str(path), "--speed", "full", "--streams", str(len(streams)))
    publishers = {"redisPubSub": {"url": redis_server.url, "maxAge": "1m"}}
    source = manifest(simulator_process.ws_url, simulator_process.rest_url, list(symbols.values()), channels, publishers)
    feed.start(source, {"MARKETFEED_ENGINE": engine})
    wait_until(lambda: len(data(consumer.events)) >= len(wanted), f"all {len(wanted)} events; {feed.err}", 60)
    expected = [expected_event(json.dumps(m), symbols) for m in wanted]
    assert sorted_by_stream(data(consumer.events)) == sorted_by_stream(expected)
    assert_counted(consumer.events)
    assert feed.status()["feed-binance-spot-0"]["engine"] == engine


def _named(native: str) -> str:
    quote = next(q for q in ("USDT", "ETH", "BTC") if native.endswith(q))
    return f"{native.removesuffix(quote)}-{quote}"


async def test_over_tls_with_a_certificate_that_is_checked(
    feed: FeedRun, consumer: Consumer, redis_server: RedisServer, server_tls: Any, ca_file: Path
) -> None:
    async with binance(4, tls=server_tls) as simulator:
        names = names_of(simulator)
        publishers = {"redisPubSub": {"url": redis_server.url}}
        wanted = manifest(simulator.ws_url, simulator.rest_url, names, CHANNELS, publishers)
        feed.start(wanted)
        await until(lambda: "certificate verify failed" in feed.err, "the unknown authority is refused")
        assert not feed.ready()
        await asyncio.to_thread(feed.stop)
        feed.start(wanted, {"SSL_CERT_FILE": str(ca_file)})
        await asyncio.to_thread(feed.wait_live, 8)
        await simulator.emit(500)
        await until(lambda: len(data(consumer.events)) == simulator.sent, "all that was sent")
        assert isinstance(simulator.ledger, MemoryLedger)
        sent = [expected_event(text, symbols_of(simulator)) for _, _, _, text in simulator.ledger]
        assert sorted_by_stream(data(consumer.events)) == sorted_by_stream(sent)


def missing(events: list[dict[str, Any]], sent: list[dict[str, Any]]) -> None:
    """Every event sent was received, or lies in an announced gap: by its number, or by time where the gap has none."""
    got = {(e["channel"], e["symbol"], e.get("id") or e.get("seq")) for e in events if e["type"] != "gap"}
    gaps = by_stream(e for e in events if e["type"] == "gap")
    for event in sent:
        number = event.get("id") or event.get("seq")
        if (event["channel"], event["symbol"], number) in got:
            continue
        assert any(
            (gap["from_seq"] is None or gap["from_seq"] <= int(number))
            and (gap["to_seq"] is None or int(number) <= gap["to_seq"])
            for gap in gaps[event["channel"], event["symbol"]]
        ), f"lost in silence: {event}"


@pytest.mark.parametrize("engine", ENGINES)
async def test_a_killed_shard_comes_back_and_announces_exactly_what_was_lost(
    feed: FeedRun, consumer: Consumer, redis_server: RedisServer, engine: str
) -> None:
    async with binance(10, rate=1000.0) as simulator:
        publishers = {"redisPubSub": {"url": redis_server.url}}
        feed.start(
            manifest(simulator.ws_url, simulator.rest_url, names_of(simulator), CHANNELS, publishers),
            {"MARKETFEED_ENGINE": engine},
        )
        await asyncio.to_thread(feed.wait_live, 20)
        simulator.resume()
        await until(lambda: len(consumer.events) > 1000, "a running feed")
        (shard,) = feed.shard_pids()
        os.kill(shard, signal.SIGKILL)
        await until(lambda: feed.shard_pids() not in ([], [shard]), "another process")
        await asyncio.to_thread(feed.wait_live, 20)
        before = len(consumer.events)
        await until(lambda: len(consumer.events) > before + 1000, "data again")
        simulator.pause()
        last = simulator.sent
        await until(lambda: simulator.sent == last and _drained(consumer), "what was under way")
        assert_counted(consumer.events)
        starts = by_stream(e for e in consumer.events if e["type"] == "gap" and e["reason"] == "started")
        for (channel, name), (_, gap) in starts.items():
            stream = by_stream(data(consumer.events))[channel, name]
            numbers = [int(e.get("id") or e["seq"]) for e in stream]
            assert gap["from_seq"] - 1 in numbers, "it tells what came last"
            assert gap["to_seq"] + 1 in numbers, "and what comes first"
            # What Redis passed on in the instant of the kill, its answer unread, counts as lost: the first of what is told.
            unread = [n for n in numbers if gap["from_seq"] <= n <= gap["to_seq"]]
            at = numbers.index(gap["from_seq"] - 1) + 1
            assert unread == numbers[at : at + len(unread)]
            assert len(unread) <= ONE_READ
        symbols = symbols_of(simulator)
        assert isinstance(simulator.ledger, MemoryLedger)
        missing(consumer.events, [expected_event(text, symbols) for _, _, _, text in simulator.ledger])


def _drained(consumer: Consumer, seen: dict[int, int] = {}) -> bool:  # noqa: B006 - remembers the last look
    before, seen[id(consumer)] = seen.get(id(consumer), -1), len(consumer.events)
    return before == len(consumer.events)


async def test_a_redis_restart_is_survived_and_what_was_dropped_is_announced(
    feed: FeedRun, consumer: Consumer, redis_server: RedisServer
) -> None:
    async with binance(10, rate=1000.0) as simulator:
        publishers = {"redisPubSub": {"url": redis_server.url}}
        feed.start(manifest(simulator.ws_url, simulator.rest_url, names_of(simulator), CHANNELS, publishers))
        await asyncio.to_thread(feed.wait_live, 20)
        simulator.resume()
        await until(lambda: len(consumer.events) > 1000, "a running feed")
        redis_server.kill()
        await until(lambda: not feed.ready(), "not ready without Redis")
        await asyncio.sleep(2.5)  # longer than maxAge: events are dropped meanwhile
        consumer._subscribed.clear()
        redis_server.start()
        await asyncio.to_thread(consumer.again)
        await asyncio.to_thread(feed.wait_live, 20)
        before = len(consumer.events)
        await until(lambda: len(consumer.events) > before + 1000, "data again")
        status = feed.status()["feed-binance-spot-0"]
        assert status["publishers"]["redisPubSub"]["dropped"] > 0
        assert {e["reason"] for e in consumer.events if e["type"] == "gap"} >= {"started", "dropped"}
        assert 'marketfeed_gaps_total{exchange="binance",reason="dropped"}' in feed.metrics()
        assert [c["reconnects"] for c in status["connections"]] == [0], "the exchange's side was not touched"


def test_a_simulator_restart_is_survived_and_announced(
    feed: FeedRun, consumer: Consumer, redis_server: RedisServer, simulator_process: SimulatorProcess
) -> None:
    simulator_process.start("--symbols", "10", "--rate", "1000")
    names = [s["baseAsset"] + "-" + s["quoteAsset"] for s in simulator_process.get("/api/v3/exchangeInfo")["symbols"]]
    publishers = {"redisPubSub": {"url": redis_server.url}}
    feed.start(manifest(simulator_process.ws_url, simulator_process.rest_url, names, CHANNELS, publishers))
    feed.wait_live(20)
    wait_until(lambda: len(consumer.events) > 1000, "a running feed")
    simulator_process.kill()
    wait_until(lambda: not feed.ready(), "not ready without the exchange")
    simulator_process.start()
    feed.wait_live(20)
    before = len(consumer.events)
    wait_until(lambda: len(consumer.events) > before + 1000, "data again")
    assert_counted(consumer.events)
    reasons = {"trades": "backfill", "bbo": "disconnected"}  # ids jump: the exchange has no trades of that time
    gaps = by_stream(e for e in consumer.events if e["type"] == "gap" and e["reason"] == reasons[e["channel"]])
    assert len(gaps) == 20, "one for every stream"
    for (gap,) in gaps.values():
        assert gap["from_ts"] < gap["to_ts"]
    assert feed.status()["feed-binance-spot-0"]["connections"][0]["reconnects"] == 1


def test_a_broken_file_changes_nothing_and_is_one_line(
    feed: FeedRun, consumer: Consumer, redis_server: RedisServer, simulator_process: SimulatorProcess
) -> None:
    simulator_process.start("--symbols", "4", "--rate", "500")
    publishers = {"redisPubSub": {"url": redis_server.url}}
    good = manifest(simulator_process.ws_url, simulator_process.rest_url, ["BTC-USDT", "ETH-USDT"], CHANNELS, publishers)
    feed.start(good)
    feed.wait_live(4)
    feed.file.write_text("spec: [")
    wait_until(lambda: "line 1" in feed.err, "the error, with its line")
    before = len(consumer.events)
    wait_until(lambda: len(consumer.events) > before + 200, "data all the same")
    feed.write(
        {**good, "spec": {**good["spec"], "sources": [{**good["spec"]["sources"][0], "symbols": ["BTC-USDT", "BNB-USDT"]}]}}
    )
    wait_until(lambda: any(e["symbol"] == "BNB-USDT" for e in consumer.events), "the new symbol")
    assert feed.stop() == 0


def test_shards_end_with_their_runner(feed: FeedRun, simulator_process: SimulatorProcess) -> None:
    simulator_process.start("--symbols", "4", "--rate", "500")
    feed.start(
        manifest(simulator_process.ws_url, simulator_process.rest_url, ["BTC-USDT"], CHANNELS, {"grpc": {"port": free_port()}})
    )
    feed.wait_live(2)
    assert len(feed.shard_pids()) == 1
    feed.signal(signal.SIGKILL)
    wait_until(lambda: feed.shard_pids() == [], "no orphan")
