"""How the shard is, for those who ask: the report of `/status`, and the metrics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from marketfeed.clock import Clock
from marketfeed.exchanges.exchange import Market
from marketfeed.report import (
    NAMES,
    BooksReport,
    ConnectionReport,
    PublisherState,
    RejectedStream,
    ShardReport,
    StreamsReport,
)
from marketfeed_shard.connection.connection import Connection
from marketfeed_shard.connection.manager import Manager
from marketfeed_shard.counts import LATENCY_BOUNDS_MS
from marketfeed_shard.pipeline import Pipeline
from marketfeed_shard.plain import PlainEngine
from marketfeed_shard.publishers.publisher import Publisher


class MessageTimes(Protocol):
    """The transport, as far as it is asked here."""

    def last_message_ns(self, key: int) -> int:
        """Wall clock at a socket's last data message, or 0."""
        ...


class Observer:
    """Reads the parts of one shard; changes nothing."""

    def __init__(
        self,
        shard: str,
        market: Market,
        pipeline: Pipeline,
        manager: Manager,
        times: MessageTimes,
        publishers: Sequence[Publisher],
        generation: Callable[[], int],
        clock: Clock,
    ) -> None:
        self.shard = shard
        self.market = market
        self.pipeline = pipeline
        self.manager = manager
        self.publishers = publishers
        self._times = times
        self._generation = generation
        self._clock = clock

    def report(self) -> ShardReport:
        """All of `/status`."""
        manager, now_ns = self.manager, self._clock.time_ns()
        stale, rejected = manager.stale(), manager.rejected()
        reasons = self._reasons(rejected)
        return ShardReport(
            shard=self.shard,
            exchange=self.market.exchange,
            market=self.market.name,
            generation=self._generation(),
            ready=not reasons,
            streams=StreamsReport(
                desired=len(manager.slots),
                live=self.live(),
                stale=self._names(stale),
                rejected=[RejectedStream(self._name(slot), reason) for slot, reason in list(rejected.items())[:NAMES]],
                unproven=self._names(manager.unproven()),
            ),
            connections=[self._connection(c, now_ns) for c in manager.connections],
            books=BooksReport(),
            publishers={p.name: p.report() for p in self.publishers},
            engine="plain" if isinstance(self.pipeline.engine, PlainEngine) else "compiled",
            reasons=reasons,
        )

    def live(self) -> int:
        """Streams that are well."""
        return len(self.manager.live())

    def _reasons(self, rejected: Iterable[int]) -> list[str]:
        """Why the shard is not ready, in words."""
        waiting = sorted(set(self.manager.slots) - self.manager.subscribed() - set(rejected))
        reasons: list[str] = []
        if waiting:
            reasons += self._waiting_because(waiting)
        for publisher in self.publishers:
            report = publisher.report()
            if publisher.required and report.state is not PublisherState.CONNECTED:
                because = f": {report.error}" if report.error else ""
                reasons.append(f"publisher {publisher.name} is {report.state}{because}")
        return reasons

    def _waiting_because(self, waiting: Sequence[int]) -> Iterable[str]:
        first = ", ".join(self._names(waiting)[:3])
        more = f" and {len(waiting) - 3} more" if len(waiting) > 3 else ""
        yield f"streams not subscribed: {len(waiting)} ({first}{more})"
        now_s = self._clock.monotonic()
        banned_s, budget_s = self.manager.banned_for_s(now_s), self.manager.waits_for_budget_s(now_s)
        if banned_s:
            yield f"no connection is attempted for {banned_s:.0f} s: {self.manager.ban_reason}"
        elif budget_s:
            yield f"no connection is attempted for {budget_s:.0f} s: the budget of attempts is used up"
        errors = Counter(c.error for c in self.manager.connections if not c.is_open and c.error)
        for error, count in sorted(errors.items()):
            yield f"connections down: {count} ({error})"

    def _connection(self, connection: Connection, now_ns: int) -> ConnectionReport:
        last_ns = self._times.last_message_ns(connection.key) if connection.is_open else 0
        opened = datetime.fromtimestamp(connection.opened_ns // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return ConnectionReport(
            id=connection.id,
            state=connection.state,
            streams=len(connection.subscriptions.slots),
            last_message_age=round(max(0, now_ns - last_ns) / 1e9, 3) if last_ns else None,  # the clock may be set back
            round_trip=connection.round_trip_s,
            reconnects=connection.reconnects,
            opened=opened if connection.is_open else None,
        )

    def _name(self, slot: int) -> str:
        return self.pipeline.table.streams[slot].name

    def _names(self, slots: Iterable[int]) -> list[str]:
        return sorted(map(self._name, slots))[:NAMES]


