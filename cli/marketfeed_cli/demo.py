"""`marketfeed demo`: the whole data path on this machine, shown live: simulator, planner, shards, a consumer."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer
import yaml
from rich.console import Console

from marketfeed_cli.children import MARKETFEED, SIGNALS, ChildError, Children, unwinding_on_signals
from marketfeed_cli.demo_view import View, view
from marketfeed_cli.loopback import HOST, free_port, free_ports, get_json
from marketfeed_cli.tally import Tally
from marketfeed_client import subscribe

Place: TypeAlias = tuple[str, str]
"""(exchange, market)."""
EXAMPLE = Path("examples/binance-simulated.yaml")
MOST_SHARDS = 16
REFRESH_S = 1.0
RATE = 2000.0
errors = Console(stderr=True, highlight=False, soft_wrap=True)


class ManifestError(Exception):
    """The manifest cannot be shown; the message is for the user."""


def read_manifest(path: Path) -> dict[str, Any]:
    """A MarketFeed of simulated symbols with `grpc`. Raises `ManifestError`."""
    try:
        manifest = yaml.safe_load(path.read_text())
        if "grpc" in manifest["spec"]["publishers"] and all(simulated(manifest).values()):
            return dict(manifest)
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise ManifestError(f"{path}: {error}; `marketfeed validate -f {path}` tells more") from error
    raise ManifestError(f"{path}: the demo needs sources with `symbols` and the publisher `grpc: {{}}`")


def simulated(manifest: dict[str, Any]) -> dict[Place, set[str]]:
    """The symbols by exchange and market: each has a simulator of its own."""
    found: dict[Place, set[str]] = {}
    for source in manifest["spec"]["sources"]:
        found.setdefault((source["exchange"], source["market"]), set()).update(source["symbols"])
    return found


def relocated(manifest: dict[str, Any], ports: Mapping[Place, int], grpc_port: int) -> dict[str, Any]:
    """The same MarketFeed, collecting from these ports of the loopback and listening on that one."""
    spec = manifest["spec"]
    sources = []
    for source in spec["sources"]:
        port = ports[source["exchange"], source["market"]]
        sources.append({**source, "endpoint": {"ws": f"ws://{HOST}:{port}", "rest": f"http://{HOST}:{port}"}})
    publishers = {**spec["publishers"], "grpc": {**(spec["publishers"]["grpc"] or {}), "port": grpc_port}}
    return {**manifest, "spec": {**spec, "sources": sources, "publishers": publishers}}


def start(children: Children, manifest: dict[str, Any], rate: float, folder: Path) -> list[str]:
    """Start the simulators and the feed; the gRPC addresses of its shards once they are ready. Raises `ChildError`."""
    status_port, grpc_port = free_port(), free_ports(MOST_SHARDS)
    ports: dict[Place, int] = {}
    places = simulated(manifest)
    for (exchange, market), symbols in places.items():
        ports[exchange, market] = port = free_port()
        options = f"--port {port} --symbols {len(symbols)} --rate {rate / len(places):g}"
        simulate = f"simulate --exchange {exchange} --market {market} {options}"
        children.start(f"simulator-{exchange}-{market}", [*MARKETFEED, *simulate.split()]).wait_for_line(r"listening ")
    feed = folder / "feed.yaml"
    feed.write_text(yaml.safe_dump(relocated(manifest, ports, grpc_port)))
    run = children.start(
        "run", [*MARKETFEED, "run", "-f", feed, "--status-addr", f"{HOST}:{status_port}", "--state", folder / "state"]
    )

    def ready() -> int | None:
        try:
            shards = get_json(status_port, "/status")
        except OSError:
            return None
        return len(shards) if shards and all(shard.get("ready") for shard in shards.values()) else None

    count = run.wait_for(ready, "readiness of its shards", deadline_s=60.0)
    return [f"grpc://{HOST}:{grpc_port + i}" for i in range(count)]


async def watch(urls: list[str], children: Children, shown: View, seconds: float | None) -> Tally:
    """Consume and show until the time is over, or a signal comes. Raises `ChildError` when a part of it ends before."""
    tally = Tally()

    async def consume(url: str) -> None:
        async for event in subscribe(url):
            tally.add(event, time.time_ns())

    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in SIGNALS:
        loop.add_signal_handler(number, ended.set)
    if seconds is not None:
        loop.call_later(seconds, ended.set)
    waiting = asyncio.ensure_future(ended.wait())
    feed = asyncio.gather(*(consume(url) for url in urls))
    both: set[asyncio.Future[Any]] = {waiting, feed}
    began = interval_began = loop.time()
    try:
        while not ended.is_set():
            await asyncio.wait(both, timeout=REFRESH_S, return_when=asyncio.FIRST_COMPLETED)
            children.check()
            if feed.done():
                feed.result()
                raise ChildError("the feed ended by itself")
            now = loop.time()
            shown.show(tally, tally.close(now - interval_began), now - began)
            interval_began = now
    finally:
        for future in both:
            future.cancel()
        await asyncio.gather(*both, return_exceptions=True)
    return tally


def demo(
    file: Annotated[Path, typer.Option("-f", "--file", help="A MarketFeed of simulated symbols with grpc.")] = EXAMPLE,
    seconds: Annotated[
        float | None, typer.Option(envvar="DEMO_SECONDS", min=1.0, help="End after so many seconds. Default: at Ctrl-C.")
    ] = None,
    rate: Annotated[float, typer.Option(min=1.0, help="Messages per second of the simulated exchange.")] = RATE,
) -> None:
    """Show the whole data path on this machine: a simulated exchange, the planner, shards and a consumer of their events.

    Exit code 0 only if normalised events reached the consumer.
    """
    try:
        manifest = read_manifest(file)
        with unwinding_on_signals(), tempfile.TemporaryDirectory(prefix="marketfeed-demo-") as name:
            folder = Path(name)
            with Children(folder) as children:
                errors.print("demo: starting the simulator, the planner and the shards")
                urls = start(children, manifest, rate, folder)
                with view(Console(highlight=False)) as shown:
                    tally = asyncio.run(watch(urls, children, shown, seconds))
                errors.print("demo: stopping them")
    except ManifestError as error:
        errors.print(f"demo: {error}")
        raise typer.Exit(2) from None
    except ChildError as error:
        errors.print(f"demo: {error}")
        raise typer.Exit(1) from None
    if not tally.events:
        errors.print("demo: no event reached the consumer")
        raise typer.Exit(1)
    errors.print(f"demo: {tally.events:,} events of {len(tally.symbols)} symbols reached the consumer, {tally.missing} missing")
