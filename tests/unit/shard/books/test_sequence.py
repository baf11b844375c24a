from __future__ import annotations

import pytest

from marketfeed_shard.books.sequence import Outcome, follows
from marketfeed_shard.streams.table import UNKNOWN

PASSES, DROPPED, SEQUENCE = Outcome.PASSES, Outcome.DROPPED, Outcome.SEQUENCE


@pytest.mark.parametrize(
    ("last", "seq", "prev", "outcome"),
    [
        (10, 15, 10, PASSES),
        (10, 10, 10, PASSES),  # changes that keep the number
        (15, 3, 15, PASSES),  # set back (docs-v5, order book channel)
        (10, 10, 5, DROPPED),
        (10, 9, 8, DROPPED),
        (10, 12, 11, SEQUENCE),
        (10, 12, 9, SEQUENCE),
        (10, 12, UNKNOWN, SEQUENCE),
        (UNKNOWN, 12, 11, SEQUENCE),
        (10, UNKNOWN, UNKNOWN, SEQUENCE),
        (UNKNOWN, UNKNOWN, UNKNOWN, PASSES),
    ],
)
def test_a_change_follows_drops_or_breaks(last: int, seq: int, prev: int, outcome: Outcome) -> None:
    assert follows(last, False, seq, prev) is outcome


@pytest.mark.parametrize(
    ("seq", "prev", "outcome"),
    [(12, 9, PASSES), (12, 10, PASSES), (10, 9, DROPPED), (12, 11, SEQUENCE), (12, UNKNOWN, SEQUENCE)],
)
def test_after_a_snapshot_from_elsewhere_a_change_may_begin_before_it(seq: int, prev: int, outcome: Outcome) -> None:
    assert follows(10, True, seq, prev) is outcome


def test_the_documented_sequence_of_okx_holds() -> None:
    last = 10
    for prev, seq in ((10, 15), (15, 15), (15, 3), (3, 5)):
        assert follows(last, False, seq, prev) is PASSES
        last = seq
