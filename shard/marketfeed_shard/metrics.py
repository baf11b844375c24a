"""The metrics of a shard, in Prometheus' terms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from marketfeed.report import PublisherState
from marketfeed_shard.pipeline.counts import LATENCY_BOUNDS_MS
from marketfeed_shard.status import Status
from marketfeed_shard.streams.durations import BOUNDS_S, Durations


class Metrics(Collector):
    """Read when they are scraped: nothing is counted for them on the way of a message that is not counted anyhow."""

    def __init__(self, status: Status) -> None:
        self._status = status

    def collect(self) -> Iterable[Metric]:
        yield from self._exchange()
        yield from self._pipeline()
        yield from self._recovery()
        yield from self._publishers()

    def _exchange(self) -> Iterable[Metric]:
        status = self._status
        exchange, manager, table = status.market.exchange, status.manager, status.pipeline.table
        received = CounterMetricFamily("ws_messages_received", "Data messages received.", labels=["exchange", "channel"])
        by_channel: Counter[str] = Counter()
        for stream, messages in zip(table.streams, table.messages, strict=True):
            by_channel[stream.channel] += messages
        for channel, messages in sorted(by_channel.items()):
            received.add_metric([exchange, channel], messages)
        yield received
        counts, sum_ms, skew_ns = status.pipeline.engine.latency()
        latency = HistogramMetricFamily(
            "ws_message_latency_ms",
            "From the exchange's time of an event to its receipt, in milliseconds.",
            labels=["exchange"],
        )
        latency.add_metric([exchange], _cumulative(LATENCY_BOUNDS_MS, counts), sum_ms)
        yield latency
        yield self._gauge("marketfeed_clock_skew_seconds", "Most that the exchange's clock was ahead of ours.", skew_ns / 1e9)
        yield self._counter("ws_reconnects", "Connections opened in place of another.", manager.reconnects)
        yield self._gauge("ws_active_connections", "Open connections.", sum(c.is_open for c in manager.connections))
        yield self._gauge("ws_subscription_count", "Streams acknowledged or seen.", len(manager.subscribed()))

    def _pipeline(self) -> Iterable[Metric]:
        status = self._status
        exchange, manager = status.market.exchange, status.manager
        counts, engine = status.pipeline.counts, status.pipeline.engine
        gaps = CounterMetricFamily("marketfeed_gaps", "Gap events published.", labels=["exchange", "reason"])
        for reason, count in sorted(counts.gaps.items()):
            gaps.add_metric([exchange, reason], count)
        yield gaps
        after = "From the loss of a connection to each gap event that it caused."
        yield self._durations("marketfeed_gap_announced_seconds", after, counts.announced)
        malformed = "Messages that break their declaration; no event came of them."
        yield self._counter("marketfeed_malformed_messages", malformed, counts.malformed)
        ignored = "Messages of channels or symbols that nobody asked for."
        yield self._counter("marketfeed_ignored_messages", ignored, counts.ignored)
        declined = "Messages that the compiled engine left to the plain one."
        yield self._counter("marketfeed_declined_messages", declined, engine.declined)
        repeated = "Messages left out because they had come before."
        yield self._counter("marketfeed_repeated_messages", repeated, sum(status.pipeline.table.repeated))
        yield self._gauge("marketfeed_streams_desired", "Streams to carry.", len(manager.slots))
        yield self._gauge("marketfeed_streams_live", "Streams that are well.", status.live())
        yield self._gauge("marketfeed_streams_stale", "Streams silent beyond their natural period.", len(status.stale()))
        lags = "Times that one connection brought a stream no more while another one did."
        yield self._counter("marketfeed_streams_lagging", lags, manager.lags)
        yield self._gauge("marketfeed_streams_rejected", "Streams that the exchange refuses.", len(manager.rejected()))

    def _recovery(self) -> Iterable[Metric]:
        exchange, restoring = self._status.market.exchange, self._status.restoring
        books = restoring.books()
        yield self._gauge("marketfeed_books_desired", "Books to keep.", books.desired)
        yield self._gauge("marketfeed_books_synced", "Books in sync with the exchange.", books.synced)
        yield self._counter("marketfeed_resyncs", "Snapshots that mended a book.", books.resyncs)
        backfills = CounterMetricFamily("marketfeed_backfills", "Holes in trades, by outcome.", labels=["exchange", "outcome"])
        for outcome, count in sorted(restoring.backfill.outcomes.items()):
            backfills.add_metric([exchange, outcome], count)
        filled = "From the cut, or else the first trade after a hole, until it is filled or its loss announced."
        seconds = self._durations("marketfeed_backfill_seconds", filled, restoring.backfill.durations)
        calls = CounterMetricFamily(
            "marketfeed_rest_calls", "REST calls that are over.", labels=["exchange", "purpose", "outcome"]
        )
        for (purpose, outcome), count in sorted(restoring.calls.outcomes.items()):
            calls.add_metric([exchange, purpose.name.lower(), outcome], count)
        yield from (backfills, seconds, calls)

    def _publishers(self) -> Iterable[Metric]:
        published = CounterMetricFamily("marketfeed_published_events", "Events that a sink answered.", labels=["publisher"])
        dropped = CounterMetricFamily("marketfeed_dropped_events", "Events that consumers cannot get.", labels=["publisher"])
        queued = GaugeMetricFamily("marketfeed_publisher_queue_bytes", "Events that wait for a sink.", labels=["publisher"])
        lag = GaugeMetricFamily("marketfeed_publisher_lag_seconds", "Age of the oldest of these.", labels=["publisher"])
        up = GaugeMetricFamily("marketfeed_publisher_connected", "1: connected.", labels=["publisher"])
        for publisher in self._status.publishers:
            report, name = publisher.report(), [publisher.name]
            published.add_metric(name, report.published)
            dropped.add_metric(name, report.dropped)
            queued.add_metric(name, report.queued_bytes)
            lag.add_metric(name, report.lag)
            up.add_metric(name, report.state is PublisherState.CONNECTED)
        yield from (published, dropped, queued, lag, up)

    def _counter(self, name: str, text: str, value: float) -> Metric:
        family = CounterMetricFamily(name, text, labels=["exchange"])
        family.add_metric([self._status.market.exchange], value)
        return family

    def _durations(self, name: str, text: str, durations: Durations) -> Metric:
        family = HistogramMetricFamily(name, text, labels=["exchange"])
        family.add_metric([self._status.market.exchange], _cumulative(BOUNDS_S, durations.counts), durations.sum_s)
        return family

    def _gauge(self, name: str, text: str, value: float) -> Metric:
        family = GaugeMetricFamily(name, text, labels=["exchange"])
        family.add_metric([self._status.market.exchange], value)
        return family


def _cumulative(bounds: Sequence[float], counts: Sequence[int]) -> list[tuple[str, float]]:
    """Buckets as Prometheus has them: each with all below it."""
    buckets, total = [], 0
    for bound, count in zip([*map(str, bounds), "+Inf"], counts, strict=True):
        total += count
        buckets.append((bound, float(total)))
    return buckets
