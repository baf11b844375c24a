"""Words in which the API server's rules are written."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from marketfeed_operator.schema import Schema

RULES: Final = "x-kubernetes-validations"
LIST: Final = "x-kubernetes-list-type"
# As `marketfeed.symbols` has it, in the words of the regular expressions that the API server knows.
CODE: Final = r"([^\P{L}a-z]|\p{N})+"


def rule(expression: str, message: str) -> Schema:
    """One CEL rule with the sentence that a refused user reads."""
    return {"rule": expression, "message": message}


def exactly_one(*names: str) -> Schema:
    """That one of these fields is there, and no other."""
    given = ", ".join(f"has(self.{name})" for name in names)
    return rule(f"[{given}].filter(given, given).size() == 1", f"give exactly one of {' and '.join(_commas(names))}")


def items(**words: Any) -> Schema:
    """What is said of each text in a list."""
    return {"items": {"type": "string", **words}}


def texts(words: Iterable[str]) -> str:
    """A list of texts as an expression."""
    return "[" + ", ".join(f"'{word}'" for word in words) + "]"


def _commas(names: Iterable[str]) -> list[str]:
    *first, last = names
    return [", ".join(first), last]
