from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketfeed.load import Load, Room
from marketfeed.packing import Bin, Capacity, Item, fits_alone, pack, spread


def item(number: int, size: int, rate: float = 1.0) -> Item:
    return Item(f"S{number}-USDT", (("ws", Load(size)),), rate)


def capacity_of(connections: int, topics: int, messages_per_second: float | None = None, legs: int = 1) -> Capacity:
    return Capacity(connections, Room(topics), messages_per_second, legs)


def items_of(sizes: list[int]) -> list[Item]:
    return [item(i, size, float(size)) for i, size in enumerate(sizes)]


def fewest(sizes: list[int], capacity: int) -> int:
    """By trying all: for a handful of sizes."""
    best = len(sizes)

    def search(left: list[int], rooms: list[int]) -> None:
        nonlocal best
        if len(rooms) >= best:
            return
        if not left:
            best = len(rooms)
            return
        for i, room in enumerate(rooms):
            if room >= left[0] and room not in rooms[:i]:
                search(left[1:], [*rooms[:i], room - left[0], *rooms[i + 1 :]])
        search(left[1:], [*rooms, capacity - left[0]])

    search(sorted(sizes, reverse=True), [])
    return best


@given(st.lists(st.integers(1, 12), min_size=1, max_size=11), st.integers(12, 30))
def test_a_few_symbols_take_at_most_one_shard_more_than_they_must(sizes: list[int], capacity: int) -> None:
    assert len(pack(items_of(sizes), capacity_of(1, capacity))) <= fewest(sizes, capacity) + 1


@pytest.mark.parametrize("seed", range(40))
def test_many_symbols_that_fill_shards_to_the_brim_take_at_most_one_more(seed: int) -> None:
    rng = random.Random(seed)
    capacity, largest, shards = rng.choice([5, 10, 12, 40]), rng.randint(2, 5), rng.randint(5, 60)
    sizes = []
    for _ in range(shards):
        left = capacity
        while left:
            sizes.append(rng.randint(1, min(largest, left)))
            left -= sizes[-1]
    rng.shuffle(sizes)
    assert len(pack(items_of(sizes), capacity_of(1, capacity))) <= shards + 1


def test_symbols_that_fit_only_in_the_right_mix_are_mixed() -> None:
    sizes = [4] * 30 + [3] * 60  # 4 + 3 + 3 fills a shard; 4 + 4 and 3 + 3 + 3 do not
    assert len(pack(items_of(sizes), capacity_of(1, 10))) == 30


@given(st.lists(st.tuples(st.integers(1, 5), st.sampled_from([1.0, 5.0, 18.0])), max_size=60), st.integers(1, 4))
def test_no_bin_holds_more_than_its_capacity_and_every_item_is_in_one(kinds: list[tuple[int, float]], legs: int) -> None:
    capacity = capacity_of(4, 6, 40.0, legs)
    items = [item(i, size, rate) for i, (size, rate) in enumerate(kinds)]
    bins = pack(items, capacity)
    assert sorted(i.symbol for b in bins for i in b.items) == sorted(i.symbol for i in items)
    for b in bins:
        assert b.items
        assert legs * -(-sum(i.size for i in b.items) // 6) <= 4
        assert sum(i.rate for i in b.items) <= 40.0


def test_topics_of_different_addresses_share_no_connection() -> None:
    two = Item("A-USDT", (("public", Load(1)), ("market", Load(1))), 1.0)
    assert not fits_alone(two, capacity_of(1, 10))
    assert fits_alone(two, capacity_of(2, 10))


def test_a_topic_that_serves_many_is_needed_once_and_goes_with_the_last_of_them() -> None:
    everyone = ("ws", "liquidations", Load(1))
    one, other = (Item(f"{c}-USDT", (("ws", Load(1)),), 1.0, (everyone,)) for c in "AB")
    shard = Bin(capacity_of(1, 3))
    assert shard.fits(one)
    shard.add(one)
    assert shard.fits(other)
    shard.add(other)
    assert shard.loads == {"ws": Load(3)}
    shard.remove(one)
    assert shard.loads == {"ws": Load(2)}
    shard.remove(other)
    assert shard.loads == {"ws": Load()}
    assert len(pack([one, other], capacity_of(1, 3))) == 1
    assert len(pack([one, other], capacity_of(1, 2))) == 2


def test_the_scarcest_limit_of_a_connection_decides() -> None:
    books = [Item(f"S{i}-USDT", (("ws", Load(2, 0, 1)),), 1.0) for i in range(8)]
    assert len(pack(books, Capacity(1, Room(240, None, 2)))) == 4
    assert len(pack(books, Capacity(2, Room(240, None, 2)))) == 2
    long = [Item(f"S{i}-USDT", (("ws", Load(1, 30)),), 1.0) for i in range(10)]
    assert len(pack(long, Capacity(1, Room(1000, 100)))) == 4


LOADS = st.tuples(st.integers(1, 4), st.integers(0, 40), st.integers(0, 1)).map(lambda parts: Load(*parts))


@st.composite
def alike(draw: st.DrawFn) -> tuple[list[Item], Capacity]:
    """Symbols of one kind, on one or two addresses, perhaps with a topic that all of them share."""
    places = draw(st.sampled_from([("public",), ("public", "market")]))
    loads = tuple((place, draw(LOADS)) for place in places)
    shared = (("public", "everyone", draw(LOADS)),) if draw(st.booleans()) else ()
    room = Room(draw(st.integers(8, 30)), draw(st.sampled_from([None, 150, 400])), draw(st.sampled_from([None, 2, 5])))
    capacity = Capacity(draw(st.integers(2, 6)), room, None, draw(st.sampled_from([1, 2])))
    return [Item(f"S{i}-USDT", loads, 1.0, shared) for i in range(draw(st.integers(1, 120)))], capacity


@given(alike())
def test_symbols_of_one_kind_take_as_few_shards_as_can_be(drawn: tuple[list[Item], Capacity]) -> None:
    items, capacity = drawn
    if not fits_alone(items[0], capacity):
        return
    most, full = 0, Bin(capacity)
    while full.fits(items[0]):
        full.add(items[0])
        most += 1
        if most == len(items):
            break
    bins = pack(items, capacity)
    assert len(bins) == -(-len(items) // most)
    assert all(b.connections() <= capacity.connections for b in bins)


def test_shards_are_filled_evenly_by_rate() -> None:
    items = [item(i, 1, rate) for i, rate in enumerate([100.0, 1.0, 1.0, 1.0, 99.0, 1.0, 1.0, 1.0])]
    first, second = pack(items, capacity_of(1, 5))
    assert abs(first.rate - second.rate) <= 1.0


def test_an_item_is_put_where_least_is_expected_and_told_when_it_fits_nowhere() -> None:
    capacity = capacity_of(1, 3)
    busy, calm = Bin(capacity), Bin(capacity)
    busy.add(item(0, 1, 10.0))
    calm.add(item(1, 2, 1.0))
    assert spread([item(2, 1, 3.0)], [busy, calm]) == []
    assert [i.symbol for i in calm.items] == ["S1-USDT", "S2-USDT"]
    assert spread([large := item(3, 3)], [busy, calm]) == [large]
