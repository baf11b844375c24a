from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from marketfeed_shard.publishers.outbox import Outbox
from marketfeed_shard.publishers.publisher import Loss
from marketfeed_shard.streams.batch import GAP, Batch
from marketfeed_shard.streams.table import UNKNOWN

Make = Callable[..., Batch]


def outbox(buffer_bytes: int = 1000, window_bytes: int = 1000, max_age_s: float = 1.0) -> Outbox:
    return Outbox(buffer_bytes, window_bytes, max_age_s)


def test_a_batch_is_done_when_its_last_event_is_answered(make: Make, done: list[Batch]) -> None:
    box, first, second = outbox(), make((0, 1), (0, 2)), make((0, 3))
    box.put(first, 0.0)
    box.put(second, 0.0)
    assert [box.take(0.0), box.take(0.0), box.take(0.0)] == [first, second, None]
    box.answered(1, 0.0)
    assert done == []
    box.answered(2, 0.0)
    assert done == [first, second]
    assert (box.published, box.dropped, box.queued_bytes) == (3, 0, 0)


def test_what_waited_too_long_is_lost_and_not_done(make: Make, done: list[Batch]) -> None:
    box = outbox(max_age_s=1.0)
    box.put(make((0, 1)), 0.0)
    late = make((0, 2))
    box.put(late, 0.5)
    assert box.take(1.25) is late
    assert (box.dropped, done) == (1, [])
    assert box.losses.take() == [Loss(0, 1, 1, 1, 1)]


def test_the_age_of_what_was_sent_does_not_count(make: Make) -> None:
    box = outbox(max_age_s=1.0)
    box.put(make((0, 1)), 0.0)
    box.take(0.0)
    box.trim(5.0)
    assert (box.dropped, box.lag_s(5.0)) == (0, 5.0)
    box.answered(1, 5.0)
    assert (box.published, box.lag_s(5.0)) == (1, 0.0)


def test_the_oldest_give_way_when_the_buffer_is_full(make: Make) -> None:
    box = outbox(buffer_bytes=30)
    for position in range(5):
        box.put(make((0, position)), 0.0)
        box.trim(0.0)
        assert box.queued_bytes <= 30
    assert box.dropped == 2
    assert box.losses.take() == [Loss(0, 2, 0, 1, 1)]


def test_the_window_bounds_what_is_sent_but_lets_one_batch_through(make: Make) -> None:
    box = outbox(window_bytes=15)
    for position in range(2):
        box.put(make((0, position), (1, position)), 0.0)
    assert box.take(0.0) is not None
    assert box.take(0.0) is None
    box.answered(2, 0.0)
    assert box.take(0.0) is not None


def test_what_was_sent_is_lost_with_the_connection_from_the_first_unanswered_on(make: Make, done: list[Batch]) -> None:
    box = outbox()
    box.put(make((0, 1), received_ns=5), 0.0)
    box.put(make((0, 2), (1, 7), (0, 3), received_ns=6), 0.0)
    box.put(make((0, 4), received_ns=7), 0.0)
    box.take(0.0)
    box.take(0.0)
    box.answered(2, 0.0)
    box.broken()
    assert (box.published, box.dropped) == (2, 2)
    assert box.losses.take() == [Loss(1, 1, 7, 7, 5), Loss(0, 1, 3, 3, 5)]
    assert box.take(0.0) is not None
    assert len(done) == 1


def test_a_refused_event_is_told_when_its_stream_is_taken_again(make: Make, done: list[Batch]) -> None:
    box = outbox()
    box.put(make((0, 1), (1, 1), (0, 2)), 0.0)
    box.put(make((0, 3)), 0.0)
    box.put(make((1, 2)), 0.0)
    while box.take(0.0) is not None:
        pass
    box.answered(1, 0.0)
    box.refused(0.0)
    box.answered(2, 0.0)
    assert not box.losses
    box.answered(1, 0.0)
    assert box.losses.take() == [Loss(1, 1, 1, 1, 1)]
    assert not box.losses
    assert (box.published, box.dropped, len(done)) == (4, 1, 2)


def test_a_lost_gap_counts_from_where_it_began(make: Make) -> None:
    box = outbox()
    gaps = [b'{"type":"gap","from_seq":4,"to_seq":9}', b'{"type":"gap","from_seq":null,"to_seq":9}']
    box.put(make((0, 9, GAP), (1, 9, GAP), events=gaps), 0.0)
    box.put(make((0, 10), (1, 10)), 0.0)
    box.abandon()
    assert box.losses.take() == [Loss(0, 2, 4, 10, 1), Loss(1, 2, UNKNOWN, 10, 1)]


def test_more_answers_than_commands_are_refused(make: Make) -> None:
    box = outbox()
    box.put(make((0, 1)), 0.0)
    box.take(0.0)
    with pytest.raises(ValueError, match="more answers"):
        box.answered(2, 0.0)
    with pytest.raises(ValueError, match="more answers"):
        box.refused(0.0)


@pytest.mark.parametrize("seed", range(30))
def test_every_event_is_published_or_dropped_and_every_dropped_one_told(seed: int, make: Make) -> None:
    dice = random.Random(seed)
    box = outbox(buffer_bytes=400, window_bytes=dice.choice([20, 150, 1000]), max_age_s=0.3)
    put, told, owed, now_s = 0, 0, 0, 0.0
    positions = [0, 0, 0]
    for _ in range(2000):
        now_s += dice.random() * 0.05
        match dice.randrange(6):
            case 0 | 1:
                rows = []
                for slot in dice.choices(range(3), k=dice.randint(1, 8)):
                    positions[slot] += 1
                    rows.append((slot, positions[slot]))
                box.put(make(*rows), now_s)
                put += len(rows)
                box.trim(now_s)
                assert box.queued_bytes <= 400 or not box.waiting
            case 2 | 3:
                while (batch := box.take(now_s)) is not None:
                    owed += len(batch)
            case 4:
                count = dice.randint(0, owed)
                box.answered(count, now_s)
                owed -= count
                if owed and dice.random() < 0.2:
                    box.refused(now_s)
                    owed -= 1
            case 5 if dice.random() < 0.1:
                box.broken()
                owed = 0
        told += sum(loss.count for loss in box.losses.take())
    box.abandon()
    assert box.published + box.dropped == put
    assert box.queued_bytes == 0
    left = list(box.losses._by_slot.values())
    assert told + sum(loss.count for loss in left) == box.dropped
