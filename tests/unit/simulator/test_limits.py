from __future__ import annotations

from dataclasses import replace

from marketfeed.exchanges.exchange import Window
from marketfeed_simulator.binance import LIMITS
from marketfeed_simulator.keepalive import Due, Keepalive
from marketfeed_simulator.limits import AddressLimits, RollingWindow


def test_window_is_strict_and_rolls() -> None:
    window = RollingWindow(Window(5, 1.0))
    assert [window.add(at) for at in (0.0, 0.5, 0.6, 0.7, 0.8)] == [True] * 5
    assert not window.add(0.99)
    assert not window.add(1.2)  # the one at 0.0 has left, six others are within the second
    assert RollingWindow(Window(5, 1.0)).add(0.0, weight=5)
    assert not RollingWindow(Window(5, 1.0)).add(0.0, weight=6)


def test_window_forgets_what_is_exactly_its_length_ago() -> None:
    window = RollingWindow(Window(1, 1.0))
    assert window.add(0.0)
    assert window.add(1.0)


def test_address_is_refused_with_429_then_banned_with_418_for_a_while() -> None:
    limits = replace(LIMITS, connects=(Window(3, 300.0),), warnings=2, ban_s=60.0)
    address = AddressLimits(limits)
    assert [address.connect(0.0) for _ in range(3)] == [None] * 3
    refusals = [address.connect(1.0) for _ in range(4)]
    assert [(r.status, r.rule) for r in refusals if r] == [
        (429, "connects"),
        (429, "connects"),
        (418, "connects"),
        (418, "banned"),
    ]
    assert refusals[2] is not None
    assert refusals[2].retry_after_s == 60.0
    rest = address.call(1, 30.0)
    assert rest is not None
    assert (rest.status, rest.retry_after_s) == (418, 31.0)
    assert address.connect(400.0) is None


def test_rest_calls_are_weighed() -> None:
    address = AddressLimits(LIMITS)
    assert all(address.call(250, 0.0) is None for _ in range(24))
    refused = address.call(1, 0.0)
    assert refused is not None
    assert (refused.status, refused.rule) == (429, "rest_weight")
    assert address.connect(0.0) is None


def test_pings_come_at_their_interval_and_a_pong_that_answers_none_proves_nothing() -> None:
    keepalive = Keepalive(20.0, 60.0, 0.0)
    assert keepalive.due(19.9) is Due.NOTHING
    for at in (20.0, 40.0, 60.0):
        assert keepalive.due(at) is Due.PING
        keepalive.pinged(b"%d" % at, at)
    keepalive.ponged(b"unsolicited")
    assert keepalive.due(79.9) is Due.NOTHING
    assert keepalive.due(80.0) is Due.CUT


def test_pong_answers_its_ping_and_those_before() -> None:
    keepalive = Keepalive(20.0, 60.0, 0.0)
    for at in (20.0, 40.0, 60.0):
        keepalive.due(at)
        keepalive.pinged(b"%d" % at, at)
    keepalive.ponged(b"40")
    assert keepalive.due(119.9) is Due.PING
    assert keepalive.due(120.0) is Due.CUT
