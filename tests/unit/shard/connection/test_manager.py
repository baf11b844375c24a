from __future__ import annotations

from dataclasses import replace

import pytest
from exchange_double import MARKET, Exchange, topic
from hypothesis import given, settings
from hypothesis import strategies as st

from marketfeed.assignment import Ban, EffectiveLimits, Share
from marketfeed.exchanges.exchange import Control, ControlKind, Heartbeat, Topic
from marketfeed.report import ConnectionState
from marketfeed_shard.connection.ports import Disconnect, Settings, Source


def up(slots: int, **options: object) -> Exchange:
    """An exchange to which so many streams are subscribed."""
    exchange = Exchange(**options)  # type: ignore[arg-type]
    exchange.want(range(slots))
    exchange.run(10.0)
    return exchange


def test_streams_fill_a_connection_before_another_is_opened() -> None:
    exchange = up(25, streams_per_connection=10)
    assert [len(socket.topics) for socket in exchange.sockets.values()] == [10, 10, 5]
    assert exchange.manager.subscribed() == set(range(25))
    exchange.want([25])
    exchange.run(5.0)
    assert len(exchange.sockets) == 3
    assert topic(25) in exchange.sockets[3].topics


def test_adding_and_removing_streams_closes_no_connection_of_others() -> None:
    exchange = up(20, streams_per_connection=10)
    exchange.drop([3, 4, 15])
    exchange.run(5.0)
    assert not any(socket.closed for socket in exchange.sockets.values())
    assert topic(3) not in exchange.sockets[1].topics
    exchange.want([30])
    exchange.run(5.0)
    assert len(exchange.sockets) == 2


def test_room_is_given_again_only_when_the_exchange_let_a_stream_go() -> None:
    exchange = up(10, streams_per_connection=10)
    exchange.acknowledges = False
    exchange.drop([0])
    exchange.want([10])
    exchange.run(1.0)
    assert len(exchange.sockets) == 2, "the tenth place is still taken on the exchange's side"


def test_a_connection_without_streams_is_closed() -> None:
    exchange = up(11, streams_per_connection=10)
    exchange.drop([10])
    assert exchange.sockets[2].closed
    assert len(exchange.manager.connections) == 1


def test_a_lost_connection_comes_back_with_all_its_streams_which_are_announced() -> None:
    exchange = up(5)
    exchange.lose(1)
    assert set(exchange.streams.interruptions) == set(range(5))
    assert 0 not in exchange.manager.live()
    exchange.run(5.0)
    assert exchange.sockets[2].topics == {topic(slot) for slot in range(5)}
    assert exchange.manager.live() == set(range(5))
    assert exchange.connection().reconnects == 1
    assert exchange.manager.reconnects == 1


def test_attempts_back_off_without_end_and_begin_anew_after_a_stable_minute() -> None:
    exchange = up(1)
    exchange.accepts = False
    exchange.lose(1)
    before = len(exchange.attempts_s)
    exchange.run(3600.0)
    waits = [b - a for a, b in zip(exchange.attempts_s[before:], exchange.attempts_s[before + 1 :], strict=False)]
    assert waits[0] < 1.0
    assert waits == sorted(waits)
    assert 10.0 < waits[-1] <= 30.0
    exchange.accepts = True
    exchange.run(180.0, deliver=[0])
    exchange.lose(exchange.open_keys[0])
    lost_s = exchange.now_s
    exchange.run(5.0)
    assert exchange.attempts_s[-1] - lost_s < 1.0


@given(
    count=st.integers(1, 20),
    seconds=st.floats(1.0, 60.0),
    connections=st.integers(1, 30),
    losses=st.lists(st.tuples(st.floats(0.0, 30.0), st.integers(0, 29)), max_size=30),
)
@settings(max_examples=50, deadline=None)
def test_attempts_never_exceed_the_share_of_the_address(
    count: int, seconds: float, connections: int, losses: list[tuple[float, int]]
) -> None:
    exchange = Exchange(streams_per_connection=1, connects=Share(count=count, seconds=seconds))
    exchange.want(range(connections))
    for wait_s, at in losses:
        exchange.run(wait_s)
        keys = exchange.open_keys
        if keys:
            exchange.lose(keys[at % len(keys)])
    exchange.run(60.0)
    for first, beyond in zip(exchange.attempts_s, exchange.attempts_s[count:], strict=False):
        assert beyond - first > seconds


