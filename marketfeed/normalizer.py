"""Runs the declarations, in plain Python: one message of an exchange → its events. The reference for the compiled kernel.

Numbers stay the text that the exchange wrote. On any bytes at all the outcome is events, a message that is not data, one
that is none of ours, or `Malformed`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import orjson

from marketfeed import grammar
from marketfeed.events import BOOK, CANDLE, DERIVATIVE, OPTIONAL, SIZED, TS, event_type
from marketfeed.exchanges.exchange import Market
from marketfeed.exchanges.message import Message, Numbering, OneOf
from marketfeed.reading import Path, Read, reader, records, step
from marketfeed.grammar import Malformed as Malformed

Names: TypeAlias = Callable[[str], str | None]
"""The exchange's own symbol → the normalised one, or None where it is not known."""
Routes: TypeAlias = tuple[tuple[int, dict[str, str]], ...]
"""(place in `Wire.messages`, what the topic names: symbol, interval) of each declaration that a topic feeds."""

MOST_TOPICS = 1 << 15
"""Topics come from outside: those beyond are matched anew each time."""
_UNCOUNTED = frozenset({"ts", "seq", "prev_seq", "interval", "close_time", *(field.name for field in OPTIONAL)})
"""Fields that alone make no event."""
_DEEP = "nested too deeply to be read"


@dataclass(slots=True)
class Row:
    """One event of a message, before it is given its receipt and its number."""

    message: Message
    channel: str
    """Candles with their interval: candles.1m."""
    symbol: str
    event: dict[str, Any]
    """Keys in their order; `recv` and `n` are None."""
    position: int | None
    """The exchange's own number of the event, where its declaration says that numbers tell something."""
    extras: tuple[str | None, ...] = ()
    """Values that the declaration's hook asks for."""


@dataclass(slots=True)
class Data:
    """A message of channels that we offer."""

    rows: list[Row]
    """None where it only tells that all is as it was, or that a number is spent."""


@dataclass(slots=True)
class Ignored:
    """A message of a channel that we do not offer, or about a symbol that is not known."""

    reason: str


@dataclass(slots=True)
class NotData:
    """A control message, or an object that is no message of any channel."""

    body: Any
    """Decoded."""


