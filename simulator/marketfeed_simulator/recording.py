"""A recorded file: one raw message a line, the exchange's own text; beside it the times at which they were received."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import repeat
from pathlib import Path
from typing import NamedTuple, TextIO
from urllib.parse import parse_qs, urlsplit

from marketfeed.exchanges.exchange import Market
from marketfeed.symbols import Names
from marketfeed_simulator.exchange import Exchange, Recorded
from marketfeed_simulator.listing import Listing
from marketfeed_simulator.symbol import Levels, Symbol

_DECIMALS = 8


class RecordingError(ValueError):
    """The file cannot be replayed; the message is for the user."""


class Replayed(NamedTuple):
    """One recorded message and its time of receipt; null where the file has none."""

    message: Recorded
    received_ns: int | None


class Recording:
    """`NAME.jsonl`, with `NAME.recv` and `NAME.rest.jsonl` beside it where they are; each plain or gzipped.

    It is read through once for its symbols and streams, and again line by line as it is replayed.
    Raises `RecordingError` where it cannot be read.
    """

    def __init__(self, path: Path, exchange: Exchange, market: Market) -> None:
        self._path, self._exchange = path, exchange
        stem = path.name.removesuffix(".gz").removesuffix(".jsonl")
        self._times = _existing(path.with_name(f"{stem}.recv"))
        natives: dict[str, None] = {}
        topics: dict[str, None] = {}
        self.count = 0
        """Data messages in it."""
        for message, _ in self.messages():
            natives[message.native] = None
            topics |= dict.fromkeys(message.topics)
            self.count += 1
        if not natives:
            raise RecordingError(f"{path}: there is no data message of {exchange.name} {exchange.market} in it")
        self.topics = frozenset(topics)
        """Under which its messages may be asked for."""
        names = Names({}, market.symbol)
        self.listings = [self._listing(native, names(native)) for native in natives]
        rest = _existing(path.with_name(f"{stem}.rest.jsonl"))
        self._books = dict(_books(rest)) if rest else {}

    @property
    def timed(self) -> bool:
        """Whether the times of receipt are known."""
        return self._times is not None

    def book(self, native: str, limit: int) -> Levels | None:
        """The recorded snapshot, if there is one; for a symbol of the file without one an empty book."""
        book = self._books.get(native)
        if book is None:
            known = any(listing.native == native for listing in self.listings)
            return Levels(0, [], []) if known else None
        return Levels(book.update_id, book.bids[:limit], book.asks[:limit])

    def place(self, native: str) -> int | None:
        """None has one: what was recorded is no market that goes on."""
        return None

    def symbol(self, at: int) -> Symbol:
        raise LookupError(at)

    def last_step(self, at: int) -> int:
        raise LookupError(at)

    def time_ms(self, at: int, step: int) -> int:
        raise LookupError(at)

    def step_since(self, at: int, time_ms: int) -> int:
        raise LookupError(at)

    def messages(self) -> Iterator[Replayed]:
        """In recorded order; control messages are left out. Raises `RecordingError`."""
        with ExitStack() as files:
            lines = files.enter_context(_open(self._path))
            times: Iterator[str | None] = files.enter_context(_open(self._times)) if self._times else repeat(None)
            try:
                for number, line in enumerate(lines, 1):
                    time = next(times, None)
                    received_ns = self._received_ns(number, time) if self._times else None
                    message = self._message(number, line.rstrip("\r\n"))
                    if message is not None:
                        yield Replayed(message, received_ns)
            except (OSError, EOFError, UnicodeDecodeError) as error:
                raise RecordingError(f"{self._path}: {error}") from error

    def _received_ns(self, number: int, text: str | None) -> int:
        if text is None:
            raise RecordingError(f"{self._times}: line {number} is missing: one is needed for each line of the file")
        try:
            return int(text)
        except ValueError:
            raise RecordingError(f"{self._times}: line {number}: {text.strip()!r} is no time in ns") from None

    def _message(self, number: int, line: str) -> Recorded | None:
        try:
            return self._exchange.recorded(line) if line else None
        except ValueError as error:
            raise RecordingError(f"{self._path}: line {number}: {error}") from error

    def _listing(self, native: str, symbol: str | None) -> Listing:
        if symbol is None:
            raise RecordingError(f"{self._path}: {native!r} ends with no quote currency of {self._exchange.name}")
        base, quote, term = [*symbol.split("-"), ""][:3]
        return Listing(base, quote, 1, _DECIMALS, _DECIMALS, term=term, native=native)


def _existing(path: Path) -> Path | None:
    return next((p for p in (path, path.with_name(path.name + ".gz")) if p.exists()), None)


def _open(path: Path) -> TextIO:
    try:
        if path.suffix == ".gz":
            return gzip.open(path, "rt", encoding="utf-8", newline="\n")
        return path.open(encoding="utf-8", newline="\n")
    except OSError as error:
        raise RecordingError(f"{path}: {error.strerror}") from error


def _books(path: Path) -> Iterator[tuple[str, Levels]]:
    """The first snapshot of every symbol: the one that the recorder began with."""
    found: dict[str, Levels] = {}
    with _open(path) as lines:
        for number, line in enumerate(lines, 1):
            try:
                call = json.loads(line)
                body, symbol = call["body"], parse_qs(urlsplit(call["url"]).query).get("symbol", [""])[0]
                if symbol and "lastUpdateId" in body:
                    levels = [[(price, size) for price, size, *_ in body[side]] for side in ("bids", "asks")]
                    found.setdefault(symbol, Levels(body["lastUpdateId"], *levels))
            except (ValueError, TypeError, KeyError) as error:
                raise RecordingError(f"{path}: line {number}: no recorded REST call: {error!r}") from error
    yield from found.items()