@given(changes=st.lists(st.tuples(st.floats(0.0, 2.0), st.integers(0, 3000)), max_size=20), pings=st.booleans())
@settings(max_examples=30, deadline=None)
def test_client_messages_never_exceed_the_limit_of_a_connection(changes: list[tuple[float, int]], pings: bool) -> None:
    exchange, wanted = Exchange(streams_per_connection=1000), set[int]()
    for wait_s, slot in changes:
        if slot in wanted:
            wanted.discard(slot)
            exchange.drop([slot])
        else:
            new = set(range(slot, slot + 300, 7)) - wanted
            wanted |= new
            exchange.want(new)
        for key in exchange.open_keys if pings else ():
            exchange.manager.pinged(key, b"1")
        exchange.run(wait_s)
    exchange.run(30.0)
    for socket in exchange.sockets.values():
        for first, third in zip(socket.sent_s, socket.sent_s[2:], strict=False):
            assert third - first > 1.0


def test_every_wanted_stream_ends_up_subscribed_exactly_once_after_random_trouble() -> None:
    exchange = up(40, streams_per_connection=15)
    for round_ in range(20):
        keys = exchange.open_keys
        if keys:
            exchange.lose(keys[round_ % len(keys)])
        exchange.run(2.0, deliver=range(40))
    exchange.run(120.0, deliver=range(40))
    on = [t for key, socket in exchange.sockets.items() if not socket.closed for t in socket.topics]
    assert sorted(on) == sorted(map(topic, range(40)))


def test_a_refused_name_is_found_by_halving_and_hurts_no_neighbour() -> None:
    exchange = Exchange()
    bad = {topic(7), topic(21)}
    exchange.refuses = lambda topics: "no such stream" if bad & set(topics) else None
    exchange.want(range(32))
    exchange.run(60.0)
    assert exchange.manager.rejected() == {7: "no such stream", 21: "no such stream"}
    assert exchange.sockets[1].topics == {topic(slot) for slot in range(32)} - bad
    requests = len(exchange.sockets[1].sent_s)
    exchange.run(200.0, deliver=[0])
    assert len(exchange.sockets[1].sent_s) < requests + 20, "no storm"
    exchange.refuses = lambda topics: None
    exchange.run(200.0, deliver=[0])
    assert exchange.manager.rejected() == {}, "tried again after five minutes"


def test_a_refusal_for_pace_is_no_rejection_and_is_sent_again() -> None:
    exchange = Exchange()
    exchange.acknowledges = False
    exchange.want([0])
    exchange.run(1.0)
    exchange.manager.control(1, Control(ControlKind.PACED, 1, "too fast"), exchange.now_s)
    assert exchange.manager.rejected() == {}
    exchange.acknowledges = True
    exchange.run(10.0)
    assert 0 in exchange.manager.subscribed()


def test_a_request_without_an_answer_is_sent_again_but_data_is_an_answer_too() -> None:
    exchange = Exchange()
    exchange.acknowledges = False
    exchange.want([0, 1])
    exchange.run(2.0)
    assert 0 not in exchange.manager.subscribed()
    exchange.deliver([0])
    exchange.run(9.0, deliver=[0])
    assert 0 in exchange.manager.subscribed()
    assert 1 not in exchange.manager.subscribed()
    exchange.acknowledges = True
    exchange.run(20.0, deliver=[0])
    assert 1 in exchange.manager.subscribed()


def test_pings_are_answered_within_the_budget_and_ours_measure_the_round_trip() -> None:
    exchange = up(1)
    exchange.manager.pinged(1, b"20")
    exchange.run(0.1)
    assert exchange.sockets[1].sent_s[-1] >= exchange.now_s - 0.2
    exchange.run(25.0, deliver=[0])
    assert exchange.connection().round_trip_s is not None


def test_a_socket_that_answers_no_ping_is_given_up() -> None:
    exchange = up(1)
    exchange.answers_pings = False
    exchange.run(45.0, deliver=[0])
    assert exchange.sockets[1].closed
    assert exchange.connection().error == "no answer to a ping" or exchange.connection().is_open
    assert 2 in exchange.sockets


