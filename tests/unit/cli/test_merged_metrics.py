from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from marketfeed_cli.merged_metrics import merge


def exposition(messages: int, latency: float, connections: int, exchange: str = "binance") -> str:
    registry = CollectorRegistry()
    Counter("ws_messages_received", "Messages", ["exchange", "channel"], registry=registry).labels(exchange, "bbo").inc(
        messages
    )
    Histogram("ws_message_latency_ms", "Latency", ["exchange"], buckets=(1, 10), registry=registry).labels(exchange).observe(
        latency
    )
    Gauge("ws_active_connections", "Connections", ["exchange"], registry=registry).labels(exchange).set(connections)
    return generate_latest(registry).decode()


def samples(merged: bytes) -> dict[tuple[str, tuple[str, ...]], float]:
    found = text_string_to_metric_families(merged.decode())
    return {(s.name, tuple(s.labels.values())): s.value for family in found for s in family.samples}


def test_counters_buckets_and_gauges_are_summed_by_their_labels() -> None:
    merged = samples(merge([exposition(5, 0.5, 1), exposition(7, 5.0, 2), exposition(1, 50.0, 1, "kraken")]))
    assert merged["ws_messages_received_total", ("bbo", "binance")] == 12
    assert merged["ws_messages_received_total", ("bbo", "kraken")] == 1
    assert merged["ws_message_latency_ms_bucket", ("binance", "1.0")] == 1
    assert merged["ws_message_latency_ms_bucket", ("binance", "10.0")] == 2
    assert merged["ws_message_latency_ms_count", ("binance",)] == 2
    assert merged["ws_message_latency_ms_sum", ("binance",)] == 5.5
    assert merged["ws_active_connections", ("binance",)] == 3
    assert not [name for name, _ in merged if name.endswith("_created")]


def test_types_and_names_stay_what_they_were() -> None:
    text = merge([exposition(5, 0.5, 1)]).decode()
    assert "# TYPE ws_messages_received_total counter" in text
    assert "# TYPE ws_message_latency_ms histogram" in text
    assert "# TYPE ws_active_connections gauge" in text


def test_of_no_shard_there_is_nothing() -> None:
    assert merge([]) == b""
