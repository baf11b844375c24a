from __future__ import annotations

import asyncio

from waiting import until

from marketfeed.clock import ManualClock, SystemClock
from marketfeed_operator.errors import UnavailableError
from marketfeed_operator.metrics import Metrics
from marketfeed_operator.workqueue import Key, Lane, Workers, WorkQueue

A, B = Key("ns", "a"), Key("ns", "b")


def made() -> tuple[WorkQueue, ManualClock]:
    clock = ManualClock()
    return WorkQueue(clock, lambda: 1.0), clock


def test_a_feed_waits_once_and_the_one_that_waits_longest_comes_first() -> None:
    queue, clock = made()
    queue.add(Lane.RECONCILE, B)
    clock.advance(1)
    queue.add(Lane.RECONCILE, A)
    queue.add(Lane.RECONCILE, B)
    assert queue.depth(Lane.RECONCILE) == 2
    assert [queue.take(Lane.RECONCILE) for _ in range(3)] == [B, A, None]


def test_a_feed_is_worked_on_once_at_a_time_whatever_the_lane() -> None:
    queue, _ = made()
    queue.add(Lane.RECONCILE, A)
    queue.add(Lane.STATUS, A)
    assert queue.take(Lane.RECONCILE) == A
    queue.add(Lane.RECONCILE, A)
    assert queue.take(Lane.STATUS) is None
    assert queue.take(Lane.RECONCILE) is None
    queue.done(Lane.RECONCILE, A)
    assert queue.take(Lane.STATUS) == A
    queue.done(Lane.STATUS, A)
    assert queue.take(Lane.RECONCILE) == A, "what came meanwhile is not lost"


def test_what_failed_comes_again_ever_later_and_news_come_at_once() -> None:
    queue, clock = made()
    queue.add(Lane.RECONCILE, A)
    waits = []
    for _ in range(4):
        clock.advance(queue.wait_s(Lane.RECONCILE) or 0)
        assert queue.take(Lane.RECONCILE) == A
        waits.append(queue.failed(Lane.RECONCILE, A))
    assert waits == [0.5, 1.0, 2.0, 4.0]
    assert queue.take(Lane.RECONCILE) is None
    queue.add(Lane.RECONCILE, A)
    assert queue.take(Lane.RECONCILE) == A
    queue.done(Lane.RECONCILE, A)
    queue.add(Lane.RECONCILE, A)
    assert queue.take(Lane.RECONCILE) == A
    assert queue.failed(Lane.RECONCILE, A) == 0.5, "a success begins anew"


def test_what_is_not_finished_comes_again_when_it_asked_to() -> None:
    queue, clock = made()
    queue.add(Lane.RECONCILE, A)
    assert queue.take(Lane.RECONCILE) == A
    queue.done(Lane.RECONCILE, A, again_s=3.0)
    assert queue.wait_s(Lane.RECONCILE) == 3.0
    assert queue.take(Lane.RECONCILE) is None
    clock.advance(3)
    assert queue.take(Lane.RECONCILE) == A


async def test_workers_go_on_after_errors_of_all_kinds(caplog: object) -> None:
    queue, metrics = WorkQueue(SystemClock(), lambda: 0.0), Metrics()
    seen: list[Key] = []

    async def work(key: Key) -> float | None:
        seen.append(key)
        if len(seen) == 1:
            raise UnavailableError("GET /", "busy")
        if len(seen) == 2:
            raise ZeroDivisionError
        return None

    workers = asyncio.ensure_future(Workers(queue, {Lane.RECONCILE: work}, SystemClock(), metrics).run())
    queue.add(Lane.RECONCILE, A)
    await until(lambda: len(seen) == 3, "it is tried again after either error")
    queue.add(Lane.RECONCILE, B)
    await until(lambda: seen[-1] == B, "another feed")
    workers.cancel()
    await asyncio.gather(workers, return_exceptions=True)
    errors = "marketfeed_operator_errors_total"
    assert metrics.registry.get_sample_value(errors, {"lane": "reconcile", "reason": "Unavailable"}) == 1
    assert metrics.registry.get_sample_value(errors, {"lane": "reconcile", "reason": "Fault"}) == 1
