"""`marketfeed normalize`: recorded messages of an exchange to events, offline.

A message of a channel that we do not offer is counted as ignored, and so is one of a symbol that is not known. What is no
JSON, what names a channel of ours and does not keep to its form, and an object that nobody knows, has failed.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from codecs import BOM_UTF8
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from types import FrameType
from typing import Annotated, BinaryIO, Final, NoReturn

import typer

from marketfeed.exchanges import catalogue
from marketfeed.exchanges.exchange import Market
from marketfeed.grammar import shown
from marketfeed.normalizer import Malformed
from marketfeed.symbols import Names
from marketfeed_cli import saved_list
from marketfeed_cli.integrity import Integrity
from marketfeed_cli.offline import Converter
from marketfeed_shard import kernel

MOST_BYTES: Final = 64 << 20
"""Of one line: no message of an exchange is as long."""
_BLOCK: Final = 1 << 16
"""Bytes that are written at once."""
_PROGRESS_S: Final = 0.5
_PROGRESS_LINES: Final = 4096
"""A look at the clock every so many."""
_BROKEN_PIPE: Final = 141
"""Exit code of whoever writes to a pipe that nobody reads any more: 128 + SIGPIPE."""
_INTERRUPTED: Final = 130
"""Exit code of whoever was interrupted: 128 + SIGINT."""


class EngineName(StrEnum):
    """Which engine decodes."""

    PLAIN = "plain"
    COMPILED = "compiled"


def normalize(
    exchange: Annotated[str, typer.Option(help="Whose messages: binance …")],
    market: Annotated[str, typer.Option(help="Which of its markets: spot …")],
    instruments: Annotated[
        list[Path] | None,
        typer.Option(
            help="The exchange's own instrument list, saved; repeat for more. Without it symbols are told by their form."
        ),
    ] = None,
    engine: Annotated[EngineName | None, typer.Option(help="Default: the compiled one where it is built.")] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Count too what follows on what: a table by stream, on standard error.")
    ] = False,
    snapshots: Annotated[
        list[Path] | None,
        typer.Option(help='With --check: books that came over REST, as lines {"url": …, "body": …}; repeat for more.'),
    ] = None,
) -> None:
    """Turn recorded messages, one a line on standard input, into events, one a line on standard output.

    Counts go to standard error, with the lines that failed. With --check the exchange's own numbers and checksums are held
    against each other, and the lines that do not follow are told, too. Exit code 1 if a line failed or does not follow, 2 for
    wrong usage, 130 where SIGINT ended it: after a whole message, with the counts so far.
    """
    if sys.stdin is None or sys.stdout is None:
        typer.echo("normalize: standard input or output is closed; redirect them: < raw.jsonl > events.jsonl", err=True)
        raise typer.Exit(2)
    if snapshots and not check:
        typer.echo("normalize: --snapshots is for --check, which it goes with", err=True)
        raise typer.Exit(2)
    try:
        converter = _converter(catalogue.market(exchange, market), instruments or [], engine, check, snapshots or [])
    except (LookupError, saved_list.SavedListError) as error:
        typer.echo(error.args[0], err=True)
        raise typer.Exit(2) from None
    try:
        with _interruption() as interruption:
            _run(converter, sys.stdin.buffer, sys.stdout.buffer, interruption)
    except BrokenPipeError:
        _abandon_output()
        raise typer.Exit(_BROKEN_PIPE) from None
    except OSError as error:
        _abandon_output()
        typer.echo(f"normalize: reading or writing failed: {error.strerror}", err=True)
        raise typer.Exit(1) from None
    if interruption.came:
        typer.echo("interrupted: what follows counts the messages before", err=True)
    typer.echo(converter.counts.summary(), err=True)
    for row in converter.integrity.table() if converter.integrity is not None else ():
        typer.echo(row, err=True)
    if interruption.came:
        raise typer.Exit(_INTERRUPTED)
    if converter.counts.failed or (converter.integrity is not None and converter.integrity.faults):
        raise typer.Exit(1)


class _Interruption:
    """SIGINT, put off while a message is converted or written; a second one ends that, too."""

    def __init__(self) -> None:
        self.came = self.reads = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        again, self.came = self.came, True
        if self.reads or again:
            raise KeyboardInterrupt


@contextmanager
def _interruption() -> Iterator[_Interruption]:
    made = _Interruption()
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.SIG_IGN:  # as in the background of a script
        signal.signal(signal.SIGINT, made)
    try:
        yield made
    finally:
        signal.signal(signal.SIGINT, before)


def _abandon_output() -> None:
    """Nothing more goes to standard output: the interpreter's own last flush succeeds."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _converter(
    market: Market, instruments: Sequence[Path], engine: EngineName | None, check: bool, snapshots: Sequence[Path]
) -> Converter:
    listed = [instrument for file in instruments for instrument in saved_list.instruments(file, market)]
    names = Names.of(listed) if instruments else Names({}, market.symbol)
    if engine is None and kernel.load() is None:
        typer.echo("the compiled engine is not used: the plain one decodes, slower", err=True)
        engine = EngineName.PLAIN
    books = [row for file in snapshots for row in saved_list.book_snapshots(file, market, names)]
    integrity = Integrity(market, books) if check else None
    return Converter(market, names, compiled=engine is not EngineName.PLAIN, integrity=integrity)


def _run(converter: Converter, source: BinaryIO, sink: BinaryIO, interruption: _Interruption) -> None:
    """Read, convert, write, in constant memory, to the end or to an interruption."""
    convert, counts = converter.convert, converter.counts
    shows_progress = sys.stderr.isatty()
    due_s = time.monotonic() + _PROGRESS_S
    parts: list[bytes] = []
    size = number = 0
    for number, line in enumerate(_lines(source, interruption), 1):
        if shows_progress and number % _PROGRESS_LINES == 0 and time.monotonic() >= due_s:
            due_s = time.monotonic() + _PROGRESS_S
            typer.echo(f"\r{number:,} messages, {counts.events.total():,} events", nl=False, err=True)
        if not line or line.isspace():
            continue
        try:
            events = convert(line) if len(line) <= MOST_BYTES else _too_long()
        except Malformed as problem:
            counts.fail(number)
            typer.echo(f"line {number}: {shown(str(problem), 400)}", err=True)
            continue
        for wrong in converter.wrong:
            typer.echo(f"line {number}: {wrong}", err=True)
        parts.append(events)
        size += len(events)
        if size >= _BLOCK:
            sink.write(b"".join(parts))
            parts, size = [], 0
    sink.write(b"".join(parts))
    sink.flush()
    if shows_progress and number >= _PROGRESS_LINES:
        typer.echo("\r" + " " * 60 + "\r", nl=False, err=True)


def _too_long() -> NoReturn:
    raise Malformed(f"longer than {MOST_BYTES >> 20} MiB")


def _lines(source: BinaryIO, interruption: _Interruption) -> Iterator[bytes]:
    """Lines, without a file's byte order mark; of one that is too long only so much that this shows."""
    begins = True
    try:
        while not interruption.came:
            interruption.reads = True
            line = source.readline(MOST_BYTES + 1)
            rest = len(line) > MOST_BYTES and not line.endswith(b"\n")
            while rest:
                piece = source.readline(_BLOCK)
                rest = piece != b"" and not piece.endswith(b"\n")
            interruption.reads = False
            if not line:
                return
            yield line.removeprefix(BOM_UTF8) if begins else line
            begins = False
    except KeyboardInterrupt:
        interruption.reads = False
