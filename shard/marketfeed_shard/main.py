"""The command `marketfeed-shard`: one shard, until SIGTERM."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer
import uvloop
from pydantic import ValidationError

from marketfeed.addresses import host_and_port
from marketfeed.assignment import Assignment
from marketfeed.clock import SystemClock
from marketfeed_shard.following import unsupported
from marketfeed_shard.shard import Place, Shard


class UsageError(Exception):
    """What was asked for cannot be run; the message is for the user."""


def read(path: Path) -> Assignment:
    """The assignment. Raises `UsageError`."""
    try:
        assignment = Assignment.loads(path.read_bytes())
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise UsageError(f"{path} is no assignment: {where}: {first['msg']}") from error
    missing = list(unsupported(assignment))
    if missing:
        raise UsageError(f"{path}: this version cannot do: {', '.join(missing)}")
    return assignment


def _address(text: str) -> tuple[str, int]:
    try:
        return host_and_port(text)
    except ValueError as error:
        raise UsageError(f"--http {text}: {error}") from None


async def _run(assignment: Assignment, place: Place) -> None:
    shard = Shard(assignment, place, SystemClock())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, shard.stop)
    gc.collect()
    gc.freeze()  # what there is now stays: no later collection has to look at it
    await shard.run()


def command(
    assignment: Annotated[Path, typer.Option(help="What to carry: a file written by the planner, read again when it changes.")],
    state: Annotated[Path, typer.Option(help="Directory for what has to survive a restart: how far each stream went.")],
    http: Annotated[str, typer.Option(help="HOST:PORT of /healthz, /readyz, /status and /metrics.")] = "0.0.0.0:8080",
    secrets: Annotated[Path | None, typer.Option(help="Directory of secrets: DIR/<secret name>/<key>.")] = None,
) -> None:
    """Carry one assignment: connect to the exchange, normalise, publish, until SIGTERM."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.INFO, stream=sys.stderr)
    logging.getLogger("picows").setLevel(logging.CRITICAL)  # what it tells, our own lines tell
    logging.getLogger("watchfiles").setLevel(logging.WARNING)
    try:
        host, port = _address(http)
        wanted = read(assignment)
        state.mkdir(parents=True, exist_ok=True)
        uvloop.run(_run(wanted, Place(assignment, state, secrets, host, port)))
    except UsageError as error:
        typer.echo(f"marketfeed-shard: {error}", err=True)
        raise typer.Exit(2) from None
    except OSError as error:
        typer.echo(f"marketfeed-shard: {http}: {error.strerror or error}", err=True)
        raise typer.Exit(1) from None


def main() -> None:
    """Entry point."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(command)
    app()


if __name__ == "__main__":
    main()