def test_a_silent_connection_is_replaced_the_new_one_first() -> None:
    exchange = up(3)
    exchange.run(20.0, deliver=range(3))
    exchange.sockets[1].topics.clear()  # it stalls: pings are answered, nothing else comes
    exchange.run(29.0)
    assert len(exchange.sockets) == 1
    for _ in range(12):
        exchange.run(1.0, deliver=range(3))
        if 2 in exchange.sockets and not exchange.sockets[2].topics:
            assert not exchange.sockets[1].closed
    assert exchange.sockets[1].closed
    assert set(exchange.streams.interruptions) == {0, 1, 2}
    assert exchange.connection().id == 0
    assert exchange.connection().reconnects == 1
    assert exchange.streams.owners == {0: 2, 1: 2, 2: 2}


def test_where_the_new_connection_is_silent_too_the_wait_doubles_up_to_ten_minutes() -> None:
    exchange = up(2)
    exchange.run(4 * 3600.0)
    waits = [b - a for a, b in zip(exchange.attempts_s, exchange.attempts_s[1:], strict=False)]
    assert 25.0 < waits[0] < 45.0
    assert max(waits) < 640.0
    assert waits[-1] > 590.0
    assert exchange.manager.stale() == []
    assert 0 in exchange.manager.live()
    exchange.run(60.0, deliver=[0, 1])
    attempts = len(exchange.attempts_s)
    exchange.run(40.0)
    assert len(exchange.attempts_s) == attempts + 1, "data made it impatient again"


def test_a_replacement_that_never_answers_is_tried_again() -> None:
    exchange = up(1)
    exchange.acknowledges = False
    exchange.run(2000.0)
    assert len(exchange.attempts_s) > 4
    exchange.acknowledges = True
    exchange.run(700.0, deliver=[0])
    assert len(exchange.manager.connections) == 1
    assert 0 in exchange.manager.live()


def test_on_notice_the_old_connection_goes_only_when_the_new_one_delivered_every_busy_stream() -> None:
    exchange = up(3)
    exchange.run(5.0, deliver=[0, 1])
    exchange.manager.control(1, Control(ControlKind.CLOSING, reason="serverShutdown"), exchange.now_s)
    exchange.run(2.0)
    assert exchange.manager.connections[0].state is ConnectionState.DRAINING
    for _ in range(10):
        exchange.deliver([0])
        exchange.deliver([1], only=1)  # the new one does not carry it yet
        exchange.run(1.0)
    assert not exchange.sockets[1].closed
    exchange.deliver([1])
    exchange.run(10.0)
    assert exchange.sockets[1].closed
    assert not exchange.streams.interruptions, "nothing was lost"


def test_a_draining_connection_that_is_cut_is_relieved_and_what_the_new_one_lacks_is_announced() -> None:
    exchange = up(2)
    exchange.run(2.0, deliver=[0, 1])
    exchange.manager.control(1, Control(ControlKind.CLOSING), exchange.now_s)
    exchange.run(1.0)
    exchange.deliver([0])
    exchange.lose(1)
    assert set(exchange.streams.interruptions) == {1}
    assert [c.id for c in exchange.manager.connections] == [0]
    exchange.run(5.0, deliver=[0, 1])
    assert 1 in exchange.manager.live()


def test_a_connection_is_replaced_before_the_exchange_ends_it() -> None:
    exchange = up(1)
    exchange.run(86_400.0, deliver=[0], every_s=10.0)
    assert exchange.sockets[1].closed
    assert len(exchange.sockets) == 2
    assert not exchange.streams.interruptions


def test_a_stream_that_brought_nothing_is_subscribed_again_after_30_s_then_ever_later() -> None:
    exchange = up(2)
    exchange.sockets[1].topics.discard(topic(1))  # acknowledged and swallowed
    sent = len(exchange.sockets[1].sent_s)
    exchange.run(35.0, deliver=[0])
    assert topic(1) in exchange.sockets[1].topics
    assert len(exchange.sockets[1].sent_s) >= sent + 2
    assert exchange.manager.unproven() == [1]
    assert exchange.manager.stale() == [], "a quiet market is no fault"
    before = exchange.streams.interruptions[1]
    exchange.run(7200.0, deliver=[0], every_s=5.0)
    assert exchange.streams.interruptions[1] - before < 10


