"""Turns declarations into tables for the compiled engine: one tree of wanted paths and a list of operations an event.

A *scope* is a place in the tree whose values are kept together in one row: the message itself, each record, and the object
around records. A record's operations find their values by (scope, place in its row).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum

import orjson

from marketfeed.events import BOOK, CANDLE, OPTIONAL, SIZED, TS, Kind, event_type
from marketfeed.events import Field as EventField
from marketfeed.exchanges.message import Before, Best, Levels, Message, Numbering, OneOf, Source, Wire

RECORD, AROUND = 0, 1
MOST_VALUES, MOST_LEVELS, MOST_OPS = 32, 2, 24
MOST_ALTERNATIVES, MOST_TOPIC_PATHS, MOST_DECLARATIONS, MOST_MEMBERS = 3, 4, 4, 63
"""Bounds of the engine's fixed rows; a declaration beyond them is run by the plain engine."""


class Op(IntEnum):
    """How one field of an event is checked and written."""

    DECIMAL = 0
    TEXT = 1
    INTEGER = 2
    TIME = 3
    ONE_OF = 4
    BEFORE = 5
    LEVELS = 6
    CONSTANT = 7
    INTERVAL = 8
    CLOSE_TIME = 9
    DEPTH = 10
    """Of a snapshot alone."""


OF_KIND = {Kind.DECIMAL: Op.DECIMAL, Kind.TEXT: Op.TEXT, Kind.INTEGER: Op.INTEGER, Kind.TIME: Op.TIME}


class TooWide(ValueError):  # noqa: N818 - no error: the plain engine runs it
    """A declaration that does not fit the engine's rows."""


@dataclass(slots=True)
class Node:
    """A place in the tree of wanted paths."""

    members: dict[bytes, int] = field(default_factory=dict)
    """Key of an object → node."""
    places: dict[int, int] = field(default_factory=dict)
    """Place in an array → node."""
    leaf: int = -1
    """Where in its scope's row the value goes."""
    levels: int = -1
    """Which array of levels of its scope's row it is."""
    price: bytes | int = 0
    size: bytes | int = 1
    iterate: bool = False
    """Records are here or below: an array is gone through, and the object around must have it."""
    sought: bool = False
    """A topic's path leads here first: once all of these are found, the topic is known."""
    scope: bool = False
    values: int = 0
    """Values in the row, where this is a scope."""
    level_arrays: int = 0


Alternatives = tuple[tuple[int, int], ...]
"""(RECORD or AROUND, place in its row), the first that is there counts."""


@dataclass(slots=True)
class Operation:
    """One field of an event."""

    op: Op
    before: bytes
    """What is written before the value: `,"price":`."""
    alternatives: Alternatives = ()
    optional: bool = False
    omit: bool = False
    """Where missing, nothing is written; else null."""
    counts: bool = False
    """One of the fields without all of which there is no event."""
    table: tuple[tuple[bytes, bytes], ...] = ()
    """ONE_OF: text on the wire → what is written."""
    otherwise: Alternatives = ()
    other_table: tuple[tuple[bytes, bytes], ...] = ()
    constant: bytes = b""


@dataclass(slots=True)
class Declaration:
    """One message, ready for the engine."""

    message: int
    """Its place in `Wire.messages`."""
    node: int
    symbol: Alternatives
    when: Alternatives
    operations: list[Operation]
    """`ts` first, then the own fields in order, then the optional ones."""
    position: int
    """Operation that numbers the event, or −1."""
    consecutive: bool
    numbered: bool
    chained: bool
    unique: int
    """Operation whose value tells copies apart, or −1."""
    extras: tuple[Alternatives, ...]
    ends_candles: bool
    key: Alternatives
    """Text besides the symbol that decides about the stream: the interval of a candle, where the topic does not name it."""
    funding: tuple[int, int]
    """Operations funding_rate and next_funding_time, or −1: without a settlement to come the rate means nothing."""
    book: tuple[int, int, int, int, int]
    """Operations snapshot, bids, asks, seq, prev_seq; −1 each where this is no book."""
    end: bytes


@dataclass(slots=True)
class Group:
    """All declarations that one topic feeds."""

    nodes: list[Node]
    declarations: list[Declaration]
    topic: tuple[Alternatives, ...]


