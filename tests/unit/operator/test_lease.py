from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fake_cluster import FakeCluster

from marketfeed.clock import ManualClock
from marketfeed_operator.errors import ClusterError, UnreachableError
from marketfeed_operator.kinds import LEASE
from marketfeed_operator.lease import Election, LostError, TakenError


class Time:
    """A clock that moves when somebody sleeps, and what happens meanwhile."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.then: Callable[[float], None] = lambda now_s: None
        self.slept_s = 0.0

    async def sleep(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.slept_s += seconds
        assert self.slept_s < 1000, "it never ends"
        self.then(self.clock.monotonic())


def candidate(api: FakeCluster, time: Time, name: str) -> Election:
    return Election(api, "ns", "lease", name, time.clock, lambda: 0.5, time.sleep)


def spec(api: FakeCluster) -> dict[str, object]:
    return dict(api.objects[LEASE.name, "ns", "lease"]["spec"])


async def test_the_first_one_has_it_at_once_with_times_in_utc() -> None:
    api, time = FakeCluster(), Time()
    one = candidate(api, time, "one")
    await one.acquire()
    assert one.holds
    assert spec(api) == {
        "holderIdentity": "one",
        "leaseDurationSeconds": 10,
        "acquireTime": "2026-01-01T00:00:00.000000Z",
        "renewTime": "2026-01-01T00:00:00.000000Z",
        "leaseTransitions": 0,
    }


async def test_another_one_waits_until_it_is_no_longer_renewed() -> None:
    api, time = FakeCluster(), Time()
    one, two = candidate(api, time, "one"), candidate(api, time, "two")
    await one.acquire()
    await two.acquire()  # nobody renews it
    assert 10 <= time.slept_s <= 15
    assert spec(api)["holderIdentity"] == "two"
    assert spec(api)["leaseTransitions"] == 1
    assert not one.holds
    with pytest.raises(TakenError, match="two has taken"):
        await one.hold()


async def test_a_holder_that_renews_keeps_it() -> None:
    api, time = FakeCluster(), Time()
    one, two = candidate(api, time, "one"), candidate(api, time, "two")
    await one.acquire()
    for _ in range(20):
        await time.sleep(2.5)
        assert await one._attempt()
        assert not await two._attempt()
    assert spec(api)["acquireTime"] == "2026-01-01T00:00:00.000000Z"
    assert spec(api)["renewTime"] == "2026-01-01T00:00:50.000000Z"


async def test_clocks_of_others_are_not_trusted() -> None:
    """A renewal far in the past, by its holder's clock, is as good as any while it changes."""
    api, time = FakeCluster(), Time()
    slow = Time()
    one, two = candidate(api, slow, "one"), candidate(api, time, "two")
    time.clock.advance(10_000)
    await one.acquire()
    assert not await two._attempt()


async def test_who_cannot_renew_it_stops_before_others_begin() -> None:
    api, time = FakeCluster(), Time()
    one, two = candidate(api, time, "one"), candidate(api, time, "two")
    await one.acquire()
    assert not await two._attempt()

    def away(verb: str, kind: str) -> ClusterError | None:
        return UnreachableError("PUT", "connection refused")

    api.fails = away
    with pytest.raises(LostError, match="could not be renewed in time: PUT: connection refused"):
        await one.hold()
    assert time.slept_s < 10
    assert not one.holds
    api.fails = lambda verb, kind: None
    assert not await two._attempt(), "its duration is not over"


async def test_a_lease_that_was_given_back_is_not_waited_for() -> None:
    api, time = FakeCluster(), Time()
    one, two = candidate(api, time, "one"), candidate(api, time, "two")
    await one.acquire()
    await one.release()
    assert spec(api)["holderIdentity"] == ""
    await two.acquire()
    assert time.slept_s == 0
    await one.release()
    assert spec(api)["holderIdentity"] == "two", "what is not ours is not given back"


async def test_a_change_by_somebody_else_is_no_loss() -> None:
    api, time = FakeCluster(), Time()
    one = candidate(api, time, "one")
    await one.acquire()
    rounds = iter(range(3))

    def touched(now_s: float) -> None:
        if next(rounds, None) is None:
            api.fails = lambda verb, kind: UnreachableError("PUT", "ends the test")
        else:
            lease = api.objects[LEASE.name, "ns", "lease"]
            api.put({**lease, "metadata": {**lease["metadata"], "annotations": {"note": str(now_s)}}})

    time.then = touched
    with pytest.raises(LostError, match="ends the test"):
        await one.hold()
    assert spec(api)["leaseTransitions"] == 0


async def test_of_two_at_the_same_moment_one_has_it() -> None:
    api, time = FakeCluster(), Time()
    one, two, late = candidate(api, time, "one"), candidate(api, time, "two"), candidate(api, time, "late")
    await one.acquire()
    await one.release()
    seen, get = [await api.get(LEASE, "ns", "lease")], api.get
    assert await two._attempt()

    async def at_first_as_before(*which: Any) -> dict[str, Any]:
        return seen.pop() if seen else await get(*which)

    api.get = at_first_as_before  # type: ignore[method-assign]
    assert not await late._attempt()
    assert not late.holds
    assert spec(api)["holderIdentity"] == "two"
