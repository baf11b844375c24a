"""How a message of an exchange is declared: plain data that two engines run.

A *path* names a value inside a record: steps joined by `/`, a number is a place in an array, `../` starts at the object
around the record. `a|b` takes the first that is there; `a?` may be missing. Null and the empty text count as missing. On the
way to the records of a REST body `*` stands for every array of an object: its name tells a symbol in a spelling of its own.

What becomes of a value follows from the event's field (`events.Kind`): a price stays its text, a time becomes
nanoseconds. The plain engine is `marketfeed.normalizer`; the compiled one is the shard's kernel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class OneOf:
    """A value that has few forms: its text on the wire → its value in the event.

    JSON booleans count as the texts `true` and `false`. Any other text is malformed, or goes to `otherwise`.
    """

    path: str
    values: Mapping[str, str | bool]
    otherwise: OneOf | None = None


@dataclass(frozen=True, slots=True)
class Before:
    """The integer just before this one: an exchange may tell the first id of a message, not the last of the one before."""

    path: str


@dataclass(frozen=True, slots=True)
class Levels:
    """Price levels: an array whose elements hold price and size, by place or by key."""

    path: str
    price: str = "0"
    size: str = "1"


@dataclass(frozen=True, slots=True)
class Best:
    """Price or size of the best level, where a message may be a change: then it is the first that is not removed."""

    path: str
    """Of an array of levels, the best first; one that is empty or missing tells nothing."""
    place: str
    """In a level: 0 its price, 1 its size."""
    kind: str
    """Path of the text that tells whole from change."""
    whole: str
    """That text of a message that is no change."""


Source: TypeAlias = str | bool | OneOf | Before | Levels | Best
"""Where an event's field comes from: a path (text), a constant (bool), or one of the forms above."""


class Numbering(Enum):
    """What the exchange's own numbers (`EventType.position`) promise within one stream."""

    NONE = "none"
    """Nothing: two copies of a stream cannot be told apart message by message."""
    RISING = "rising"
    """Each number is greater than the one before; an equal or lower one is a repetition."""
    CONSECUTIVE = "consecutive"
    """Rising by one: a jump is a loss."""
    CHAINED = "chained"
    """Each names the one that it follows on (`prev_seq`), unless it is a snapshot: the book's rule."""
    UNIQUE = "unique"
    """No two are the same, and that is all: copies are told apart by a set of the latest ones."""


@dataclass(frozen=True, slots=True)
class Message:
    """One kind of message, and the event that each of its records becomes."""

    channel: str
    """Ours; `candles` stands for every interval."""
    topics: tuple[str, ...]
    """Theirs, as patterns of `{symbol}`, `{interval}` and `{any}`; the first subscribes, all are recognised."""
    at: str
    """Where its records are: an array is iterated at each step, an object is one record; `""` is the message itself, or each
    element of one that is an array."""
    fields: Mapping[str, Source]
    """Event field → where it comes from. A field that is not named is null."""
    symbol: str | None = None
    """Path of the symbol in the record, where the topic does not name it or may disagree."""
    when: str | None = None
    """Path: the record counts only if this number is not zero."""
    keeps: bool = False
    """What a delta leaves out keeps its last value."""
    numbering: Numbering = Numbering.NONE
    hook: Hook | None = None
    """What the shard has to see to before the event goes out."""
    of_index: bool = False
    """The symbol that it names is an index (`Market.index`): it counts for every stream whose price follows it."""


@dataclass(frozen=True, slots=True)
class Hook:
    """What an exchange leaves to whoever listens: to find a candle's end, or to prove a book by its checksum.

    `candle_end`: a candle is repeated, closed, when the next one begins. `digits_checksum` and `texts_checksum`: after each
    message the book's CRC32, by that recipe, has to be the one that is told.
    """

    name: str
    paths: tuple[str, ...] = ()
    """Where in the record the checksum is."""


@dataclass(frozen=True, slots=True)
class Wire:
    """All that one market of an exchange sends."""

    topic: tuple[str, ...]
    """Paths whose texts, joined by `:`, are a message's topic."""
    messages: tuple[Message, ...]
    intervals: Mapping[str, str] = field(default_factory=dict)
    """Their name of a candle's interval → ours."""
    contracts: bool = False
    """Sizes count contracts."""


def message(
    channel: str,
    *topics: str,
    at: str,
    symbol: str | None = None,
    when: str | None = None,
    keeps: bool = False,
    numbering: Numbering = Numbering.NONE,
    hook: Hook | None = None,
    of_index: bool = False,
    **fields: Source,
) -> Message:
    """A `Message` in one breath: the keywords that are not its own are the event's fields."""
    return Message(channel, topics, at, fields, symbol, when, keeps, numbering, hook, of_index)