class _Tree:
    """Builds the tree of one group."""

    def __init__(self) -> None:
        self.nodes = [Node(scope=True)]

    def child(self, at: int, step: str) -> int:
        node = self.nodes[at]
        if step.isdigit():
            found = node.places.setdefault(int(step), len(self.nodes))
        else:
            found = node.members.setdefault(step.encode(), len(self.nodes))
        if found == len(self.nodes):
            self.nodes.append(Node())
        return found

    def records(self, path: str) -> tuple[int, int]:
        """The node of the records under a path, and the node around them."""
        at = around = 0
        for step in path.split("/") if path else ():
            if step.isdigit():
                raise TooWide(path)
            around, at = at, self.child(at, step)
            self.nodes[at].iterate = True
        self.nodes[at].scope = self.nodes[around].scope = True
        return at, around

    def alternatives(self, path: str, record: int, around: int) -> Alternatives:
        found = []
        ways = path.removesuffix("?").split("|")
        if len(ways) > MOST_ALTERNATIVES:
            raise TooWide(path)
        for way in ways:
            up = way.startswith("../")
            at = scope = around if up else record
            for step in way.removeprefix("../").split("/"):
                at = self.child(at, step)
            node = self.nodes[at]
            if node.leaf < 0:
                node.leaf = self.nodes[scope].values
                self.nodes[scope].values += 1
            found.append((AROUND if up and record != around else RECORD, node.leaf))
        if any(n.values > MOST_VALUES for n in self.nodes):
            raise TooWide(path)
        return tuple(found)

    def levels(self, source: Levels, record: int) -> Alternatives:
        at = record
        for step in source.path.split("/"):
            at = self.child(at, step)
        node = self.nodes[at]
        node.levels = self.nodes[record].level_arrays
        self.nodes[record].level_arrays += 1
        if self.nodes[record].level_arrays > MOST_LEVELS:
            raise TooWide(source.path)
        node.price = int(source.price) if source.price.isdigit() else source.price.encode()
        node.size = int(source.size) if source.size.isdigit() else source.size.encode()
        return ((RECORD, node.levels),)


def _literal(value: object) -> bytes:
    return orjson.dumps(value)


def _table(source: OneOf) -> tuple[tuple[bytes, bytes], ...]:
    return tuple((text.encode(), _literal(value)) for text, value in source.values.items())


def _operation(tree: _Tree, own: EventField, source: Source | None, record: int, around: int) -> Operation:
    before = f',"{own.name}":'.encode()
    if isinstance(source, bool):
        return Operation(Op.CONSTANT, before, constant=_literal(source), counts=True)
    if isinstance(source, OneOf):
        other = source.otherwise
        if other and other.otherwise:
            raise TooWide(source.path)
        return Operation(
            Op.ONE_OF,
            before,
            tree.alternatives(source.path, record, around),
            source.path.endswith("?"),
            counts=True,
            table=_table(source),
            otherwise=tree.alternatives(other.path, record, around) if other else (),
            other_table=_table(other) if other else (),
        )
    if isinstance(source, Before):
        where = tree.alternatives(source.path, record, around)
        return Operation(Op.BEFORE, before, where, source.path.endswith("?"))
    if isinstance(source, Levels):
        return Operation(Op.LEVELS, before, tree.levels(source, record), counts=True)
    if isinstance(source, Best):
        where = tree.alternatives(f"{source.path}/0/{source.place}", record, around)
        return Operation(Op.DECIMAL, before, where, optional=True, counts=True)
    if source is None:
        return Operation(Op.CONSTANT, before, constant=b"null")
    return Operation(OF_KIND[own.kind], before, tree.alternatives(source, record, around), source.endswith("?"), counts=True)


def _only_whole(tree: _Tree, declared: Message, record: int, around: int) -> list[Operation]:
    """What writes nothing and declines a change, of which the plain engine finds the best level."""
    kinds = {source.kind: source.whole for source in declared.fields.values() if isinstance(source, Best)}
    return [
        Operation(Op.ONE_OF, b"", tree.alternatives(kind, record, around), table=((whole.encode(), b""),))
        for kind, whole in kinds.items()
    ]


