"""`marketfeed bench`: CPU time per message of the shard beside a straightforward collector's, on this machine."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from marketfeed_cli.children import ChildError, unwinding_on_signals
from marketfeed_cli.measurement import REFERENCE, Figure, bed
from marketfeed_shard import kernel

CASES = {f"binance/spot/{channel}/redisPubSub": channel for channel in ("trades", "bbo")}
ENGINES = ("compiled", "plain")
progress = Console(stderr=True, highlight=False, soft_wrap=True)


class UsageError(Exception):
    """What was asked for cannot be measured here; the message is for the user."""


@dataclass(frozen=True, slots=True)
class Result:
    """One case with one engine, beside the reference of the same run."""

    name: str
    engine: str
    shard: Figure
    reference: Figure

    @property
    def ratio(self) -> float:
        """How many times cheaper than the reference."""
        return self.reference.cpu_us_per_message / self.shard.cpu_us_per_message

    def as_dict(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {
            "name": self.name,
            "engine": self.engine,
            "messages": self.shard.messages,
            "cpu_us_per_message": round(self.shard.cpu_us_per_message, 4),
            "messages_per_second_per_core": round(self.shard.messages_per_second_per_core),
            "reference_cpu_us_per_message": round(self.reference.cpu_us_per_message, 4),
            "ratio": round(self.ratio, 2),
        }


def chosen_cases(asked: list[str]) -> list[str]:
    """Names of the cases in which one of the asked texts occurs; all when nothing is asked. Raises `UsageError`."""
    for text in asked:
        if not any(text in name for name in CASES):
            raise UsageError(f"there is no case {text!r}; there are {', '.join(CASES)}")
    return [name for name in CASES if not asked or any(text in name for text in asked)]


def chosen_engines(asked: list[str], compiled: bool) -> list[str]:
    """The engines to measure; without a compiled kernel the plain one alone, unless it is asked for. Raises `UsageError`."""
    for name in asked:
        if name not in ENGINES:
            raise UsageError(f"there is no engine {name!r}; there are {', '.join(ENGINES)}")
        if name == "compiled" and not compiled:
            raise UsageError(
                "the kernel is not compiled here: install a C compiler, then `make setup`; or ask for --engine plain"
            )
    return [name for name in ENGINES if (name in asked if asked else compiled or name == "plain")]


def require_servers() -> None:
    """Raises `UsageError` where something is missing that a measurement needs."""
    if shutil.which("redis-server") is None:
        raise UsageError("redis-server is missing: install it (Debian: apt-get install redis-server), then again")
    if not REFERENCE.exists():
        raise UsageError("the reference collector is not here: run this from a checkout of the project")


def measure(cases: list[str], engines: list[str], symbols: int, seconds: float) -> list[Result]:
    """Each case: the reference, then every engine, each with fresh servers. Raises `ChildError`."""
    results = []
    for name in cases:
        channel = CASES[name]
        progress.print(f"{name}: the reference, {seconds:g} s")
        with bed(symbols) as servers:
            reference = servers.reference(channel, seconds)
        for engine in engines:
            progress.print(f"{name}: the shard, {engine} engine, {seconds:g} s")
            with bed(symbols) as servers:
                shard = servers.shard(channel, engine, seconds)
            results.append(Result(name, engine, shard, reference))
    return results


def table(results: list[Result]) -> Table:
    """The results, one a line."""
    drawn = Table("case", "engine", caption="CPU time: user and system, of the measured process alone")
    for heading in ("messages", "CPU µs/message", "messages/s and core", "reference µs/message", "times cheaper"):
        drawn.add_column(heading, justify="right")
    for result in results:
        row = result.as_dict()
        drawn.add_row(
            result.name,
            result.engine,
            f"{row['messages']:,}",
            f"{row['cpu_us_per_message']:.2f}",
            f"{row['messages_per_second_per_core']:,}",
            f"{row['reference_cpu_us_per_message']:.2f}",
            f"{row['ratio']:.1f}",
        )
    return drawn


def bench(
    seconds: Annotated[float, typer.Option(min=0.5, help="How long each measurement lasts.")] = 8.0,
    engine: Annotated[list[str] | None, typer.Option(help="compiled or plain; repeat for more. Default: both.")] = None,
    case: Annotated[
        list[str] | None, typer.Option(help="Name of a case or a part of it; repeat for more. Default: all.")
    ] = None,
    symbols: Annotated[int, typer.Option(min=1, max=900, help="Streams of a case.")] = 40,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on standard output, and nothing else.")] = False,
) -> None:
    """Measure CPU time per message of the shard beside that of a straightforward Python collector, in the same run.

    Messages come from the simulator at full speed over loopback and go to a real Redis, one process each; the measured process
    has a core of its own where there are two. Needs redis-server, and a checkout of the project for the collector.
    """
    try:
        cases = chosen_cases(case or [])
        engines = chosen_engines(engine or [], kernel.load() is not None)
        require_servers()
        with unwinding_on_signals():
            results = measure(cases, engines, symbols, seconds)
    except UsageError as error:
        progress.print(f"bench: {error}")
        raise typer.Exit(2) from None
    except ChildError as error:
        progress.print(f"bench: {error}")
        raise typer.Exit(1) from None
    if as_json:
        sys.stdout.write(json.dumps({"cases": [result.as_dict() for result in results]}) + "\n")
    else:
        Console().print(table(results))
