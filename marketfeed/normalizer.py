"""Runs the declarations, in plain Python: one message of an exchange → its events. The reference for the compiled kernel.

Numbers stay the text that the exchange wrote. On any bytes at all the outcome is events, a message that is not data, one
that is none of ours, or `Malformed`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import orjson

from marketfeed import grammar
from marketfeed.declared import UNCOUNTED, Declared
from marketfeed.events import CANDLE, event_type
from marketfeed.exchanges.exchange import Market
from marketfeed.exchanges.message import Message, OneOf
from marketfeed.grammar import Malformed as Malformed
from marketfeed.reading import Path, records

Names: TypeAlias = Callable[[str], str | None]
"""The exchange's own symbol → the normalised one, or None where it is not known."""
Followers: TypeAlias = Callable[[str], Sequence[str]]
"""An index → the normalised symbols whose price follows it."""
Routes: TypeAlias = tuple[tuple[int, dict[str, str]], ...]
"""(place in `Wire.messages`, what the topic names: symbol, interval) of each declaration that a topic feeds."""

MOST_TOPICS = 1 << 15
"""Topics come from outside: those beyond are matched anew each time."""
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
    """Empty where it only tells that all is as it was, or that a number is spent."""


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

    def __init__(
        self,
        market: Market,
        names: Names,
        merge: bool = False,
        followers: Followers = lambda index: (),
        depth: int | None = None,
    ) -> None:
        """`merge`: what a delta leaves out is filled in with its last value; else it is null.

        `depth`: levels a side of a book that the exchange cuts without telling: its snapshots tell it.
        """
        self.market = market
        self.names = names
        self.merge = merge
        self.depth = depth
        self._followers = followers
        self._pong = None if market.heartbeat.answer is None else market.heartbeat.answer.encode()
        self._topic = tuple(Path(path) for path in market.wire.topic)
        self._readers = [Declared(number, message, market, depth) for number, message in enumerate(market.wire.messages)]
        self._bodies: dict[int, Declared] = {}
        """Of declarations that no topic leads to, by identity; each keeps its own alive."""
        self._routes: dict[str, Routes] = {}
        self._kept: dict[tuple[int, str], dict[str, Any]] = {}

    def decode(self, frame: bytes) -> Data | Ignored | NotData:
        """One message. Raises `Malformed`."""
        if self._pong is not None and frame.strip() == self._pong:
            return NotData(self.market.heartbeat.answer)
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
            return NotData(body) if self.market.control(body) is not None else Ignored(grammar.shown(topic))
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
            return Ignored(unknown)
        return Data(rows)

    def body(self, declared: Message, symbol: str, content: bytes) -> list[Row]:
        """The events of an answer over REST about one symbol, in its order. Raises `Malformed`."""
        read = self._bodies.setdefault(id(declared), Declared(-1, declared, self.market, self.depth))
        rows = []
        for record, around in records(_parse(content), read.at):
            if read.when is not None and grammar.is_zero(grammar.decimal(read.when.need(record, around))):
                continue
            if (event := self._event(read, symbol, read.own(record, around), {})) is not None:
                rows.append(Row(declared, event["channel"], symbol, event, read.position(event)))
        return rows

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
        """The events of one declaration, and in place of an event why its symbol is none of ours."""
        read = self._readers[number]
        declared = read.message
        try:
            for record, around in records(message, read.at):
                if read.when is not None and grammar.is_zero(grammar.decimal(read.when.need(record, around))):
                    continue
                native = grammar.text(read.symbol.need(record, around)) if read.symbol is not None else found.get("symbol", "")
                symbols = self._symbols(declared, native)
                if not symbols:
                    yield f"unknown {'index' if declared.of_index else 'symbol'} {grammar.shown(native)!r}"
                    continue
                own = read.own(record, around)
                for symbol in symbols:
                    filled = self._filled(number, symbol, own, kept) if declared.keeps and self.merge else own
                    if (event := self._event(read, symbol, filled, found)) is not None:
                        yield Row(declared, event["channel"], symbol, event, read.position(event), read.hooked(record, around))
        except Malformed as problem:
            raise Malformed(f"{grammar.shown(topic)}: {problem}") from None

    def _symbols(self, declared: Message, native: str) -> Sequence[str]:
        """The streams' symbols that a record counts for."""
        if declared.of_index:
            return self._followers(native)
        symbol = self.names(native)
        return () if symbol is None else (symbol,)

    def _filled(
        self, number: int, symbol: str, own: dict[str, Any], kept: dict[tuple[int, str], dict[str, Any]]
    ) -> dict[str, Any]:
        """The fields of a delta, those that it leaves out with their last value; of one that tells nothing, as they are."""
        if all(value is None or name in UNCOUNTED for name, value in own.items()):
            return own
        last = kept.get((number, symbol)) or self._kept.get((number, symbol)) or {}
        filled = kept[number, symbol] = {name: last.get(name) if value is None else value for name, value in own.items()}
        return filled

    def _event(self, read: Declared, symbol: str, own: dict[str, Any], found: dict[str, str]) -> dict[str, Any] | None:
        """The event of a record's fields; null where they tell nothing new."""
        channel = read.message.channel
        if read.kind is CANDLE:
            own.setdefault("interval", self.interval(read.message, found, None))
            channel = f"{channel}.{own['interval']}"
        if (finished := read.finish(own)) is None:
            return None
        event = self._head(read.kind.name, channel, symbol)
        event["ts"] = own.get("ts") or None
        event["recv"] = event["n"] = None
        event.update(finished)
        return event


def _parse(frame: bytes) -> Any:
    """JSON whose numbers stay text."""
    try:
        return json.loads(frame.decode(), parse_float=str, parse_int=str, parse_constant=_constant)
    except UnicodeDecodeError as problem:
        raise Malformed(f"not UTF-8: byte {problem.object[problem.start]:#04x} at {problem.start + 1}") from None
    except json.JSONDecodeError as problem:
        reason = problem.msg.removesuffix(" at").rstrip(": ")
        raise Malformed(f"not JSON: {reason[0].lower()}{reason[1:]} at character {problem.pos + 1}") from None
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
