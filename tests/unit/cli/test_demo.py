from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from marketfeed_cli.demo import ManifestError, read_manifest, relocated, simulated
from marketfeed_cli.demo_view import line, screen, view
from marketfeed_cli.tally import Tally

MS = 1_000_000
MANIFEST = """
apiVersion: marketfeed.dev/v1alpha1
kind: MarketFeed
metadata: {name: demo}
spec:
  sources:
    - {exchange: binance, market: spot, symbols: [BTC-USDT, ETH-USDT], channels: [trades], endpoint: {ws: "ws://127.0.0.1:9443"}}
  publishers:
    grpc: {}
"""


def tally() -> Tally:
    counted = Tally()
    head = {"type": "trade", "exchange": "binance", "market": "spot", "channel": "trades", "ts": 1000 * MS, "recv": 1002 * MS}
    for n, (symbol, price) in enumerate([("ETH-USDT", "3000.10"), ("BTC-USDT", "67000.50"), ("BTC-USDT", "67000.60")], 1):
        counted.add({**head, "symbol": symbol, "n": n, "id": "1", "price": price, "size": "1", "side": "buy"}, 1005 * MS)
    return counted


def test_manifest_is_moved_to_free_ports_and_else_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "feed.yaml"
    path.write_text(MANIFEST)
    manifest = read_manifest(path)
    moved = relocated(manifest, {("binance", "spot"): 4001}, grpc_port=4002)
    assert moved["spec"]["publishers"] == {"grpc": {"port": 4002}}
    assert moved["spec"]["sources"] == [
        {**manifest["spec"]["sources"][0], "endpoint": {"ws": "ws://127.0.0.1:4001", "rest": "http://127.0.0.1:4001"}}
    ]
    assert {**moved, "spec": None} == {**manifest, "spec": None}


def test_every_market_has_a_simulator_of_its_own() -> None:
    sources = [
        {"exchange": "binance", "market": "spot", "symbols": ["BTC-USDT"]},
        {"exchange": "okx", "market": "linear", "symbols": ["BTC-USDT-PERP"]},
        {"exchange": "binance", "market": "spot", "symbols": ["BTC-USDT", "ETH-USDT"]},
    ]
    manifest = {"spec": {"sources": sources, "publishers": {"grpc": {}}}}
    assert simulated(manifest) == {("binance", "spot"): {"BTC-USDT", "ETH-USDT"}, ("okx", "linear"): {"BTC-USDT-PERP"}}
    moved = relocated(manifest, {("binance", "spot"): 4001, ("okx", "linear"): 4003}, grpc_port=4002)
    assert [source["endpoint"]["ws"][-4:] for source in moved["spec"]["sources"]] == ["4001", "4003", "4001"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (MANIFEST.replace("grpc", "redisPubSub"), "needs sources with `symbols` and the publisher `grpc"),
        ("spec: [", "validate"),
        ("", "validate"),
        ("kind: MarketFeed", "spec"),
    ],
)
def test_a_manifest_that_cannot_be_shown_is_refused_with_its_name(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "feed.yaml"
    path.write_text(text)
    with pytest.raises(ManifestError, match=reason) as caught:
        read_manifest(path)
    assert str(caught.value).startswith(str(path))


def test_an_absent_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"none\.yaml"):
        read_manifest(tmp_path / "none.yaml")


def test_plain_line_tells_rate_latencies_and_newest_prices() -> None:
    counted = tally()
    text = line(counted, counted.close(1.0), 12.0)
    assert "3 messages/s" in text
    assert "exchange to shard p50 2.00 p99 2.00 ms" in text
    assert "shard to here p50 3.00 p99 3.00 ms" in text
    assert text.endswith("BTC-USDT 67000.60, ETH-USDT 3000.10")


def test_screen_shows_as_many_symbols_as_fit() -> None:
    counted = tally()
    out = io.StringIO()
    Console(file=out, width=100).print(screen(counted, counted.close(1.0), 12.0, rows=1))
    shown = out.getvalue()
    assert "67000.60" in shown
    assert "ETH-USDT" not in shown
    assert "and 1 more" in shown


def test_where_there_is_no_terminal_each_interval_is_one_plain_line() -> None:
    counted, out = tally(), io.StringIO()
    with view(Console(file=out, width=40)) as shown:
        shown.show(counted, counted.close(1.0), 1.0)
        shown.show(counted, counted.close(1.0), 2.0)
    assert len(out.getvalue().splitlines()) == 2
    assert "\x1b" not in out.getvalue()
