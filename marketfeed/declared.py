"""One declared message, ready to run: its topics as patterns, its fields as functions, what its type asks for."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from marketfeed import grammar
from marketfeed.events import BOOK, CANDLE, DERIVATIVE, OPTIONAL, SIZED, TS, event_type
from marketfeed.exchanges.exchange import Market
from marketfeed.exchanges.message import Message, Numbering
from marketfeed.grammar import Malformed
from marketfeed.reading import Path, Read, reader, step

UNCOUNTED = frozenset({"ts", "seq", "prev_seq", "interval", "close_time", *(field.name for field in OPTIONAL)})
"""Fields that alone make no event."""


class Declared:
    """One declaration, its paths resolved."""

    def __init__(self, number: int, message: Message, market: Market, depth: int | None = None) -> None:
        """`depth`: levels a side of a book that is cut, told on its snapshots."""
        self.number = number
        self.message = message
        self.kind = kind = event_type(message.channel)
        self.at = tuple(message.at.split("/")) if message.at else ()
        self.symbol = None if message.symbol is None else Path(message.symbol)
        self.when = None if message.when is None else Path(message.when)
        self._intervals = market.wire.intervals
        self._patterns = [_pattern(topic) for topic in message.topics]
        self._fields: list[tuple[str, Read]] = [
            (field.name, reader(field, message.fields[field.name]))
            for field in (TS, *kind.fields, *OPTIONAL)
            if field.name in message.fields
        ]
        self._order = [field.name for field in kind.fields if field.name in message.fields or not kind.omits_absent]
        self._optional = [field.name for field in OPTIONAL if field.name in message.fields]
        self._depth = depth if kind is BOOK else None
        self._contracts = market.wire.contracts and kind.name in SIZED
        self._position = None if message.numbering in {Numbering.NONE, Numbering.UNIQUE} else kind.position
        self._extras = () if message.hook is None else tuple(Path(path) for path in message.hook.paths)

    def match(self, topic: str) -> dict[str, str] | None:
        """What a topic names, or None where it is not of this declaration."""
        found = next((m.groupdict() for pattern in self._patterns if (m := pattern(topic))), None)
        return found if found is None or "interval" not in found or found["interval"] in self._intervals else None

    def has_records(self, message: Any) -> bool:
        """Whether there is anything at all where the records should be: else it is an acknowledgement or the like."""
        return not self.at or step(message, self.at[0]) is not None

    def own(self, record: Any, around: Any) -> dict[str, Any]:
        """Every declared field."""
        own = {}
        for name, read in self._fields:
            try:
                own[name] = read(record, around)
            except Malformed as problem:
                raise Malformed(f"{name}: {problem}") from None
        return own

    def finish(self, own: dict[str, Any]) -> dict[str, Any] | None:
        """What the type asks for, whatever the exchange; None where a record is no event."""
        if self.kind is DERIVATIVE and own.get("next_funding_time") == 0:
            own["next_funding_time"] = own["funding_rate"] = None  # no settlement comes: its rate means nothing
        if not any(value is not None for name, value in own.items() if name not in UNCOUNTED):
            return None
        if self.kind is BOOK:
            if own.get("snapshot"):
                own["prev_seq"] = None
            elif not own.get("bids") and not own.get("asks") and own.get("seq") == own.get("prev_seq") is not None:
                return None  # nothing changed: a sign of life
        elif self.kind is CANDLE:
            own["close_time"] = _close_time_ns(own)
        event = {name: own.get(name) for name in self._order}
        if self.kind.omits_absent:
            event = {name: value for name, value in event.items() if value is not None}
        if self._depth is not None and own.get("snapshot"):
            event["depth"] = self._depth
        for name in self._optional:
            if own[name] is not None:
                event[name] = own[name]
        if self._contracts:
            event = _with_contracts(event)
        return event

    def position(self, event: dict[str, Any]) -> int | None:
        """The exchange's own number of an event."""
        value = None if self._position is None else event.get(self._position)
        return None if value is None else grammar.position(str(value))

    def hooked(self, record: Any, around: Any) -> tuple[str | None, ...]:
        """The values that the hook asks for, as text."""
        found = (path.find(record, around) for path in self._extras)
        return tuple(None if v is None else str(v).lower() if isinstance(v, bool) else grammar.text(v) for v in found)


def _pattern(topic: str) -> Callable[[str], re.Match[str] | None]:
    """A pattern of `{symbol}`, `{interval}` and `{any}`, whole."""
    parts = re.split(r"\{(symbol|interval|any)\}", topic)
    named = (f"(?P<{part}>[^@:.]+)" if odd % 2 else re.escape(part) for odd, part in enumerate(parts))
    return re.compile("".join(named)).fullmatch


def _close_time_ns(own: dict[str, Any]) -> Any:
    """The last millisecond inside: as the exchange tells it, else by the interval."""
    open_ns, told_ns = own.get("open_time"), own.get("close_time")
    if not open_ns:
        raise Malformed("open_time: zero")
    return told_ns // 1_000_000 * 1_000_000 if told_ns else grammar.close_time_ns(open_ns, own["interval"])


def _with_contracts(event: dict[str, Any]) -> dict[str, Any]:
    """`size_unit` in its place among the optional fields: after `depth`."""
    last: dict[str, Any] = {name: event.pop(name) for name in ("count", "backfill") if name in event}
    event["size_unit"] = "contracts"
    event.update(last)
    return event