def test_a_stream_is_stale_when_it_is_silent_far_beyond_its_usual_interval() -> None:
    exchange = up(2)
    exchange.run(300.0, deliver=[0, 1])
    exchange.run(55.0, deliver=[0])
    assert exchange.manager.stale() == []
    exchange.sockets[1].topics.discard(topic(1))
    exchange.run(15.0, deliver=[0])
    assert exchange.manager.stale() == [1]
    assert 1 not in exchange.manager.live()
    exchange.run(10.0, deliver=[0, 1])
    assert exchange.manager.stale() == []
    assert 1 in exchange.manager.live()


def test_a_rare_stream_is_not_stale_after_a_minute() -> None:
    exchange = up(2)
    for _ in range(20):
        exchange.deliver([1])
        exchange.run(60.0, deliver=[0])
    exchange.run(600.0, deliver=[0])
    assert exchange.manager.stale() == []


@pytest.mark.parametrize(
    ("why", "least_s"),
    [
        (Disconnect("HTTP 418", http_status=418, retry_after_s=600.0), 600.0),
        (Disconnect("HTTP 418", http_status=418), 120.0),
        (Disconnect("HTTP 429", http_status=429, retry_after_s=30.0), 30.0),
        (Disconnect("HTTP 403", http_status=403), 300.0),
        (Disconnect("HTTP 451", http_status=451), 300.0),
        (Disconnect("HTTP 503", http_status=503, retry_after_s=40.0), 40.0),
        (Disconnect("Too many requests", close_code=1008), 5.0),
    ],
)
def test_a_ban_is_honoured_by_all_connections(why: Disconnect, least_s: float) -> None:
    exchange = up(2, streams_per_connection=1)
    exchange.lose(1, why)
    began_s = exchange.now_s
    if why.http_status is not None:
        exchange.lose(2)
    attempts = len(exchange.attempts_s)
    exchange.run(least_s - 1.0)
    assert len(exchange.attempts_s) == attempts
    exchange.run(10.0)
    assert exchange.attempts_s[attempts] - began_s >= least_s


def test_a_ban_of_the_assignment_is_honoured_and_the_region_is_named() -> None:
    exchange = Exchange()
    settings_ = Settings(
        EffectiveLimits(streams_per_connection=10, messages_per_second=2.0),
        Share(count=300, seconds=300.0),
        (Ban(until_ns=exchange.now_ns + 60 * 10**9, reason="another shard was banned"),),
        30.0,
        5.0,
    )
    exchange.manager.configure(settings_, exchange.now_s, exchange.now_ns)
    exchange.want([0])
    exchange.run(59.0)
    assert exchange.attempts_s == []
    assert exchange.manager.ban_reason == "another shard was banned"
    exchange.run(5.0)
    assert len(exchange.attempts_s) == 1


def test_a_socket_that_opens_after_it_was_given_up_is_closed() -> None:
    exchange = Exchange()
    exchange.want([0])
    exchange.run(0.25)
    exchange.drop([0])
    exchange.sockets[1].closed = False
    exchange.manager.opened(1, exchange.now_s, exchange.now_ns)  # nobody waits for it any more
    assert exchange.sockets[1].closed


def test_a_topic_that_feeds_two_streams_is_subscribed_once() -> None:
    exchange = Exchange()
    exchange.want_topics({0: ["t"], 1: ["t"]})
    exchange.run(5.0)
    assert exchange.subscribed == ["t"]
    exchange.drop([0])
    exchange.run(2.0)
    assert exchange.sockets[1].topics == {"t"}
    assert 1 in exchange.manager.subscribed()


def test_attempts_of_an_earlier_process_count() -> None:
    exchange = Exchange(connects=Share(count=2, seconds=100.0), attempted_s=[940.0, 990.0])
    exchange.want([0])
    exchange.run(38.0)
    assert exchange.attempts_s == []
    exchange.run(5.0)
    assert len(exchange.attempts_s) == 1


def test_on_notice_the_old_connection_stays_until_it_has_come_as_far_as_the_new_one() -> None:
    exchange = up(2)
    exchange.run(5.0, deliver=[0, 1])
    exchange.manager.control(1, Control(ControlKind.CLOSING, reason="serverShutdown"), exchange.now_s)
    exchange.run(1.0)
    exchange.streams.waiting.add(0)
    exchange.deliver([0, 1])
    exchange.run(0.9)
    assert not exchange.sockets[1].closed, "what the new one brought of a stream waits for the old one"
    exchange.streams.waiting.discard(0)
    exchange.run(0.3)
    assert exchange.sockets[1].closed


