"""Frames as faults make them: bytes that flip, vanish or move, and values that another exchange would never send."""

from __future__ import annotations

import json
from random import Random
from typing import Any

ODD = [
    "null", "true", "false", "0", "-0", "-1", "01", "+1", ".5", "1.", "1e5", "1E-8", "1e999999999", "NaN", "Infinity", "9" * 19,
    "9" * 30, "12345678901234567890", "1672515782136", "1672515782136123", "9999999999999999", "99999999999999", "1e", "-",
    '""', '"0"', '"-0"', '"1.5"', '"1e5"', '"01"', '"1."', '".5"', '"+1"', '" 1"', '"1 "', '"NaN"', '"true"', '"false"',
    '"x\\u0031"', '"\\ud800"', '"\\n"', '"é"', '"币"', '"2023-10-06T17:35:55.440295Z"', '"2023-02-30T00:00:00Z"',
    '"1970-01-01T00:00:00Z"', '"2300-01-01T00:00:00.1Z"', '"202."', "[]", "{}", "[[]]", '[["1","2"]]', '[["1","2","3"]]',
    '[{"price":1,"qty":2}]', '[["1"]]', '[null]', '[["1",null]]', "[[1,2]]", "[[[]]]", '{"price":"1","qty":"2"}', "[1,2]",
    "[" * 30 + "]" * 30, "\t1", '"' + "9" * 400 + '"',
]  # fmt: skip
"""Values, as JSON or nearly so."""


def mutated(frame: bytes, random: Random) -> bytes:
    """One frame with one to three faults."""
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        frame = random.choice((_byte, _byte, _cut, _doubled, _value, _value, _value, _member, _order, _spaced))(frame, random)
    return frame


def _at(frame: bytes, random: Random) -> int:
    return random.randrange(len(frame)) if frame else 0


def _byte(frame: bytes, random: Random) -> bytes:
    at = _at(frame, random)
    other = random.choice((random.randrange(256), random.choice(b'{}[]",:.-+eE0123456789\\ntfu \r\n\x00\x7f\x80\xff')))
    return frame[:at] + bytes([other]) + frame[at + random.choice((0, 1)) :]


def _cut(frame: bytes, random: Random) -> bytes:
    at = _at(frame, random)
    return frame[:at] + frame[at + random.choice((1, 2, random.randrange(1, 40), len(frame))) :]


def _doubled(frame: bytes, random: Random) -> bytes:
    first = _at(frame, random)
    part = frame[first : first + random.choice((1, 5, 30, 200))]
    at = _at(frame, random)
    return frame[:at] + part + frame[at:]


def _parts(frame: bytes) -> list[tuple[int, int]]:
    """(start, end) of the scalars: what stands between punctuation."""
    found, start, quoted, escaped = [], 0, False, False
    for at, char in enumerate(frame):
        if quoted:
            quoted, escaped = char != 34 or escaped, char == 92 and not escaped
        elif char == 34:
            quoted = True
        elif char in b"{}[],:":
            if at > start:
                found.append((start, at))
            start = at + 1
    return found


def _value(frame: bytes, random: Random) -> bytes:
    parts = _parts(frame)
    if not parts:
        return frame
    start, end = random.choice(parts)
    return frame[:start] + random.choice(ODD).encode(errors="replace") + frame[end:]


def _json(frame: bytes) -> Any:
    try:
        return json.loads(frame, parse_float=str, parse_int=int)
    except (ValueError, RecursionError):
        return None


def _objects(node: Any) -> list[dict[str, Any]]:
    own = [node] if isinstance(node, dict) else []
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return own + [found for child in children for found in _objects(child)]


def _member(frame: bytes, random: Random) -> bytes:
    """A member leaves, comes twice, changes its name or trades its value."""
    message = _json(frame)
    objects = [found for found in _objects(message) if found]
    if not objects:
        return frame
    node = random.choice(objects)
    key = random.choice(list(node))
    if (fault := random.randrange(4)) == 0:
        del node[key]
    elif fault == 1:
        doubled = f"{json.dumps(key)}:{random.choice(ODD)}".encode(errors="replace")
        at = frame.rfind(b"}") if random.random() < 0.5 else frame.find(b"{") + 1
        return frame[:at] + (b"," + doubled if frame[at : at + 1] == b"}" else doubled + b",") + frame[at:]
    elif fault == 2:
        other = random.choice(list(node))
        node[other] = node.pop(key)
    else:
        node[key] = [node[key], node[key]] if random.random() < 0.5 else {"x": node[key]}
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode(errors="replace")


def _order(frame: bytes, random: Random) -> bytes:
    """Members in another order."""
    message = _json(frame)
    for node in _objects(message):
        items = list(node.items())
        random.shuffle(items)
        node.clear()
        node.update(items)
    return frame if message is None else json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode(errors="replace")


def _spaced(frame: bytes, random: Random) -> bytes:
    """White space where JSON allows it, and some where it does not."""
    space = random.choice((b" ", b"\n", b"\t", b"\r\n", b"\x0b", b"\xc2\xa0"))
    at = frame.find(random.choice((b"{", b"[", b",", b":", b"}", b"]")), _at(frame, random))
    return frame if at < 0 else frame[:at] + space + frame[at:]
