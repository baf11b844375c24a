"""Declarations made ready to run: paths resolved into steps, each field of an event into one function.

A value that is missing is None throughout; the empty text and null count as missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from marketfeed import grammar
from marketfeed.events import Field
from marketfeed.exchanges.message import Before, Best, Levels, OneOf, Source
from marketfeed.grammar import Malformed

Read: TypeAlias = Callable[[Any, Any], Any]
"""(record, the object around it) → a field's value, or None where it is missing. Raises `Malformed`."""


class Path:
    """One path of a declaration."""

    __slots__ = ("_ways", "optional", "text")

    def __init__(self, text: str) -> None:
        self.text = text.removesuffix("?")
        self.optional = text != self.text
        self._ways = tuple(
            (way.startswith("../"), tuple(int(s) if s.isdigit() else s for s in way.removeprefix("../").split("/")))
            for way in self.text.split("|")
        )

    def find(self, record: Any, around: Any) -> Any:
        """The first way's value that is there."""
        for up, steps in self._ways:
            node = around if up else record
            for key in steps:
                node = step(node, key)
            if node is not None and node != "":
                return node
        return None

    def need(self, record: Any, around: Any) -> Any:
        """As `find`; missing is malformed unless the path says that it may be."""
        found = self.find(record, around)
        if found is None and not self.optional:
            raise Malformed(f"no {self.text}")
        return found


def step(node: Any, key: str | int) -> Any:
    """The member or the element of a node, or None."""
    if type(node) is dict:
        return node.get(key)
    return node[key] if type(node) is list and type(key) is int and key < len(node) else None


def records(node: Any, steps: tuple[str, ...], around: Any = None) -> Iterator[tuple[Any, Any]]:
    """Every record under a path, each with what is around it. Arrays on the way are gone through, and a message that is one."""
    if not steps and (around is not None or type(node) is not list):
        yield node, around
        return
    name = steps[0] if steps else "the message"
    if not steps:
        child = node
    elif name == "*":
        child = [e for array in _arrays(node) for e in array]
    else:
        child = step(node, name)
    if child is None:
        raise Malformed(f"no {name}")
    for element in child if type(child) is list else (child,):
        if type(element) is not dict and type(element) is not list:
            grammar.refuse(f"{name}: neither an object nor an array", element)
        yield from records(element, steps[1:], node)


def _arrays(node: Any) -> list[list[Any]]:
    """The arrays that stand in an object, whatever their names."""
    if type(node) is not dict:
        grammar.refuse("not an object", node)
    return [member for member in node.values() if type(member) is list]


def reader(field: Field, source: Source) -> Read:
    """How a field of an event is read."""
    if isinstance(source, bool):
        return lambda record, around: source
    if isinstance(source, OneOf):
        return _one_of(source)
    if isinstance(source, Before):
        return _converted(Path(source.path), grammar.before)
    if isinstance(source, Levels):
        return _levels(source)
    if isinstance(source, Best):
        return _best(source)
    return _converted(Path(source), grammar.CONVERT[field.kind])


def _converted(path: Path, convert: Callable[[Any], Any]) -> Read:
    need = path.need

    def read(record: Any, around: Any) -> Any:
        value = need(record, around)
        return None if value is None else convert(value)

    return read


def _one_of(source: OneOf) -> Read:
    path, known = Path(source.path), source.values
    otherwise = None if source.otherwise is None else _one_of(source.otherwise)

    def read(record: Any, around: Any) -> Any:
        value = path.find(record, around)
        if type(value) is bool:
            value = "true" if value else "false"
        if type(value) is str and value in known:
            return known[value]
        if otherwise is not None:
            return otherwise(record, around)
        if value is not None:
            return grammar.refuse(f"none of {', '.join(known)}", value)
        return path.need(record, around)

    return read


def _levels(source: Levels) -> Read:
    path, price, size = Path(source.path), Path(source.price), Path(source.size)
    decimal = grammar.decimal

    def read(record: Any, around: Any) -> Any:
        found = path.need(record, around)
        if found is None:
            return None
        if type(found) is not list:
            grammar.refuse("not an array of levels", found)
        return [[decimal(price.need(level, None)), decimal(size.need(level, None))] for level in found]

    return read


def _best(source: Best) -> Read:
    path, first, size, kind = Path(source.path), Path(f"{source.path}/0/{source.place}"), Path("1"), Path(source.kind)
    place, decimal = Path(source.place), grammar.decimal

    def read(record: Any, around: Any) -> Any:
        if kind.find(record, around) == source.whole:
            value = first.find(record, around)
            return None if value is None else decimal(value)
        found = path.find(record, around)
        levels = found if type(found) is list else ()
        kept = (level for level in levels if not grammar.is_zero(decimal(size.need(level, None))))
        best = next(kept, None)
        return None if best is None else decimal(place.need(best, None))

    return read
