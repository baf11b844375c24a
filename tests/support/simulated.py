"""Simulated exchanges for tests: in this process, or as a process that can be killed and started again on its port."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from processes import Process
from redis_server import HOST, free_port
from waiting import wait_until

from marketfeed_simulator import catalogue
from marketfeed_simulator.ledger import MemoryLedger
from marketfeed_simulator.listing import listings, named
from marketfeed_simulator.market import Market
from marketfeed_simulator.server import Simulator


def simulated(
    exchange: str,
    market: str,
    symbols: int | Sequence[str] = 4,
    *,
    seed: int = 1,
    start: int = 0,
    limits: dict[str, Any] | None = None,
    **options: Any,
) -> Simulator:
    """An exchange with a ledger in memory, standing still until `resume` or `emit` unless `paused=False`.

    `limits` replaces single ones of the exchange's, `errors` is Binance's; the other options are `Simulator`'s.
    """
    made: Any = catalogue.exchange(exchange, market, **(limits or {}))
    if "errors" in options:
        made = replace(made, errors=options.pop("errors"))
    chosen = listings(symbols, market) if isinstance(symbols, int) else named(symbols, market)
    given: dict[str, Any] = {"ledger": MemoryLedger(), "paused": True, **options}
    return Simulator(made, Market([made.listed(listing) for listing in chosen], seed, base=start), **given)


def binance(symbols: int | Sequence[str] = 4, **options: Any) -> Simulator:
    """Binance spot."""
    return simulated("binance", "spot", symbols, **options)


class SimulatorProcess(Process):
    """`marketfeed simulate` on a port that stays the same."""

    def __init__(self, folder: Path, host: str = HOST) -> None:
        """`host`: the loopback, or the address at which a cluster's pods reach it."""
        super().__init__()
        self.host = host
        self.port = free_port(host)
        self.ledger_path = folder / "ledger.jsonl"
        self._log = folder / "simulator.log"
        self._options: Sequence[str] = ()

    @property
    def ws_url(self) -> str:
        return f"ws://{self.host}:{self.port}"

    @property
    def rest_url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def start(self, *options: str) -> None:
        """Start it and wait until it listens; options as on its command line, kept for the next start."""
        self._options = options or self._options
        command = [sys.executable, "-m", "marketfeed_cli", "simulate", "--host", self.host, "--port", str(self.port)]
        with self._log.open("wb") as log:
            self.spawn([*command, *self._options], log, subprocess.STDOUT)
        wait_until(self._listens, "the simulator listens")

    def restart(self) -> None:
        """Kill it and start it on the same port."""
        self.kill()
        self.start()

    def get(self, path: str) -> Any:
        """The JSON at one of its paths: `/sim/state`, `/sim/stall?connection=1`, `/api/v3/ping`."""
        with urllib.request.urlopen(self.rest_url + path, timeout=10) as reply:
            return json.load(reply)

    def output(self) -> str:
        """What it has printed since it was started."""
        return self._log.read_text()

    def ledger(self) -> list[dict[str, Any]]:
        """What it has sent; needs `--ledger` with `ledger_path`."""
        return [json.loads(line) for line in self.ledger_path.read_text().splitlines()]

    def _listens(self) -> bool:
        assert self.runs, self.output()
        return "listening " in self.output()
