"""How single messages are spoilt, left out, doubled or put in another order."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Literal, NamedTuple

Corruption = Literal["truncated", "type", "decimal", "utf8", "digit", "checksum"]
"""Cut in half; a price that is an object; a price that is no number; a byte that no UTF-8 has; one wrong digit in the first
price or size; a wrong checksum where there is one, else a wrong digit."""
_decimal = re.compile(rb':"\d+(?:\.\d+)?"|:\d+\.\d+')
_number = re.compile(rb'(?<=\[")\d+(?:\.\d+)?(?=")|(?<=":")\d+\.\d+(?=")|(?<=[:\[])\d+\.\d+(?=[,\]}])')
_checksum = re.compile(rb'(?<="checksum":)-?\d+')


class Tampering(StrEnum):
    GAP = "gap"
    DUPLICATE = "duplicate"
    REORDER = "reorder"
    CORRUPT = "corrupt"


class Tampered(NamedTuple):
    """A message that a consumer did not get as the market told it."""

    kind: Tampering
    connection: int
    stream: str
    text: str
    """As it would have been sent."""


@dataclass(slots=True)
class Rule:
    """The next `left` messages that it fits."""

    kind: Tampering
    stream: str
    connection: int | None
    left: int
    form: Corruption = "truncated"

    def fits(self, connection: int, stream: str) -> bool:
        return (self.connection is None or self.connection == connection) and fnmatchcase(stream, self.stream)


def spoil(text: bytes, form: Corruption) -> bytes:
    """A message in this form of wrong."""
    half = len(text) // 2
    match form:
        case "truncated":
            return text[:half]
        case "type":
            return _decimal.sub(b":{}", text, count=1)
        case "decimal":
            return _decimal.sub(b':"1.2.3"', text, count=1)
        case "utf8":
            return text[:half] + b"\xff" + text[half:]
        case "digit":
            return _number.sub(lambda found: _other_digit(found[0]), text, count=1)
        case "checksum":
            other, count = _checksum.subn(lambda found: b"%d" % (int(found[0]) ^ 1), text, count=1)
            return other if count else spoil(text, "digit")


def _other_digit(number: bytes) -> bytes:
    """The last digit changed, so that it is another number."""
    return number[:-1] + b"%d" % ((int(number[-1:]) + 1) % 10)
