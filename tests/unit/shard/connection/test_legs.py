from __future__ import annotations

from itertools import pairwise

from exchange_double import Exchange, topic

from marketfeed.exchanges.exchange import Control, ControlKind
from marketfeed.report import ConnectionState


def two_legs(slots: int, **options: object) -> Exchange:
    """An exchange to which so many streams are subscribed twice, and which delivered each."""
    exchange = Exchange(legs=2, **options)  # type: ignore[arg-type]
    exchange.want(range(slots))
    exchange.run(10.0, deliver=range(slots))
    return exchange


def test_every_stream_is_on_two_connections_and_never_twice_on_one() -> None:
    exchange = two_legs(25, streams_per_connection=10)
    assert len(exchange.open_keys) == 6
    assert exchange.subscribed == sorted([topic(slot) for slot in range(25)] * 2)
    assert [c.leg for c in exchange.manager.connections] == [0, 0, 0, 1, 1, 1]
    assert sum(len(c.subscriptions.slots) for c in exchange.manager.connections) == 50, "both count"


def test_the_first_leg_to_open_leads_and_the_other_joins() -> None:
    exchange = two_legs(3)
    assert exchange.streams.owners == {0: 1, 1: 1, 2: 1}
    assert exchange.streams.joins == {0: 1, 1: 1, 2: 1}


def test_when_the_leading_leg_is_cut_the_other_one_leads_at_once_and_nothing_is_announced() -> None:
    exchange = two_legs(3)
    exchange.lose(1)
    assert exchange.streams.owners == {0: 2, 1: 2, 2: 2}
    assert not exchange.streams.interruptions
    assert exchange.manager.live() == {0, 1, 2}
    exchange.run(5.0, deliver=range(3))
    assert exchange.streams.joins == {0: 2, 1: 2, 2: 2}, "the first one is back, and joins"
    exchange.lose(2)
    assert exchange.streams.owners == {0: 3, 1: 3, 2: 3}
    assert not exchange.streams.interruptions


def test_a_cut_of_the_leg_that_follows_changes_nothing() -> None:
    exchange = two_legs(3)
    exchange.lose(2)
    assert exchange.streams.owners == {0: 1, 1: 1, 2: 1}
    assert not exchange.streams.interruptions


def test_what_the_other_leg_is_not_known_to_deliver_is_announced() -> None:
    exchange = Exchange(legs=2)
    exchange.want(range(2))
    exchange.run(1.0)
    exchange.deliver([0])
    exchange.deliver([1], only=1)
    exchange.lose(1)
    assert exchange.streams.interruptions == {1: 1}
    assert exchange.streams.owners == {0: 2, 1: 2}


def test_a_quiet_stream_that_is_acknowledged_on_both_legs_is_not_announced() -> None:
    exchange = Exchange(legs=2)
    exchange.want(range(2))
    exchange.run(12.0, deliver=[0])
    exchange.lose(1)
    assert not exchange.streams.interruptions


def test_both_legs_cut_is_an_interruption_and_the_first_one_back_leads() -> None:
    exchange = two_legs(2)
    exchange.lose(1)
    exchange.lose(2)
    assert set(exchange.streams.interruptions) == {0, 1}
    exchange.run(5.0, deliver=range(2))
    assert exchange.streams.owners == {0: 3, 1: 3}
    assert exchange.manager.live() == {0, 1}


def test_a_leg_is_replaced_on_notice_within_itself() -> None:
    exchange = two_legs(3)
    exchange.manager.control(1, Control(ControlKind.CLOSING), exchange.now_s)
    assert exchange.manager.connections[0].state is ConnectionState.DRAINING
    exchange.run(15.0, deliver=range(3))
    assert exchange.sockets[1].closed
    assert sorted(c.leg for c in exchange.manager.connections) == [0, 1]
    assert exchange.streams.owners == {0: 3, 1: 3, 2: 3}
    assert not exchange.streams.interruptions


