from __future__ import annotations

from exchange_double import Exchange, topic

from marketfeed.exchanges.exchange import Control, ControlKind
from marketfeed.report import ConnectionState
from marketfeed_shard.connection.compacting import CALM_S


def half_empty(**options: object) -> Exchange:
    """Three connections of ten; one would do for what is left."""
    exchange = Exchange(10, **options)  # type: ignore[arg-type]
    exchange.want(range(25))
    exchange.run(10.0, deliver=range(25))
    exchange.drop([*range(5), *range(10, 18)])
    return exchange


LEFT = [5, 6, 7, 8, 9, 18, 19, 20, 21, 22, 23, 24]


def test_a_connection_that_is_not_needed_is_emptied_when_all_is_calm_and_nothing_is_interrupted() -> None:
    exchange = half_empty()
    exchange.run(CALM_S - 20.0, deliver=LEFT, every_s=2.0)
    assert len(exchange.open_keys) == 3, "not because of the change"
    exchange.run(60.0, deliver=LEFT, every_s=2.0)
    assert len(exchange.open_keys) == 2
    assert exchange.subscribed == sorted(topic(slot) for slot in LEFT)
    assert not exchange.streams.interruptions
    exchange.run(3 * CALM_S, deliver=LEFT, every_s=5.0)
    assert len(exchange.open_keys) == 2, "twelve do not fit on one"


def test_only_one_goes_at_a_time() -> None:
    exchange = half_empty()
    exchange.drop(LEFT[6:])
    exchange.want([50])
    exchange.run(CALM_S + 30.0, deliver=[*LEFT[:6], 50], every_s=2.0)
    assert len(exchange.open_keys) == 1 + (len(exchange.sockets) > 2)
    exchange.run(2 * CALM_S, deliver=[*LEFT[:6], 50], every_s=5.0)
    assert len(exchange.open_keys) == 1


def test_each_stream_is_proven_on_its_new_connection_before_the_old_one_goes() -> None:
    exchange = half_empty()
    exchange.run(CALM_S - 20.0, deliver=LEFT, every_s=2.0)
    homes = {slot: key for key in exchange.open_keys for slot in LEFT if topic(slot) in exchange.sockets[key].topics}
    for _ in range(60):
        for slot, key in homes.items():
            exchange.deliver([slot], only=key)
        exchange.run(1.0)
    draining = next(c for c in exchange.manager.connections if c.state is ConnectionState.DRAINING)
    assert len(exchange.open_keys) == 3, "the new places have delivered nothing"
    exchange.run(5.0, deliver=LEFT)
    assert exchange.sockets[draining.key].closed
    assert not exchange.streams.interruptions


def test_where_a_stream_cannot_be_proven_elsewhere_the_connection_stays() -> None:
    exchange = half_empty()
    exchange.run(CALM_S - 20.0, deliver=LEFT, every_s=2.0)
    exchange.acknowledges = False
    keys = exchange.open_keys
    silent = {slot for slot in LEFT if topic(slot) in exchange.sockets[keys[0]].topics}
    exchange.paces = lambda name: True
    exchange.run(200.0, deliver=LEFT, every_s=2.0)
    assert silent
    assert exchange.open_keys == keys
    assert all(c.state is ConnectionState.OPEN for c in exchange.manager.connections)
    assert not exchange.streams.interruptions


def test_a_new_place_that_is_lost_leaves_the_streams_where_they_were() -> None:
    exchange = half_empty()
    exchange.run(CALM_S - 20.0, deliver=LEFT, every_s=2.0)
    exchange.paces = lambda name: True
    while not any(c.state is ConnectionState.DRAINING for c in exchange.manager.connections):
        exchange.run(1.0, deliver=LEFT)
    draining = next(c for c in exchange.manager.connections if c.state is ConnectionState.DRAINING)
    moved = set(draining.subscriptions.slots)
    target = next(c for c in exchange.manager.connections if c is not draining and moved & set(c.subscriptions.slots))
    exchange.lose(target.key)
    assert draining.state is ConnectionState.OPEN
    assert not moved & set(exchange.streams.interruptions)


def test_a_notice_to_the_new_place_while_it_takes_over_loses_nothing() -> None:
    exchange = half_empty()
    while not any(c.state is ConnectionState.DRAINING for c in exchange.manager.connections):
        exchange.run(1.0, deliver=LEFT)
    for connection in exchange.manager.connections:
        exchange.manager.control(connection.key, Control(ControlKind.CLOSING), exchange.now_s)
    exchange.run(60.0, deliver=LEFT)
    assert exchange.subscribed == sorted(topic(slot) for slot in LEFT)
    assert not exchange.streams.interruptions


def test_legs_are_compacted_each_within_itself() -> None:
    exchange = half_empty(legs=2)
    exchange.run(3 * CALM_S, deliver=LEFT, every_s=5.0)
    assert sorted(c.leg for c in exchange.manager.connections) == [0, 0, 1, 1]
    assert exchange.subscribed == sorted([topic(slot) for slot in LEFT] * 2)
    assert not exchange.streams.interruptions