def _declaration(tree: _Tree, wire: Wire, number: int, declared: Message, depth: int | None) -> Declaration:
    kind = event_type(declared.channel)
    record, around = tree.records(declared.at)
    fields = declared.fields
    operations = [_operation(tree, TS, fields.get("ts"), record, around)]
    operations[0].before = b""
    operations[0].counts = False
    key: Alternatives = ()
    for own in kind.fields:
        source = fields.get(own.name)
        if kind is CANDLE and own.name == "interval":
            if isinstance(source, OneOf):
                key = tree.alternatives(source.path, record, around)
            operations.append(Operation(Op.INTERVAL, b',"interval":'))
        elif kind is CANDLE and own.name == "close_time":
            told = tree.alternatives(source, record, around) if isinstance(source, str) else ()
            operations.append(Operation(Op.CLOSE_TIME, b',"close_time":', told))
        elif kind.omits_absent and source is None:
            continue
        else:
            operation = _operation(tree, own, source, record, around)
            operation.omit = kind.omits_absent
            operation.counts &= own.name not in {"seq", "prev_seq"}
            operations.append(operation)
    for own in OPTIONAL:
        if own.name == "size_unit" and wire.contracts and kind.name in SIZED:
            operations.append(Operation(Op.CONSTANT, b',"size_unit":', constant=b'"contracts"'))
        elif own.name == "depth" and kind is BOOK and depth is not None:
            operations.append(Operation(Op.DEPTH, b',"depth":', constant=b"%d" % depth))
        elif own.name in fields:
            operation = _operation(tree, own, fields[own.name], record, around)
            operation.omit, operation.counts = True, False
            operations.append(operation)
    operations += _only_whole(tree, declared, record, around)
    if len(operations) > MOST_OPS:
        raise TooWide(declared.channel)
    names = [o.before[2:-2].decode() for o in operations]
    is_told = kind.position is not None and kind.position in fields
    unique = is_told and declared.numbering is Numbering.UNIQUE
    numbered = is_told and declared.numbering not in {Numbering.NONE, Numbering.UNIQUE}
    hook = declared.hook
    if hook and len(hook.paths) > MOST_ALTERNATIVES:
        raise TooWide(declared.channel)
    return Declaration(
        message=number,
        node=record,
        symbol=tree.alternatives(declared.symbol, record, around) if declared.symbol else (),
        when=tree.alternatives(declared.when, record, around) if declared.when else (),
        operations=operations,
        position=names.index(str(kind.position)) if numbered else -1,
        consecutive=declared.numbering is Numbering.CONSECUTIVE,
        numbered=numbered,
        chained=declared.numbering is Numbering.CHAINED,
        unique=names.index(str(kind.position)) if unique else -1,
        extras=tuple(tree.alternatives(p, record, around) for p in hook.paths) if hook else (),
        ends_candles=hook is not None and hook.name == "candle_end",
        key=key,
        funding=tuple(names.index(n) if n in names else -1 for n in ("funding_rate", "next_funding_time")),  # type: ignore[arg-type]
        book=tuple(names.index(n) for n in ("snapshot", "bids", "asks", "seq", "prev_seq"))  # type: ignore[arg-type]
        if kind is BOOK
        else (-1, -1, -1, -1, -1),
        end=b"}",
    )


def group(wire: Wire, numbers: Sequence[int], depth: int | None = None) -> Group:
    """The tables of the messages with these numbers, which share a topic. Raises `TooWide`.

    `depth`: levels a side of a book that is cut, told on its snapshots.
    """
    tree = _Tree()
    topic = tuple(tree.alternatives(path, 0, 0) for path in wire.topic)
    for node in tree.nodes:
        node.sought = any(node.leaf == first for (_, first), *_ in topic)
    declarations = [_declaration(tree, wire, n, wire.messages[n], depth) for n in numbers]
    if len(topic) > MOST_TOPIC_PATHS or len(declarations) > MOST_DECLARATIONS:
        raise TooWide(", ".join(wire.topic))
    if any(len(node.members) > MOST_MEMBERS for node in tree.nodes):
        raise TooWide("keys of one object")
    return Group(tree.nodes, declarations, topic)
