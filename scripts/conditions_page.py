"""Prints docs/conditions.md: the operator's conditions and their reasons. `make docs` writes it, a test compares it."""

from __future__ import annotations

import sys

from marketfeed_operator.reasons import Condition, Reason

INTRODUCTION = """\
# Conditions

Generated from `operator/marketfeed_operator/reasons.py` by `make docs`.

`kubectl describe marketfeed` shows how a feed is in four conditions. Each has a status, one word for the reason from the lists
below, a sentence that names what it is about, and the generation of the feed that it was judged by. Its transition time moves
only with its status. Nothing in them ticks: a feed that goes on as before is not written. Where several things are wrong at
once, the reason is that of the gravest, in the order of these lists, and the message tells all of them.

`kubectl wait --for=condition=Ready marketfeed/NAME` returns when the current spec is at work.
"""


def section(condition: Condition) -> str:
    """One condition: what it says, and its reasons."""
    rows = [f"| `{reason}` | {reason.meaning} |" for reason in Reason if condition in reason.conditions]
    return "\n".join([f"## {condition}", "", condition.meaning, "", "| reason | meaning |", "|---|---|", *rows])


def page() -> str:
    """The whole page."""
    return "\n\n".join([INTRODUCTION.rstrip(), *map(section, Condition)]) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page())
