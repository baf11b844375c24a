"""What a topic delivers, and where it stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from marketfeed_simulator.ladder import Ladder


@dataclass(frozen=True, slots=True)
class Feed:
    """What a topic delivers."""

    symbol: int | None
    """Place in the market; null: all symbols, or, of a feed with a period, the list of them."""
    kind: str
    """The exchange's own word."""
    every_s: float | None = None
    """A message so often at the most; null: one with every step."""
    repeat_s: float | None = None
    """Of a feed with a period: where its symbol made no step, only after so long (`inf`: never); null: then too."""
    interval_s: float = 0.0
    """Of candles; of calendar months times `candles.MONTH_S`."""
    label: str = ""
    """What tells feeds of one kind apart: the interval of candles as the exchange writes it."""
    depth: int = 0
    """Of books: levels a side."""


@dataclass(slots=True)
class Timer:
    """Where a feed that has a period of its own stands."""

    due_s: float
    """Monotonic."""
    step: int
    """The last that it told."""
    told_s: float = 0.0
    """When it told something last. Monotonic."""
    opened_ms: int = -1
    """Of the current candle."""
    first_step: int = 0
    """Of the current candle."""
    number: int | None = None
    """Of its last message, where the exchange numbers them; null: not begun."""
    reset: bool = False
    """The exchange's service was restarted: numbers begin anew with the next message."""
    ladder: Ladder | None = None
    """The book as it was told, where only the best levels are."""