def test_both_legs_replaced_at_once_interrupt_nothing() -> None:
    exchange = two_legs(3)
    for key in (1, 2):
        exchange.manager.control(key, Control(ControlKind.CLOSING), exchange.now_s)
    exchange.run(15.0, deliver=range(3))
    assert exchange.open_keys == [3, 4]
    assert not exchange.streams.interruptions


def test_a_stream_that_one_leg_acknowledged_and_never_delivers_is_asked_for_again_there() -> None:
    exchange = Exchange(legs=2)
    exchange.want(range(2))
    exchange.run(1.0)
    exchange.sockets[2].topics.discard(topic(1))  # acknowledged and swallowed
    exchange.run(45.0, deliver=range(2))
    assert topic(1) in exchange.sockets[2].topics
    assert not exchange.streams.interruptions, "the other leg has it"


def test_a_leader_that_falls_behind_while_another_leg_joins_leads_no_more() -> None:
    exchange = two_legs(2)
    exchange.lose(2)
    exchange.run(2.0, deliver=range(2))
    exchange.streams.waiting.add(0)  # the new leg brought something that the leader does not
    exchange.run(2.0, deliver=[1])
    assert exchange.streams.owners == {0: 3, 1: 1}
    assert exchange.streams.waiting == set()


def test_a_hundred_cuts_of_single_connections_announce_nothing() -> None:
    exchange = two_legs(20, streams_per_connection=7)
    for cut in range(100):
        keys = exchange.open_keys
        exchange.lose(keys[cut * 7 % len(keys)])
        exchange.run(30.0, deliver=range(20))
    assert not exchange.streams.interruptions
    assert exchange.manager.live() == set(range(20))


def test_a_stream_that_is_silent_on_both_legs_is_asked_for_again_on_both_and_announced() -> None:
    exchange = two_legs(2)
    exchange.run(100.0, deliver=range(2))
    exchange.run(80.0, deliver=[0])
    requests = [[request["op"] for request in socket.requests] for socket in exchange.sockets.values()]
    assert requests == [["subscribe", "unsubscribe", "subscribe"]] * 2
    assert exchange.streams.interruptions == {1: 1}, "while one leg asks again, the other one has not got it yet"


def stalled(on: int, seconds: float, **options: object) -> Exchange:
    """Of two streams on two legs the second one comes no more on one socket."""
    exchange = two_legs(2, **options)
    exchange.run(60.0, deliver=range(2))
    exchange.sockets[on].topics.discard(topic(1))
    exchange.run(seconds, deliver=range(2))
    return exchange


def operations(exchange: Exchange, key: int) -> list[tuple[str, list[str]]]:
    return [(request["op"], request["args"]) for request in exchange.sockets[key].requests]


def test_a_stream_that_comes_no_more_on_the_leg_that_follows_is_asked_for_again_there_alone() -> None:
    exchange = stalled(on=2, seconds=60.0)
    assert len(exchange.sockets[2].requests) == 1, "a minute is no finding"
    exchange.run(15.0, deliver=range(2))
    assert operations(exchange, 2)[1:] == [("unsubscribe", [topic(1)]), ("subscribe", [topic(1)])]
    assert len(exchange.sockets[1].requests) == 1
    assert exchange.manager.lags == 1
    assert not exchange.streams.interruptions
    exchange.run(20.0, deliver=range(2))
    exchange.lose(1)
    assert not exchange.streams.interruptions, "it is proven there again"


def test_what_a_leg_is_found_to_bring_no_more_is_announced_when_the_other_one_is_cut() -> None:
    exchange = two_legs(2)
    exchange.run(60.0, deliver=range(2))
    exchange.sockets[2].swallowed.add(topic(1))
    exchange.run(80.0, deliver=range(2))
    exchange.lose(1)
    assert exchange.streams.interruptions == {1: 1}