def test_a_stream_on_which_the_old_connection_has_fallen_silent_does_not_wait_for_it() -> None:
    exchange = up(2)
    exchange.run(5.0, deliver=[0, 1])
    exchange.manager.control(1, Control(ControlKind.CLOSING, reason="serverShutdown"), exchange.now_s)
    exchange.run(1.0)
    exchange.deliver([0], only=2)
    exchange.streams.waiting.add(0)
    exchange.run(1.5, deliver=[1], every_s=0.5)
    assert exchange.streams.owners[0] == 2
    assert exchange.sockets[1].closed


def test_it_tells_how_long_connections_wait_for_the_budget_of_attempts() -> None:
    exchange = Exchange(streams_per_connection=1, connects=Share(count=2, seconds=60.0))
    exchange.want(range(2))
    exchange.run(5.0)
    assert exchange.manager.waits_for_budget_s(exchange.now_s) == 0.0
    exchange.want([2])
    exchange.run(5.0)
    assert 45.0 < exchange.manager.waits_for_budget_s(exchange.now_s) < 55.0
    exchange.run(60.0, deliver=range(3))
    assert len(exchange.open_keys) == 3
    assert exchange.manager.waits_for_budget_s(exchange.now_s) == 0.0


def test_a_refusal_without_a_number_is_that_of_the_one_request_under_way() -> None:
    exchange = Exchange(messages_per_second=0.5)
    exchange.acknowledges = False
    exchange.want(range(2))
    exchange.run(1.0)
    exchange.manager.control(1, Control(ControlKind.REJECTED, None, "Invalid request"), exchange.now_s)
    exchange.run(2.0)
    exchange.manager.control(1, Control(ControlKind.REJECTED, None, "Invalid request"), exchange.now_s)
    assert exchange.manager.rejected() == {0: "Invalid request"}
    exchange.run(3.0)
    exchange.manager.control(1, Control(ControlKind.ACKNOWLEDGED, None), exchange.now_s)
    assert exchange.manager.subscribed() == set(), "an acknowledgement without a number proves nothing"


def test_a_connection_that_is_replaced_before_it_took_over_leaves_none_behind() -> None:
    exchange = up(3)
    for key in (1, 2):
        exchange.manager.control(key, Control(ControlKind.CLOSING), exchange.now_s)
        exchange.run(0.2)
    exchange.lose(2)
    assert not exchange.sockets[1].closed, "the first one still delivers"
    exchange.run(60.0, deliver=range(3))
    assert exchange.open_keys == [3]
    assert exchange.sockets[1].closed
    exchange.lose(3)
    exchange.run(5.0)
    assert exchange.open_keys == [4]
    assert exchange.manager.live() == {0, 1, 2}


TEXT_PINGS = replace(MARKET, heartbeat=Heartbeat(interval_s=20.0, timeout_s=10.0, payload="ping", answer="pong"))


def test_pings_may_be_text_and_answers_come_as_messages() -> None:
    exchange = up(1, market=TEXT_PINGS)
    exchange.run(60.0, deliver=[0])
    assert exchange.connection().round_trip_s is not None
    assert len(exchange.sockets[1].sent_s) == 1 + 3
    exchange.answers_pings = False
    exchange.run(35.0, deliver=[0])
    assert exchange.sockets[1].closed
    assert 2 in exchange.sockets


def test_many_connections_that_are_told_to_close_together_are_replaced_within_the_budget() -> None:
    exchange = up(12, streams_per_connection=2, burst=Share(count=1, seconds=5.0), connects=Share(count=100, seconds=300.0))
    exchange.run(60.0, deliver=range(12))
    old = exchange.open_keys
    assert len(old) == 6
    for key in old:
        exchange.manager.control(key, Control(ControlKind.CLOSING, reason="64008"), exchange.now_s)
    exchange.run(60.0, deliver=range(12))
    assert all(exchange.sockets[key].closed for key in old)
    assert len(exchange.open_keys) == 6
    assert not exchange.streams.interruptions
    for first, second in zip(exchange.attempts_s, exchange.attempts_s[1:], strict=False):
        assert second - first > 5.0


