"""An exchange's instrument list as it was saved: the body that its REST address answered, as it is or in recordings' form."""

from __future__ import annotations

import gzip
import zlib
from codecs import BOM_UTF8
from pathlib import Path
from typing import Any, Final

import orjson

from marketfeed.exchanges.exchange import Market
from marketfeed.listing import MALFORMED
from marketfeed.symbols import Instrument

_GZIP: Final = b"\x1f\x8b"


class SavedListError(Exception):
    """A file that is no instrument list; one sentence that names it."""


def bodies(file: Path) -> list[Any]:
    """The decoded bodies in a file, gzipped or not: one JSON document, or lines `{"url": …, "body": …}`.

    Raises `SavedListError`.
    """
    try:
        content = file.read_bytes()
        if content.startswith(_GZIP):
            content = gzip.decompress(content)
        content = content.removeprefix(BOM_UTF8)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise SavedListError(f"{file}: is cut off or broken gzip: {error}; save the instrument list again") from None
    except OSError as error:
        raise SavedListError(f"{file}: cannot be read: {error.strerror}; check the path") from None
    try:
        documents = [orjson.loads(content)]
    except orjson.JSONDecodeError as whole:
        try:
            documents = [orjson.loads(line) for line in content.splitlines() if line.strip()]
        except orjson.JSONDecodeError:
            raise SavedListError(f"{file}: is no JSON: {whole}; save the exchange's own instrument list") from None
    return [_body(document) for document in documents]


def _body(document: Any) -> Any:
    return document["body"] if isinstance(document, dict) and document.keys() == {"url", "body"} else document


def instruments(file: Path, market: Market) -> list[Instrument]:
    """The instruments of one market that a file lists. Raises `SavedListError`."""
    try:
        found = [instrument for body in bodies(file) for instrument in market.instruments.parse(body)]
    except MALFORMED:
        found = []
    if not found:
        name = f"{market.exchange} {market.name}"
        raise SavedListError(f"{file}: is no instrument list of {name}; save what {market.instruments.calls[0].path} answers")
    return found