def test_all_that_a_leg_brings_no_more_is_one_request_and_ever_later_ones() -> None:
    exchange = two_legs(30)
    exchange.run(60.0, deliver=range(30))
    exchange.sockets[2].swallowed.update(topic(slot) for slot in range(20))
    exchange.run(1000.0, deliver=range(30))
    socket = exchange.sockets[2]
    renewals_s = [at_s for at_s, r in zip(socket.requests_s, socket.requests, strict=True) if r["op"] == "unsubscribe"]
    waits_s = [after_s - before_s for before_s, after_s in pairwise(renewals_s)]
    assert waits_s == sorted(waits_s)
    assert 3 <= len(waits_s) <= 5
    assert all(len(r["args"]) == 20 for r in socket.requests[1:])
    assert exchange.manager.stale() == []


def test_where_the_leader_brings_a_stream_no_more_the_other_leg_leads_it() -> None:
    exchange = stalled(on=1, seconds=75.0)
    assert exchange.streams.owners == {0: 1, 1: 2}
    assert not exchange.streams.interruptions, "it went out all the time"
    assert exchange.streams.joins[1] == 2, "the first leg is asked again, and joins"


def test_what_went_out_from_the_leader_alone_and_came_no_more_is_announced() -> None:
    exchange = two_legs(2)
    exchange.streams.unnumbered.add(1)
    exchange.run(60.0, deliver=range(2))
    exchange.sockets[1].topics.discard(topic(1))
    exchange.run(75.0, deliver=range(2))
    assert exchange.streams.owners == {0: 1, 1: 2}
    assert exchange.streams.interruptions == {1: 1}


def test_a_stream_that_the_leader_never_brought_is_led_by_the_leg_that_brings_it() -> None:
    exchange = Exchange(legs=2)
    exchange.want(range(2))
    exchange.run(1.0)
    exchange.sockets[1].topics.discard(topic(1))
    exchange.run(200.0, deliver=range(2))
    assert exchange.streams.owners == {0: 1, 1: 2}
    assert topic(1) in exchange.sockets[1].topics


def test_a_stream_that_stays_silent_on_its_leg_goes_to_another_connection_of_it() -> None:
    exchange = two_legs(5, streams_per_connection=3)
    exchange.run(60.0, deliver=range(5))
    first, second = (c for c in exchange.manager.connections if c.leg == 1)
    exchange.sockets[first.key].swallowed.add(topic(0))
    exchange.run(300.0, deliver=range(5))
    assert 0 in second.subscriptions.slots
    assert 0 not in first.subscriptions.slots
    assert not exchange.streams.interruptions


def test_a_quiet_stream_that_both_legs_bring_now_and_then_is_no_finding() -> None:
    exchange = two_legs(2)
    exchange.run(3600.0, deliver=range(2), every_s=97.0)
    assert all(len(socket.requests) == 1 for socket in exchange.sockets.values())
    for _ in range(20):  # the other leg is a look behind
        exchange.deliver([1], only=1)
        exchange.run(5.0)
        exchange.deliver([1], only=2)
        exchange.run(200.0, deliver=[0])
    assert exchange.manager.lags == 0


def test_a_new_connection_that_brought_a_stream_once_does_not_take_it_over_while_it_brings_it_no_more() -> None:
    exchange = Exchange(streams_per_connection=10)
    exchange.want(range(3))
    exchange.run(60.0, deliver=range(3))
    exchange.manager.control(1, Control(ControlKind.CLOSING), exchange.now_s)
    exchange.run(1.0, deliver=[0])
    exchange.deliver(range(2), only=2)
    exchange.sockets[2].swallowed.update({topic(1), topic(2)})  # the third never came: the takeover lasts
    exchange.run(80.0, deliver=range(3))
    assert (exchange.manager.lags, exchange.sockets[1].closed) == (1, False)
    exchange.sockets[2].swallowed.discard(topic(2))
    exchange.run(20.0, deliver=range(3))
    assert not exchange.sockets[1].closed
    exchange.sockets[2].swallowed.clear()
    exchange.run(60.0, deliver=range(3))
    assert exchange.sockets[1].closed
    assert not exchange.streams.interruptions
