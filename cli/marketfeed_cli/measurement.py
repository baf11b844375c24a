"""One measurement of `marketfeed bench`: simulator, Redis and what is measured, a process each, on loopback."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from marketfeed.assignment import Assignment, EffectiveLimits, Share, SymbolStreams
from marketfeed.exchanges import catalogue
from marketfeed.resource import Endpoint, Publishers, RedisPubSub
from marketfeed_cli.children import MARKETFEED, Child, ChildError, Children
from marketfeed_cli.loopback import accepts, free_port, get_json

REFERENCE = Path(__file__).parents[2] / "bench/reference.py"
WARM_UP_S = 1.0
FULL_SPEED = {"compiled": 400_000.0, "plain": 20_000.0}
"""Messages per second to begin with; less where Redis or the engine cannot take so many here."""
SLOWER = 0.6
BINANCE = catalogue.market("binance", "spot")


@dataclass(frozen=True, slots=True)
class Figure:
    """What one process did between two points in steady state."""

    messages: int
    """Events that Redis answered."""
    cpu_s: float
    dropped: int = 0

    @property
    def cpu_us_per_message(self) -> float:
        return self.cpu_s / self.messages * 1e6

    @property
    def messages_per_second_per_core(self) -> float:
        return self.messages / self.cpu_s


@dataclass(frozen=True, slots=True)
class Bed:
    """The servers, running, and who gets which core."""

    children: Children
    folder: Path
    ws: str
    redis: str
    symbols: tuple[str, ...]
    core: set[int] | None
    """Of the measured process; None where there is but one."""

    def shard(self, channel: str, engine: str, seconds: float) -> Figure:
        """The unmodified shard, publishing one channel of all symbols."""
        rate = FULL_SPEED[engine]
        self._set_rate(rate)
        port = free_port()
        assignment = self.folder / "assignment.json"
        assignment.write_bytes(self._assignment(channel).dumps())
        module = ["-m", "marketfeed_shard.main", "--http", f"127.0.0.1:{port}"]
        command = [sys.executable, *module, "--assignment", str(assignment), "--state", str(self.folder / "state")]
        shard = self.children.start("shard", command, {"MARKETFEED_ENGINE": engine}, self.core)

        def report() -> Any:
            try:
                return get_json(port, "/status")
            except OSError:
                return None

        def ready() -> Any:
            status = report()
            return status if status and status["ready"] else None

        status = shard.wait_for(ready, "the shard's readiness")
        if status["engine"] != engine:
            raise ChildError(f"the shard runs the {status['engine']} engine, not the {engine} one")

        def sample() -> tuple[int, float, int]:
            publisher = get_json(port, "/status")["publishers"]["redisPubSub"]
            return publisher["published"], shard.cpu_s(), publisher["dropped"]

        while (figure := self._between(shard, sample, seconds)).dropped:
            rate *= SLOWER  # an overload is not what is measured
            self._set_rate(rate)
        return figure

    def reference(self, channel: str, seconds: float) -> Figure:
        """The straightforward collector, doing the same, as fast as it reads."""
        arguments = f"--ws {self.ws} --redis {self.redis} --channel {channel} --symbols {','.join(self.symbols)}"
        reference = self.children.start("reference", [sys.executable, REFERENCE, *arguments.split()], cores=self.core)
        reference.wait_for_line(r"published [1-9]\d* ")

        def sample() -> tuple[int, float, int]:
            last = reference.output().rpartition("\n")[0].splitlines()[-1].split()
            return int(last[1]), float(last[3]), 0

        return self._between(reference, sample, seconds)

    def _set_rate(self, messages_per_second: float) -> None:
        get_json(int(self.ws.rpartition(":")[2]), f"/sim/set_rate?messages_per_second={messages_per_second:g}")

    def _between(self, child: Child, sample: Callable[[], tuple[int, float, int]], seconds: float) -> Figure:
        time.sleep(WARM_UP_S)
        before = sample()
        time.sleep(seconds)
        after = sample()
        self.children.check()
        if after[0] <= before[0]:
            raise ChildError(f"{child.name} published nothing in {seconds:g} s")
        return Figure(after[0] - before[0], after[1] - before[1], after[2] - before[2])

    def _assignment(self, channel: str) -> Assignment:
        limits = BINANCE.limits
        return Assignment(
            generation=1,
            feed="bench",
            shard="bench-binance-spot-0",
            exchange=BINANCE.exchange,
            market=BINANCE.name,
            symbols=tuple(SymbolStreams(symbol=s, native=BINANCE.native(s), channels=(channel,)) for s in self.symbols),
            endpoint=Endpoint(ws=self.ws, rest=self.ws.replace("ws://", "http://", 1)),
            limits=EffectiveLimits(
                streams_per_connection=int(limits.streams_per_connection.default),
                messages_per_second=limits.messages_per_second.default,
            ),
            connects=Share(count=int(limits.connects_per_5_minutes.default), seconds=300.0),
            publishers=Publishers(redis_pub_sub=RedisPubSub(url=self.redis)),
        )


@contextmanager
def bed(symbols: int) -> Iterator[Bed]:
    """Start Redis and the simulator, the simulator at full speed; stop all when the block ends. Raises `ChildError`."""
    cores = sorted(os.sched_getaffinity(0))
    core, others = ({cores[0]}, set(cores[1:])) if len(cores) > 1 else (None, None)
    with tempfile.TemporaryDirectory(prefix="marketfeed-bench-") as name, Children(folder := Path(name)) as children:
        redis_port, port = free_port(), free_port()
        server = shutil.which("redis-server") or "redis-server"
        options = f"--port {redis_port} --bind 127.0.0.1 --appendonly no".split()
        redis = children.start("redis-server", [server, *options, "--save", "", "--dir", folder], cores=others)
        simulate = f"simulate --exchange binance --market spot --port {port} --symbols {symbols} --rate 0"
        simulator = children.start("simulator", [*MARKETFEED, *simulate.split()], cores=others)
        redis.wait_for(lambda: accepts(redis_port) or None, "its port")
        simulator.wait_for_line(r"listening ")
        listed = BINANCE.instruments.parse(get_json(port, BINANCE.instruments.calls[0].path))
        yield Bed(
            children,
            folder,
            f"ws://127.0.0.1:{port}",
            f"redis://127.0.0.1:{redis_port}",
            tuple(i.symbol for i in listed if i.trading)[:symbols],
            core,
        )
