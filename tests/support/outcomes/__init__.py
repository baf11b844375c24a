"""Outcomes that the tests of other projects assert for single messages, beside ours, in what both have words for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from engines import Both
from recordings import RECORDINGS, lines

from marketfeed.exchanges.catalogue import MARKETS
from marketfeed.exchanges.exchange import Market
from marketfeed.exchanges.message import Message
from marketfeed.normalizer import Normalizer
from outcomes import hyperdata, nautilus, parser, tardis
from outcomes.compared import Case, Compared

_STYLES = {"tardis": tardis.compare, "crypto-msg-parser": parser.compare, "nautilus": nautilus.compare,
           "hyperdata": hyperdata.compare}  # fmt: skip
_FILES = ("tardis-node", "crypto-msg-parser", "nautilus", "hyperdata")


def cases() -> Iterator[Case]:
    """All of them, in their order."""
    for name in _FILES:
        path = RECORDINGS / "expect" / f"{name}.jsonl"
        for text in lines(path) if path.exists() else ():
            yield Case(**{key: value for key, value in json.loads(text).items() if key in Case.__dataclass_fields__})


class Decoders:
    """Both engines over each market; raises where they differ."""

    def __init__(self) -> None:
        self._both: dict[tuple[str, str], Both] = {}
        self._known: dict[str, dict[str, Any]] = {}
        """What the messages of a group told so far, by symbol: one of the other projects adds it up."""

    def compared(self, case: Case) -> list[Compared]:
        """Each thing that both tell of a message."""
        known = self._known.setdefault(f"{case.group} {case.local_timestamp}", {})
        return list(_STYLES[case.expect["style"]](case, self.events(case), known))

    def events(self, case: Case) -> list[dict[str, Any]]:
        """Ours."""
        market = MARKETS[case.exchange, case.market]
        if (body := _over_rest(case, market)) is not None:
            message, content = body
            rows = Normalizer(market, market.symbol).body(message, _symbol(case, market), content)
            return [row.event for row in rows]
        both = self._both.setdefault((case.exchange, case.market), Both(market, market.symbol))
        return both.events(case.raw.encode()) or []


def _symbol(case: Case, market: Market) -> str:
    """Whom a body is about: it or its wrapper tells, or the one who asked for it knows."""
    native = re.search(r'"symbol":"(\w+)"|"stream":"(\w+)@', case.raw)
    if native is None:
        pair: str = case.expect["pair"]
        return pair.replace("/", "-") + ("" if case.market == "spot" else "-PERP")
    symbol = market.symbol((native[1] or native[2]).upper())
    assert symbol is not None
    return symbol


def _over_rest(case: Case, market: Market) -> tuple[Message, bytes] | None:
    """A body as it comes over REST, and its declaration; those of some are wrapped as if it were a stream's."""
    if case.transport == "rest":
        wanted, content = case.channel, case.raw
    elif '"generated":true' in case.raw and case.exchange == "binance":
        wanted, content = case.channel, case.raw[case.raw.index('"data":') + 7 : -1]
    else:
        return None
    if "napshot" in wanted:
        assert market.snapshot is not None
        return market.snapshot.message, content.encode()
    return market.polls[0].message, content.encode()
