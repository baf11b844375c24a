from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from assignments import assignment
from core_bed import MemoryDouble
from exchange_double import MARKET, Exchange, topic
from prometheus_client import CollectorRegistry, generate_latest
from rest_double import RestDouble

from marketfeed.assignment import Share
from marketfeed.clock import ManualClock
from marketfeed.exchanges.exchange import Limit
from marketfeed.report import PublisherReport, PublisherState
from marketfeed_shard.carrying import Carrying
from marketfeed_shard.connection.ports import Disconnect
from marketfeed_shard.metrics import Metrics
from marketfeed_shard.pipeline.pipeline import Pipeline
from marketfeed_shard.recovery.calls import Purpose
from marketfeed_shard.restoring.restoring import Restoring
from marketfeed_shard.state.memory import Past
from marketfeed_shard.state.progress import Progress
from marketfeed_shard.status import Status
from marketfeed_shard.streams.table import Stream


class Sink:
    """A publisher that is as it is told to be."""

    name = "redisPubSub"
    required = True

    def __init__(self) -> None:
        self.state = PublisherState.CONNECTED
        self.error: str | None = None

    def put(self, batch: object) -> None: ...

    def report(self) -> PublisherReport:
        return PublisherReport(self.state, 0, 12, 3, 0.25, self.error)


class Times:
    """When sockets brought data last."""

    last_ns = 0

    def last_message_ns(self, key: int) -> int:
        return self.last_ns


class Bed:
    """The status of a shard at an exchange under the test's hands, with so many streams."""

    def __init__(self, folder: Path, streams: int, **options: Any) -> None:
        self.exchange, self.clock, self.sink, self.times = Exchange(**options), ManualClock(1000.0), Sink(), Times()
        self.progress = Progress(folder / "progress")
        sinks: list[Any] = [self.sink]
        pipeline = Pipeline(MARKET, sinks, self.progress, lambda connection, control: None, self.clock)
        pipeline.add([Stream("trades", f"S{i}-USDT", f"S{i}USDT") for i in range(streams)])
        manager, nothing = self.exchange.manager, lambda *told: None
        restoring = Restoring(
            Carrying(MARKET, None),
            pipeline,
            manager,
            RestDouble(),
            self.clock,
            lambda: 0.5,
            nothing,
            Past(),
            MemoryDouble(),
            nothing,
        )
        parts: Any = SimpleNamespace(
            assignment=assignment().model_copy(update={"generation": 7}),
            pipeline=pipeline,
            manager=manager,
            sockets=self.times,
            restoring=restoring,
        )
        self.status = Status("feed-0", parts, sinks, self.clock)
        self.exchange.want(range(streams))

    def run(self, seconds: float) -> None:
        self.exchange.run(seconds)
        self.clock.advance(seconds)

    def report(self) -> dict[str, Any]:
        return self.status.report().as_dict()

    def metrics(self) -> list[str]:
        registry = CollectorRegistry()
        registry.register(Metrics(self.status))
        return generate_latest(registry).decode().splitlines()


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    made = Bed(tmp_path, 3)
    yield made
    made.progress.close()


def test_the_status_of_a_shard_that_is_well(bed: Bed) -> None:
    bed.run(5.0)
    bed.times.last_ns = bed.clock.time_ns() - 20_000_000
    connection = bed.report()["connections"][0]
    assert connection.pop("opened").endswith("Z")
    assert bed.report() | {"connections": [connection]} == {
        "shard": "feed-0", "exchange": "binance", "market": "spot", "generation": 7, "ready": True,
        "streams": {
            "desired": 3, "live": 3, "stale": [], "rejected": [],
            "unproven": ["trades:S0-USDT", "trades:S1-USDT", "trades:S2-USDT"],
        },
        "connections": [
            {"id": 0, "state": "open", "streams": 3, "last_message_age": 0.02, "round_trip": None, "reconnects": 0,
             "silent": []},
        ],
        "books": {"desired": 0, "synced": 0, "gaps": 0, "resyncs": 0},
        "publishers": {
            "redisPubSub": {"state": "connected", "queued_bytes": 0, "published": 12, "dropped": 3, "lag": 0.25, "error": None},
        },
        "engine": bed.report()["engine"], "reasons": [],
        "catalogue": {"state": "unknown", "age": None, "error": None, "halted": []},
    }  # fmt: skip


def test_no_age_is_negative_when_the_clock_was_set_back(bed: Bed) -> None:
    bed.run(5.0)
    bed.times.last_ns = bed.clock.time_ns() + 10**9
    assert bed.report()["connections"][0]["last_message_age"] == 0.0


def test_a_shard_whose_connection_is_gone_says_why_it_is_not_ready(bed: Bed) -> None:
    bed.run(5.0)
    bed.exchange.accepts = False
    bed.exchange.lose(1, Disconnect("HTTP 451", http_status=451))
    report = bed.report()
    (connection,) = report["connections"]
    assert (connection["state"], connection["opened"], connection["last_message_age"]) == ("backoff", None, None)
    assert report["ready"] is False
    assert report["streams"]["live"] == 0
    assert report["reasons"] == [
        "streams not subscribed: 3 (trades:S0-USDT, trades:S1-USDT, trades:S2-USDT)",
        "no connection is attempted for 300 s: RegionBlocked (HTTP 451)",
        "connections down: 1 (RegionBlocked (HTTP 451))",
    ]