class Metrics(Collector):
    """The shard's metrics, read when they are scraped: nothing is counted twice on the way of a message."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer

    def collect(self) -> Iterable[Metric]:
        yield from self._exchange()
        yield from self._pipeline()
        yield from self._publishers()

    def _exchange(self) -> Iterable[Metric]:
        observer = self._observer
        exchange, manager, table = observer.market.exchange, observer.manager, observer.pipeline.table
        received = CounterMetricFamily("ws_messages_received", "Data messages received.", labels=["exchange", "channel"])
        by_channel: Counter[str] = Counter()
        for stream, messages in zip(table.streams, table.messages, strict=True):
            by_channel[stream.channel] += messages
        for channel, messages in sorted(by_channel.items()):
            received.add_metric([exchange, channel], messages)
        yield received
        counts, sum_ms, skew_ns = observer.pipeline.engine.latency()
        latency = HistogramMetricFamily(
            "ws_message_latency_ms",
            "From the exchange's time of an event to its receipt, in milliseconds.",
            labels=["exchange"],
        )
        latency.add_metric([exchange], _cumulative(counts), sum_ms)
        yield latency
        skew = GaugeMetricFamily(
            "marketfeed_clock_skew_seconds", "Most that the exchange's clock was ahead of ours.", labels=["exchange"]
        )
        skew.add_metric([exchange], skew_ns / 1e9)
        yield skew
        reconnects = CounterMetricFamily("ws_reconnects", "Connections opened in place of another.", labels=["exchange"])
        reconnects.add_metric([exchange], manager.reconnects)
        yield reconnects
        active = GaugeMetricFamily("ws_active_connections", "Open connections.", labels=["exchange"])
        active.add_metric([exchange], sum(c.is_open for c in manager.connections))
        yield active
        subscribed = GaugeMetricFamily("ws_subscription_count", "Streams acknowledged or seen.", labels=["exchange"])
        subscribed.add_metric([exchange], len(manager.subscribed()))
        yield subscribed

    def _pipeline(self) -> Iterable[Metric]:
        observer = self._observer
        exchange, counts, engine = observer.market.exchange, observer.pipeline.counts, observer.pipeline.engine
        gaps = CounterMetricFamily("marketfeed_gaps", "Gap events published.", labels=["exchange", "reason"])
        for reason, count in sorted(counts.gaps.items()):
            gaps.add_metric([exchange, reason], count)
        yield gaps
        for name, text, value in (
            (
                "marketfeed_malformed_messages",
                "Messages that break their declaration; no event came of them.",
                counts.malformed,
            ),
            ("marketfeed_ignored_messages", "Messages of channels or symbols that nobody asked for.", counts.ignored),
            ("marketfeed_declined_messages", "Messages that the compiled engine left to the plain one.", engine.declined),
            (
                "marketfeed_repeated_messages",
                "Messages left out because they had come before.",
                sum(observer.pipeline.table.repeated),
            ),
        ):
            family = CounterMetricFamily(name, text, labels=["exchange"])
            family.add_metric([exchange], value)
            yield family
        desired = GaugeMetricFamily("marketfeed_streams_desired", "Streams to carry.", labels=["exchange"])
        desired.add_metric([exchange], len(observer.manager.slots))
        live = GaugeMetricFamily("marketfeed_streams_live", "Streams that are well.", labels=["exchange"])
        live.add_metric([exchange], observer.live())
        stale = GaugeMetricFamily(
            "marketfeed_streams_stale", "Streams silent beyond their natural period.", labels=["exchange"]
        )
        stale.add_metric([exchange], len(observer.manager.stale()))
        rejected = GaugeMetricFamily("marketfeed_streams_rejected", "Streams that the exchange refuses.", labels=["exchange"])
        rejected.add_metric([exchange], len(observer.manager.rejected()))
        yield from (desired, live, stale, rejected)

    def _publishers(self) -> Iterable[Metric]:
        published = CounterMetricFamily("marketfeed_published_events", "Events that a sink answered.", labels=["publisher"])
        dropped = CounterMetricFamily("marketfeed_dropped_events", "Events that consumers cannot get.", labels=["publisher"])
        queued = GaugeMetricFamily("marketfeed_publisher_queue_bytes", "Events that wait for a sink.", labels=["publisher"])
        lag = GaugeMetricFamily("marketfeed_publisher_lag_seconds", "Age of the oldest of these.", labels=["publisher"])
        up = GaugeMetricFamily("marketfeed_publisher_connected", "1: connected.", labels=["publisher"])
        for publisher in self._observer.publishers:
            report, name = publisher.report(), [publisher.name]
            published.add_metric(name, report.published)
            dropped.add_metric(name, report.dropped)
            queued.add_metric(name, report.queued_bytes)
            lag.add_metric(name, report.lag)
            up.add_metric(name, report.state is PublisherState.CONNECTED)
        yield from (published, dropped, queued, lag, up)


def _cumulative(counts: Sequence[int]) -> list[tuple[str, float]]:
    """Buckets as Prometheus has them: each with all below it."""
    buckets, total = [], 0
    for bound, count in zip([*map(str, LATENCY_BOUNDS_MS), "+Inf"], counts, strict=True):
        total += count
        buckets.append((bound, float(total)))
    return buckets
