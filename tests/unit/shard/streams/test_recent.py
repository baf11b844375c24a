from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketfeed_shard import compiled
from marketfeed_shard.streams.recent import MOST_IDS, REMEMBERED_NS, PlainRecent, Recent

TWIN = compiled.module("streams._recent")
MAKERS = [PlainRecent] if TWIN is None else [PlainRecent, TWIN.Recent]


@pytest.fixture(params=MAKERS)
def recent(request: pytest.FixtureRequest) -> Recent:
    make: Callable[[], Recent] = request.param
    return make()


def test_an_id_is_known_for_its_time_and_then_new_again(recent: Recent) -> None:
    assert recent.add(b"a", 1)
    assert not recent.add(b"a", REMEMBERED_NS)
    assert not recent.add(b"a", REMEMBERED_NS + 2)
    assert recent.add(b"b", 2 * REMEMBERED_NS + 4)
    assert recent.add(b"a", 3 * REMEMBERED_NS + 6)


def test_whether_an_id_is_known_can_be_asked_without_making_it_so(recent: Recent) -> None:
    assert b"a" not in recent
    assert recent.add(b"a", 1)
    assert b"a" in recent


def test_the_number_of_ids_is_bounded(recent: Recent) -> None:
    for number in range(2 * MOST_IDS + 1):
        assert recent.add(b"%d" % number, 1)
    assert not recent.add(b"%d" % (2 * MOST_IDS), 1)
    assert not recent.add(b"%d" % MOST_IDS, 1)
    assert recent.add(b"0", 1)


@pytest.mark.skipif(TWIN is None, reason="the compiled twin is not built")
@given(st.lists(st.tuples(st.binary(max_size=3), st.integers(0, REMEMBERED_NS))))
def test_the_twins_agree(steps: list[tuple[bytes, int]]) -> None:
    assert TWIN is not None
    compiled_one, plain_one, now_ns = TWIN.Recent(), PlainRecent(), 0
    for identifier, later_ns in steps:
        now_ns += later_ns
        assert (identifier in compiled_one) == (identifier in plain_one)
        assert compiled_one.add(identifier, now_ns) == plain_one.add(identifier, now_ns)