def test_a_used_up_budget_of_attempts_is_a_reason(tmp_path: Path) -> None:
    bed = Bed(tmp_path, 2, streams_per_connection=1, connects=Share(count=1, seconds=60.0))
    bed.run(5.0)
    assert bed.report()["reasons"][1:] == ["no connection is attempted for 55 s: the budget of attempts is used up"]
    bed.progress.close()


def test_a_stream_that_one_leg_brings_no_more_is_named_there_and_counted(tmp_path: Path) -> None:
    bed = Bed(tmp_path, 2, legs=2)
    bed.exchange.run(60.0, deliver=range(2))
    bed.exchange.sockets[2].swallowed.add(topic(1))
    bed.exchange.run(80.0, deliver=range(2))
    assert [connection["silent"] for connection in bed.report()["connections"]] == [[], ["trades:S1-USDT"]]
    assert bed.report()["streams"]["stale"] == []
    assert 'marketfeed_streams_lagging_total{exchange="binance"} 1.0' in bed.metrics()
    bed.progress.close()


def test_a_ceiling_of_connections_by_address_is_a_reason(tmp_path: Path) -> None:
    bed = Bed(tmp_path, 2, streams_per_connection=1, connections_per_address=Limit(1, 1, ""))
    bed.run(5.0)
    assert bed.report()["reasons"] == [
        "streams not subscribed: 1 (trades:S1-USDT)",
        "no connection is attempted: 1 connections are open, and the exchange allows 1 by address",
    ]
    bed.progress.close()


def test_a_required_publisher_that_is_away_is_a_reason(bed: Bed) -> None:
    bed.run(5.0)
    bed.sink.state, bed.sink.error = PublisherState.BACKOFF, "h:6379: Connection refused"
    assert bed.report()["reasons"] == ["publisher redisPubSub is backoff: h:6379: Connection refused"]
    bed.sink.required = False
    assert bed.report()["ready"] is True


def test_lists_of_names_end_at_fifty_and_a_refused_name_is_no_reason(tmp_path: Path) -> None:
    bed = Bed(tmp_path, 60)
    bed.exchange.refuses = lambda topics: "bad" if any(t != topic(59) for t in topics) else None
    bed.run(120.0)
    report = bed.report()
    assert report["streams"]["desired"] == 60
    assert report["streams"]["live"] == 1
    assert len(report["streams"]["rejected"]) == len(report["streams"]["unproven"]) == 50
    assert report["streams"]["rejected"][0] == {"stream": "trades:S0-USDT", "reason": "bad"}
    assert report["ready"] is True
    bed.progress.close()


def test_the_five_metrics_have_their_names_and_labels_from_the_first_moment(bed: Bed) -> None:
    lines = bed.metrics()
    assert 'ws_messages_received_total{channel="trades",exchange="binance"} 0.0' in lines
    assert 'ws_message_latency_ms_bucket{exchange="binance",le="+Inf"} 0.0' in lines
    assert 'ws_reconnects_total{exchange="binance"} 0.0' in lines
    assert 'ws_active_connections{exchange="binance"} 0.0' in lines
    assert 'ws_subscription_count{exchange="binance"} 0.0' in lines
    bed.run(5.0)
    bed.exchange.lose(1)
    bed.run(5.0)
    lines = bed.metrics()
    assert 'ws_reconnects_total{exchange="binance"} 1.0' in lines
    assert 'ws_active_connections{exchange="binance"} 1.0' in lines
    assert 'ws_subscription_count{exchange="binance"} 3.0' in lines


def test_recovery_has_its_metrics_from_the_first_moment(bed: Bed) -> None:
    lines = bed.metrics()
    assert 'marketfeed_books_desired{exchange="binance"} 0.0' in lines
    assert 'marketfeed_resyncs_total{exchange="binance"} 0.0' in lines
    for outcome in ("filled", "partial", "lost"):
        assert f'marketfeed_backfills_total{{exchange="binance",outcome="{outcome}"}} 0.0' in lines
    assert 'marketfeed_backfill_seconds_bucket{exchange="binance",le="+Inf"} 0.0' in lines


def test_rest_calls_and_backfills_are_counted(bed: Bed) -> None:
    bed.status.restoring.calls.outcomes[Purpose.BOOK, "429"] += 2
    bed.status.restoring.backfill.durations.add(0.15)
    lines = bed.metrics()
    assert 'marketfeed_rest_calls_total{exchange="binance",outcome="429",purpose="book"} 2.0' in lines
    assert 'marketfeed_backfill_seconds_bucket{exchange="binance",le="0.1"} 0.0' in lines
    assert 'marketfeed_backfill_seconds_bucket{exchange="binance",le="0.2"} 1.0' in lines
