"""The one rule by which changes of a book follow on each other, whatever the exchange. `_sequence.pxd` is its compiled twin."""

from __future__ import annotations

from enum import IntEnum

from marketfeed_shard.streams.table import UNKNOWN


class Outcome(IntEnum):
    """What becomes of a change."""

    PASSES = 0
    """It follows: it is applied and published."""
    DROPPED = 1
    """It is known already."""
    SEQUENCE = 2
    """Something before it is missing: the book is broken."""
    CHECKSUM = 3
    """It was applied, and now the book is not the exchange's: it is broken."""


def follows(last: int, joining: bool, seq: int, prev: int) -> Outcome:
    """What becomes of a change with these numbers, of a book that is at `last`; each may be UNKNOWN.

    The first question is whether it names `last` itself: an exchange may set its numbers back in that way (docs-v5, order book
    channel). `joining`: the book was set from a snapshot that came another way, so that one change may begin before it.
    """
    if seq == UNKNOWN:
        return Outcome.PASSES if last == UNKNOWN else Outcome.SEQUENCE  # without numbers the checksum decides
    if last == UNKNOWN:
        return Outcome.SEQUENCE
    if prev == last:
        return Outcome.PASSES
    if seq <= last:
        return Outcome.DROPPED
    if joining and UNKNOWN != prev < last:
        return Outcome.PASSES
    return Outcome.SEQUENCE
