"""What is wrong with a manifest: the place, the reason and the way out, in words for whoever wrote it."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*").fullmatch


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding."""

    path: str
    """`spec.sources[0].symbols[2]`; empty: the manifest as a whole."""
    reason: str
    way_out: str
    code: str = "Invalid"
    """One word for the kind of it, as a condition's reason has it."""

    def __str__(self) -> str:
        place = f"{self.path}: " if self.path else ""
        return printable(f"{place}{self.reason}; {self.way_out}")


def printable(text: str) -> str:
    """Text that came from outside, with escapes in place of what a terminal would obey."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class NotAccepted(Exception):  # noqa: N818 - the condition's reason is called so
    """A manifest that is refused, with all that is wrong with it."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


def join(path: str, step: str | int) -> str:
    """The path one step further: a field's name, or a place in a list."""
    if isinstance(step, int):
        return f"{path}[{step}]"
    if not _PLAIN_KEY(step):
        return f"{path}[{json.dumps(step, ensure_ascii=False)}]"
    return f"{path}.{step}" if path else step


def near(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant."""
    by_lower = {k.lower(): k for k in known}
    found = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[found[0]] if found else None


def choose(word: str, known: Iterable[str]) -> str:
    """The way out of an unknown word: the near one if there is one, and all that are known."""
    choices = list(known)
    guess = near(word, choices)
    if len(choices) == 1:
        return f"write {choices[0]}"
    listed = f"there are {', '.join(choices)}"
    return f"did you mean {guess}? {listed}" if guess else listed
