"""A saved list is taken for one of its own market only: `--instruments` has nothing else to go by."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import orjson
import pytest
from recordings import RECORDINGS, needs_recordings

from marketfeed.exchanges import catalogue
from marketfeed.listing import MALFORMED

LISTS = [
    path
    for exchange in catalogue.exchanges()
    for path in sorted((RECORDINGS / exchange).rglob("*.rest.jsonl*"))
    if "instruments" in path.name or "exchangeInfo" in path.name
]


def bodies(path: Path) -> list[Any]:
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [orjson.loads(line)["body"] for line in content.splitlines()]


@needs_recordings
@pytest.mark.parametrize("path", LISTS, ids=lambda path: "/".join(path.parts[-3:]))
def test_a_recorded_list_is_one_of_its_own_market(path: Path) -> None:
    exchange, market = path.parts[-3:-1]
    taken = set()
    for name in catalogue.markets(exchange):
        try:
            if all(catalogue.market(exchange, name).instruments.parse(body) for body in bodies(path)):
                taken.add(name)
        except MALFORMED:
            continue
    # OKX lists linear and inverse contracts together, and each market takes its own from it.
    assert taken == ({"linear", "inverse"} if exchange == "okx" and market != "spot" else {market})
