"""`marketfeed run`: a feed on this machine, a process per shard, followed as its file changes."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from marketfeed.addresses import host_and_port
from marketfeed.clock import SystemClock
from marketfeed.problem import NotAccepted
from marketfeed.resource import MarketFeed
from marketfeed_cli import state
from marketfeed_cli.follow import Follower, News, runnable
from marketfeed_cli.manifest import lines
from marketfeed_cli.runner import Place, Runner
from marketfeed_cli.watch_file import Signature, signature
from marketfeed_shard.http import HttpServer

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LOCK_WAIT_S: Final = 25.0
"""Shards of an earlier run may take their time to deliver."""
LOCK_POLL_S: Final = 0.2


class RunError(Exception):
    """The feed cannot be run here; what is told to the user, and the exit code."""

    def __init__(self, message: str, code: int = 2) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command was asked for."""

    feed: MarketFeed
    file: Path
    seen: Signature
    """The file as it was when the feed was read."""
    status: tuple[str, int] | None
    secrets: Path | None
    state: Path


class Signals:
    """Signals that end the command: the first in its own time, the second at once."""

    def __init__(self) -> None:
        self.first, self.second = asyncio.Event(), asyncio.Event()
        for number in SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, self._came)

    def _came(self) -> None:
        (self.second if self.first.is_set() else self.first).set()


def run(
    file: Annotated[Path, typer.Option("-f", "--file", help="A manifest; read again when it changes.")],
    status_addr: Annotated[
        str | None, typer.Option(help="HOST:PORT for /status, /metrics, /healthz and /readyz of all shards.")
    ] = None,
    secrets: Annotated[Path | None, typer.Option(help="Values of Secrets: DIR/<secret name>/<key>.")] = None,
    state_folder: Annotated[
        Path | None,
        typer.Option("--state", help="What survives a restart. Default: ~/.local/state/marketfeed/<feed name>."),
    ] = None,
) -> None:
    """Run a feed on this machine until Ctrl-C or SIGTERM: prints each shard's name and the address of its status.

    A changed file is followed as the cluster would: other symbols restart nothing; a broken file changes nothing.
    """
    try:
        asyncio.run(_run(_wanted(file, status_addr, secrets, state_folder)))
    except RunError as error:
        _say(str(error))
        raise typer.Exit(error.code) from None


def _wanted(file: Path, status_addr: str | None, secrets: Path | None, state_folder: Path | None) -> Wanted:
    seen = signature(file)  # before it is read: a change in between is a change
    feed, faults = runnable(file)
    if feed is None:
        raise RunError("\n".join(faults))
    if secrets is not None and not secrets.is_dir():
        raise RunError(f"--secrets {secrets}: is no directory; give the one that holds <secret name>/<key>")
    try:
        folder = (state_folder or state.default_folder(feed.metadata.name)).absolute()
    except RuntimeError:
        raise RunError("there is no home directory for the feed's state; give --state DIR") from None
    status = None if status_addr is None else _address(status_addr)
    return Wanted(feed, file, seen, status, None if secrets is None else secrets.absolute(), folder)


def _say(text: str) -> None:
    with suppress(BrokenPipeError):  # who listened is gone, and the feed runs on
        typer.echo(text, err=True)


def _announce(text: str) -> None:
    with suppress(BrokenPipeError):
        typer.echo(text)  # flushes


def _address(text: str) -> tuple[str, int]:
    try:
        return host_and_port(text)
    except ValueError as error:
        raise RunError(f"--status-addr {text}: {error}") from None


async def _run(wanted: Wanted) -> None:
    signals = Signals()
    stopped: asyncio.Future[Any] = asyncio.ensure_future(signals.first.wait())
    with _folder(wanted.state) as lock_now:
        lock = lock_now()
        if lock is None:
            _say(f"{wanted.state}: shards of an earlier run are still ending, or another run holds it; waiting")
        until = asyncio.get_running_loop().time() + LOCK_WAIT_S
        while lock is None and not stopped.done():
            if asyncio.get_running_loop().time() > until:
                raise RunError(f"{wanted.state}: another run of this feed holds it; end that one, or give --state DIR", 1)
            await asyncio.wait({stopped}, timeout=LOCK_POLL_S)
            lock = lock_now()
        if lock is not None and not stopped.done():
            await _serve(wanted, lock, signals, stopped)


@contextmanager
def _folder(folder: Path) -> Iterator[state.TryLock]:
    try:
        with state.lockable(folder) as lock_now:
            yield lock_now
    except OSError as error:
        place = error.filename or folder
        raise RunError(f"{place}: {error.strerror or error}; give --state DIR, a directory that can be written", 1) from None


async def _serve(wanted: Wanted, lock: int, signals: Signals, stopped: asyncio.Future[Any]) -> None:
    news = News(_say, SystemClock(), wanted.secrets)
    runner = Runner(Place(wanted.feed.metadata.name, wanted.state, wanted.secrets, lock), news.lists, _say, _announce)
    server = HttpServer(runner.status)
    follower = Follower(wanted.feed, wanted.file, runner, news, _say)
    work: asyncio.Future[Any] = asyncio.ensure_future(_work(wanted, server, follower))
    try:
        await asyncio.wait({work, stopped}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        if not work.done():
            work.cancel()
        await _close(runner, signals)
        await server.close()
        failed = (await asyncio.gather(work, return_exceptions=True))[0]
    if isinstance(failed, NotAccepted):
        raise RunError("\n".join(lines(str(wanted.file), failed.problems)))
    if isinstance(failed, BaseException) and not isinstance(failed, asyncio.CancelledError):
        raise failed


async def _work(wanted: Wanted, server: HttpServer, follower: Follower) -> None:
    if wanted.status is not None:
        host, port = wanted.status
        try:
            await server.start(host, port)
        except OSError as error:
            reason = error.strerror or str(error)
            raise RunError(f"--status-addr {host}:{port}: {reason}; choose another address", 1) from None
    await follower.begin()
    await follower.follow(wanted.seen)


async def _close(runner: Runner, signals: Signals) -> None:
    """Stop the shards; a second signal kills them."""
    closing: asyncio.Future[Any] = asyncio.ensure_future(runner.close())
    hurry: asyncio.Future[Any] = asyncio.ensure_future(signals.second.wait())
    await asyncio.wait({closing, hurry}, return_when=asyncio.FIRST_COMPLETED)
    if not closing.done():
        await runner.close(at_once=True)
    hurry.cancel()
    await closing
