"""What an exchange answered over REST, as it was saved: the body as it is, or in recordings' form with its address."""

from __future__ import annotations

import gzip
import zlib
from codecs import BOM_UTF8
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import orjson

from marketfeed.exchanges.exchange import Market
from marketfeed.listing import MALFORMED
from marketfeed.normalizer import Malformed, Normalizer, Row
from marketfeed.symbols import Instrument

_GZIP: Final = b"\x1f\x8b"


class SavedListError(Exception):
    """A file that is not what it should be; one sentence that names it."""


def answers(file: Path) -> list[tuple[str, Any]]:
    """(address, decoded body) of each answer in a file, gzipped or not: one JSON document, or lines `{"url": …, "body": …}`.

    A body as it is has no address. Raises `SavedListError`.
    """
    try:
        content = file.read_bytes()
        if content.startswith(_GZIP):
            content = gzip.decompress(content)
        content = content.removeprefix(BOM_UTF8)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise SavedListError(f"{file}: is cut off or broken gzip: {error}; save it again") from None
    except OSError as error:
        raise SavedListError(f"{file}: cannot be read: {error.strerror}; check the path") from None
    try:
        documents = [orjson.loads(content)]
    except orjson.JSONDecodeError as whole:
        try:
            documents = [orjson.loads(line) for line in content.splitlines() if line.strip()]
        except orjson.JSONDecodeError:
            raise SavedListError(f"{file}: is no JSON: {whole}; save what the exchange answers") from None
    return [_answer(document) for document in documents]


def _answer(document: Any) -> tuple[str, Any]:
    is_recorded = isinstance(document, dict) and document.keys() == {"url", "body"}
    return (str(document["url"]), document["body"]) if is_recorded else ("", document)


def instruments(file: Path, market: Market) -> list[Instrument]:
    """The instruments of one market that a file lists. Raises `SavedListError`."""
    try:
        found = [instrument for _, body in answers(file) for instrument in market.instruments.parse(body)]
    except MALFORMED:
        found = []
    if not found:
        name = f"{market.exchange} {market.name}"
        raise SavedListError(f"{file}: is no instrument list of {name}; save what {market.instruments.calls[0].path} answers")
    return found


def book_snapshots(file: Path, market: Market, names: Callable[[str], str | None]) -> list[Row]:
    """The books of one market that a file of recorded answers holds, in its order. Raises `SavedListError`."""
    normalizer = Normalizer(market, names)
    found: list[Row] = []
    for url, body in answers(file):
        symbols = [symbol for _, value in parse_qsl(urlsplit(url).query) if (symbol := names(value)) is not None]
        if market.snapshot is None or not symbols:
            continue
        try:
            found += normalizer.body(market.snapshot.message, symbols[0], orjson.dumps(body))
        except Malformed as problem:
            raise SavedListError(f"{file}: the answer of {url} is no book: {problem}") from None
    if not found:
        raise SavedListError(f"{file}: has no book of {market.exchange} {market.name} that came over REST with its address")
    return found
