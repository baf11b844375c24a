from __future__ import annotations

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
