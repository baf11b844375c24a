"""Prints docs/events.md: the events of marketfeed/events.py as a page. `make docs` writes it, a test compares it."""

from __future__ import annotations

import sys

from marketfeed.events import BY_CHANNEL, GAP, HEAD, OPTIONAL, EventType, Field, Kind

INTRODUCTION = """\
# Events

Generated from `marketfeed/events.py` by `make docs`.

Every event is one JSON object without spaces, its keys in the order of this page: the common fields, those of its type,
then the optional ones that it has. Prices, sizes and rates are the exchange's own decimal text, never rounded. A field that
the exchange does not tell is `null`, unless its type leaves it out.
"""

WRITTEN = {
    Kind.DECIMAL: "decimal text",
    Kind.TEXT: "text",
    Kind.INTEGER: "integer",
    Kind.TIME: "integer, ns since the epoch",
    Kind.WORD: "one of few values",
    Kind.LEVELS: "`[[price, size], …]`, decimal text",
}


def table(fields: tuple[Field, ...]) -> str:
    """The fields, one a line."""
    rows = [f"| `{field.name}` | {WRITTEN[field.kind]} | {field.meaning.replace('<', '&lt;')} |" for field in fields]
    return "\n".join(["| field | holds | meaning |", "|---|---|---|", *rows])


def section(event: EventType) -> str:
    """One type: its channel and its own fields."""
    channel = f"on the channel `{event.channel}`" if event.channel else "on the channel that it is about"
    if event.channel == "candles":
        channel = "on the channels `candles.<interval>`, such as `candles.1m`"
    absent = " Fields that the exchange does not tell are left out." if event.omits_absent else ""
    return f"## {event.name}\n\nComes {channel}.{absent}\n\n{table(event.fields)}"


def page() -> str:
    """The whole page."""
    parts = [
        INTRODUCTION.rstrip(),
        f"## Common fields\n\n{table(HEAD)}",
        *(section(event) for event in (*BY_CHANNEL.values(), GAP)),
        f"## Optional fields\n\nLast, in this order, on the events that have them.\n\n{table(OPTIONAL)}",
    ]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page())