def test_the_old_one_that_is_cut_before_the_new_one_is_there_is_an_interruption() -> None:
    exchange = up(2)
    exchange.run(5.0, deliver=range(2))
    exchange.accepts = False
    exchange.manager.control(1, Control(ControlKind.CLOSING), exchange.now_s)
    exchange.run(5.0, deliver=range(2))
    exchange.lose(1)
    assert set(exchange.streams.interruptions) == {0, 1}
    exchange.accepts = True
    exchange.run(40.0, deliver=range(2))
    assert exchange.manager.live() == {0, 1}
    assert len(exchange.manager.connections) == 1


def test_a_stream_of_two_addresses_is_live_when_both_have_it_and_counts_from_either() -> None:
    exchange = Exchange()
    exchange.want_sources({0: [Source(Topic("a"), "ws://a"), Source(Topic("b"), "ws://b")]}, "derivative")
    exchange.run(5.0)
    assert sorted(socket.url for socket in exchange.sockets.values()) == ["ws://a", "ws://b"]
    assert exchange.manager.live() == {0}
    assert exchange.streams.owners == {0: -1}
    exchange.lose(1)
    assert exchange.manager.live() == set()
    assert exchange.streams.interruptions == {0: 1}


def test_a_book_begins_anew_on_its_leading_connection_alone() -> None:
    exchange = up(4, streams_per_connection=2, legs=2)
    exchange.run(5.0, deliver=range(4))
    assert exchange.manager.renew([0, 1, 2], exchange.now_s) == {0, 1, 2}
    exchange.run(2.0, deliver=range(4))
    renewed = {key: [r["op"] for r in socket.requests] for key, socket in exchange.sockets.items()}
    assert sorted(map(len, renewed.values())) == [1, 1, 3, 3]
    assert not exchange.streams.interruptions, "who asks for it knows"
    assert exchange.manager.renew([0], exchange.now_s) == {0}
    assert exchange.manager.renew([0], exchange.now_s) == set(), "it is asked for already"


def test_a_stream_that_comes_back_to_a_socket_is_not_proven_by_what_it_delivered_there_before() -> None:
    exchange = up(2)
    exchange.run(5.0, deliver=range(2))
    exchange.drop([0])
    exchange.run(2.0, deliver=[1])
    exchange.acknowledges = False
    exchange.want([0])
    exchange.run(5.0, deliver=[1])
    assert exchange.manager.subscribed() == {1}
    exchange.acknowledges = True
    exchange.run(20.0, deliver=[1])
    assert exchange.manager.subscribed() == {0, 1}


def test_what_is_wanted_while_a_connection_drains_is_asked_for_on_another_one_alone() -> None:
    exchange = Exchange(10)
    exchange.want(range(3))
    exchange.run(30.0, deliver=range(3))
    exchange.accepts = False
    exchange.manager.control(1, Control(ControlKind.CLOSING), exchange.now_s)
    exchange.want([7])
    exchange.manager.renew([1], exchange.now_s)
    exchange.run(5.0, deliver=range(3))
    assert not any(topic(7) in request["args"] for request in exchange.sockets[1].requests)
    assert topic(1) in exchange.sockets[1].topics, (
        "a book begins anew on the connection that leads it, whatever becomes of that"
    )
    exchange.accepts = True
    exchange.run(60.0, deliver=[0, 1, 2, 7])
    (connection,) = exchange.manager.connections
    assert exchange.sockets[1].closed
    assert exchange.manager.live() == {0, 1, 2, 7}
    assert exchange.sockets[connection.key].topics == {topic(slot) for slot in (0, 1, 2, 7)}


def test_a_hundred_connections_that_are_cut_at_once_come_back_within_the_budget_and_all_is_announced() -> None:
    exchange = Exchange(2, Share(count=40, seconds=60.0), attempted_s=())
    exchange.want(range(200))
    exchange.run(400.0, deliver=range(200), every_s=5.0)
    assert len(exchange.open_keys) == 100
    before = len(exchange.attempts_s)
    for key in exchange.open_keys:
        exchange.lose(key)
    exchange.run(400.0, deliver=range(200), every_s=5.0)
    back_s = exchange.attempts_s[before:]
    assert len(back_s) == 100
    assert all(after - first > 60.0 for first, after in zip(back_s, back_s[40:], strict=False))
    assert exchange.manager.live() == set(range(200))
    assert exchange.streams.interruptions == dict.fromkeys(range(200), 1)