class Normalizer:
    """One market's declarations, ready to run."""

    def __init__(self, market: Market, names: Names, merge: bool = False) -> None:
        """`merge`: what a delta leaves out is filled in with its last value; else it is null."""
        self.market = market
        self.names = names
        self.merge = merge
        self._topic = tuple(Path(path) for path in market.wire.topic)
        self._readers = [_Reader(number, message, market) for number, message in enumerate(market.wire.messages)]
        self._routes: dict[str, Routes] = {}
        self._kept: dict[tuple[int, str], dict[str, Any]] = {}

    def decode(self, frame: bytes) -> Data | Ignored | NotData:
        """One message. Raises `Malformed`."""
        message = _parse(frame)
        topic = self._topic_of(message)
        if topic is None:
            message = self.market.envelope(message)
            topic = self._topic_of(message)
        if topic is None:
            if not isinstance(message, dict):
                raise Malformed("neither an object nor an array of events that name their type")
            return NotData(_body(frame))
        routes = self.routes(topic)
        if not routes:
            body = _body(frame)
            return NotData(body) if self.market.control(body) is not None else Ignored(topic)
        if not any(self._readers[number].has_records(message) for number, _ in routes):
            return NotData(_body(frame))
        rows: list[Row] = []
        kept: dict[tuple[int, str], dict[str, Any]] = {}
        unknown: str | None = None
        for number, found in routes:
            for outcome in self._rows(number, message, found, topic, kept):
                if isinstance(outcome, Row):
                    rows.append(outcome)
                else:
                    unknown = outcome
        self._kept.update(kept)
        if not rows and unknown is not None:
            return Ignored(f"unknown symbol {unknown!r}")
        return Data(rows)

    def routes(self, topic: str) -> Routes:
        """The declarations that a topic feeds, in their order; none where it is no channel of ours."""
        routes = self._routes.get(topic)
        if routes is None:
            matches = ((r.number, r.match(topic)) for r in self._readers)
            routes = tuple((number, found) for number, found in matches if found is not None)
            if len(self._routes) < MOST_TOPICS:
                self._routes[topic] = routes
        return routes

    def interval(self, message: Message, found: dict[str, str], key: str | None) -> str | None:
        """Our name of a candle's interval, from its topic or, where the record names it, from that text."""
        source = message.fields.get("interval")
        if isinstance(source, OneOf):
            value = None if key is None else source.values.get(key)
            return value if isinstance(value, str) else None
        return self.market.wire.intervals.get(found.get("interval", ""))

    def stream_head(self, channel: str, symbol: str) -> tuple[bytes, bytes, int]:
        """What the events of a stream share: their bytes up to the value of `ts`; of candles the interval, as JSON, and its
        length in ns (0: not fixed)."""
        head = orjson.dumps(self._head(event_type(channel).name, channel, symbol))[:-1] + b',"ts":'
        kind, _, interval = channel.partition(".")
        if kind != CANDLE.channel:
            return head, b"", 0
        return head, orjson.dumps(interval), grammar.candle_length_ns(interval)

    def _head(self, kind: str, channel: str, symbol: str) -> dict[str, Any]:
        market = self.market
        return {"type": kind, "exchange": market.exchange, "market": market.name, "channel": channel, "symbol": symbol}

    def _topic_of(self, message: Any) -> str | None:
        texts = [path.find(message, None) for path in self._topic]
        return ":".join(texts) if all(isinstance(text, str) for text in texts) else None

    def _rows(
        self, number: int, message: Any, found: dict[str, str], topic: str, kept: dict[tuple[int, str], dict[str, Any]]
    ) -> Iterator[Row | str]:
        """The events of one declaration, and in place of an event a symbol that is not known."""
        read = self._readers[number]
        declared = read.message
        try:
            for record, around in records(message, read.at):
                if read.when is not None and grammar.is_zero(grammar.decimal(read.when.need(record, around))):
                    continue
                native = grammar.text(read.symbol.need(record, around)) if read.symbol is not None else found.get("symbol", "")
                symbol = self.names(native)
                if symbol is None:
                    yield native
                    continue
                own = read.own(record, around)
                if declared.keeps and self.merge and any(v is not None for k, v in own.items() if k not in _UNCOUNTED):
                    last = kept.get((number, symbol)) or self._kept.get((number, symbol)) or {}
                    own = kept[number, symbol] = {k: last.get(k) if v is None else v for k, v in own.items()}
                channel = declared.channel
                if read.kind is CANDLE:
                    interval = own.get("interval") or self.interval(declared, found, None)
                    if interval is None:
                        raise Malformed("no interval")
                    own["interval"] = interval
                    channel = f"{channel}.{interval}"
                if (finished := read.finish(own)) is None:
                    continue
                event = self._head(read.kind.name, channel, symbol)
                event["ts"] = own.get("ts") or None
                event["recv"] = event["n"] = None
                event.update(finished)
                yield Row(declared, channel, symbol, event, read.position(event), read.hooked(record, around))
        except Malformed as problem:
            raise Malformed(f"{grammar.shown(topic)}: {problem}") from None


class _Reader:
    """One declaration, its paths resolved."""

    def __init__(self, number: int, message: Message, market: Market) -> None:
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
        self._contracts = market.wire.contracts and kind.name in SIZED
        self._position = None if message.numbering is Numbering.NONE else kind.position
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
        if not any(value is not None for name, value in own.items() if name not in _UNCOUNTED):
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


def _parse(frame: bytes) -> Any:
    """JSON whose numbers stay text."""
    try:
        return json.loads(frame.decode(), parse_float=str, parse_int=str, parse_constant=_constant)
    except UnicodeDecodeError as problem:
        raise Malformed(f"not UTF-8: byte {problem.object[problem.start]:#04x} at {problem.start + 1}") from None
    except json.JSONDecodeError as problem:
        raise Malformed(f"not JSON: {problem.msg[0].lower()}{problem.msg[1:]} at character {problem.pos + 1}") from None
    except RecursionError:
        raise Malformed(_DEEP) from None


def _constant(name: str) -> None:
    raise Malformed(f"not JSON: {name}")


def _body(frame: bytes) -> Any:
    """A message that was parsed before, with its numbers as numbers."""
    try:
        return json.loads(frame.decode())
    except ValueError:  # the interpreter's bound
        raise Malformed("an integer of more than 4300 digits") from None
    except RecursionError:
        raise Malformed(_DEEP) from None


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
    last = [name for name in ("count", "backfill") if name in event]
    kept = {name: event.pop(name) for name in last}
    return {**event, "size_unit": "contracts", **kept}
