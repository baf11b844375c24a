"""Bodies of REST answers: the recorded ones, and what a declaration makes of one."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from recordings import RECORDINGS

from marketfeed.declared import Declared
from marketfeed.exchanges.exchange import Market
from marketfeed.exchanges.message import Message
from marketfeed.reading import records


def fields(market: Market, message: Message, body: str) -> list[dict[str, Any]]:
    """The declared fields of each record of a body."""
    declared = Declared(0, message, market)
    parsed = json.loads(body, parse_float=str, parse_int=str)
    return [declared.own(record, around) for record, around in records(parsed, declared.at)]


def recorded(exchange: str, market: str, call: str) -> Iterator[Any]:
    """The recorded answers to calls whose URL has `call` in it; fractions as text."""
    for path in sorted((RECORDINGS / exchange / market).glob("*.rest.jsonl*")):
        for line in _read(path).splitlines():
            answer = json.loads(line, parse_float=str)
            if call in answer["url"]:
                yield answer["body"]


def _read(path: Path) -> str:
    return (gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()).decode()
