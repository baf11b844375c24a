from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from exchange_double import MARKET, Exchange, topic
from hypothesis import given
from hypothesis import strategies as st

from marketfeed.exchanges.exchange import Control, ControlKind, Limit, Topic, Window
from marketfeed_shard.connection.pace import MOST_DOUBLINGS
from marketfeed_shard.connection.subscriptions import Subscriptions
from marketfeed_shard.connection.topics import Urgency


def subscriptions(topics: list[Topic], **limits: Any) -> Subscriptions:
    """One stream a topic, wanted at 0.0."""
    made = Subscriptions(replace(MARKET, limits=replace(MARKET.limits, **limits)), lambda: 0.5)
    for slot, each in enumerate(topics):
        made.add(slot, [each], 0.0)
    return made


def asked(made: Subscriptions, now_s: float) -> list[dict[str, Any]]:
    """All requests that it wants to send now."""
    found = []
    while (text := made.next(now_s)) is not None:
        found.append(json.loads(text))
    return found


def operations(made: Subscriptions, now_s: float) -> list[tuple[str, list[str]]]:
    """Of all requests that it wants to send now."""
    return [(request["op"], request["args"]) for request in asked(made, now_s)]


def answer(made: Subscriptions, kind: ControlKind, number: int | None, now_s: float, *topics: str, native: str = "") -> None:
    made.answered(Control(kind, number, "why", topics, native), now_s)


def live(made: Subscriptions) -> list[int]:
    return [slot for slot in made.slots if made.live(slot, seen=False)]


@given(
    groups=st.lists(st.sampled_from("abc"), min_size=1, max_size=60),
    topics=st.integers(1, 7),
    size_bytes=st.integers(90, 200),
)
def test_a_request_holds_one_group_and_no_more_than_is_allowed(groups: list[str], topics: int, size_bytes: int) -> None:
    wanted = [Topic(f"{'x' * (n % 9)}{n}", group=group) for n, group in enumerate(groups)]
    limits = {"request_topics": Limit(topics, topics, ""), "request_bytes": Limit(size_bytes, size_bytes, "")}
    made = subscriptions(wanted, **limits)
    requests = []
    while (text := made.next(0.0)) is not None:
        requests.append(json.loads(text))
        assert len(text.encode()) <= size_bytes
    assert all(len(request["groups"]) == 1 and len(request["args"]) <= topics for request in requests)
    assert sorted(name for request in requests for name in request["args"]) == sorted(t.name for t in wanted)


def test_answers_by_topic_settle_only_those_that_they_name() -> None:
    made = subscriptions([Topic("a"), Topic("b"), Topic("c")])
    asked(made, 0.0)
    answer(made, ControlKind.ACKNOWLEDGED, 1, 0.1, "a")
    answer(made, ControlKind.REJECTED, 1, 0.1, "b")
    assert live(made) == [0]
    assert made.rejections() == {1: "why"}
    answer(made, ControlKind.ACKNOWLEDGED, None, 0.2, "c")
    assert live(made) == [0, 2]
    assert asked(made, 60.0) == []


def test_an_error_that_names_the_symbol_alone_is_that_of_its_topics_in_the_request() -> None:
    made = subscriptions([Topic("trade:A", "A"), Topic("trade:B", "B"), Topic("book:A", "A", group="book")])
    first, second = asked(made, 0.0)
    assert first["args"] == ["trade:A", "trade:B"]
    answer(made, ControlKind.REJECTED, first["id"], 0.1, native="A")
    assert made.rejections() == {0: "why"}
    answer(made, ControlKind.ACKNOWLEDGED, second["id"], 0.1, "book:A")
    assert live(made) == [2]


def test_a_refusal_of_the_whole_spares_those_that_are_acknowledged_by_name_a_moment_later() -> None:
    made = subscriptions([Topic(name) for name in "abcdefgh"])
    asked(made, 0.0)
    answer(made, ControlKind.REJECTED, 1, 0.1)
    assert asked(made, 0.2) == [], "an answer by name may follow"
    for name in "abcdefg":
        answer(made, ControlKind.ACKNOWLEDGED, 1, 0.3, name)
    assert asked(made, 1.0) == []
    assert made.rejections() == {7: "why"}
    assert live(made) == list(range(7))


def test_only_what_was_refused_for_pace_is_sent_again_later_and_less_at_a_time() -> None:
    made = subscriptions([Topic(f"t{n}", f"n{n}") for n in range(40)], request_topics=Limit(40, 40, ""))
    asked(made, 0.0)
    for n in range(40):
        answer(made, ControlKind.ACKNOWLEDGED if n % 2 else ControlKind.PACED, 1, 0.1, f"t{n}")
    assert made.rejections() == {}
    assert asked(made, 3.5) == [], "not at once"
    again = asked(made, 4.0)
    assert [len(request["args"]) for request in again] == [20], "many refusals of one request slow down once"
    assert all(int(name[1:]) % 2 == 0 for name in again[0]["args"])


def test_pace_that_is_refused_for_ever_is_tried_for_ever_but_never_in_a_storm() -> None:
    made = subscriptions([Topic(f"t{n}") for n in range(64)], request_topics=Limit(64, 64, ""))
    requests, now_s = [], 0.0
    while now_s < 3600.0:
        for request in asked(made, now_s):
            requests.append((now_s, len(request["args"])))
            answer(made, ControlKind.PACED, request["id"], now_s)
        now_s += 0.5
    assert 3600.0 / len(requests) > 30.0
    assert requests[-1][1] == 1
    assert requests[-1][0] > 3500.0
    for _ in range(3 * MOST_DOUBLINGS):
        now_s += 120.0
        for request in asked(made, now_s):
            answer(made, ControlKind.ACKNOWLEDGED, request["id"], now_s)
    while more := asked(made, now_s):
        for request in more:
            answer(made, ControlKind.ACKNOWLEDGED, request["id"], now_s)
    assert len(live(made)) == 64, "grants bring the pace back"


def test_late_and_unknown_answers_are_ignored() -> None:
    made = subscriptions([Topic("a"), Topic("b")])
    asked(made, 0.0)
    answer(made, ControlKind.ACKNOWLEDGED, 77, 0.1)
    answer(made, ControlKind.REJECTED, 1, 0.1, "unheard of")
    assert live(made) == []
    assert [request["id"] for request in asked(made, 10.0)] == [2]
    answer(made, ControlKind.REJECTED, 1, 10.1)
    assert made.rejections() == {}
    made.disconnected(11.0)
    assert asked(made, 11.0)[0]["id"] == 3
    answer(made, ControlKind.ACKNOWLEDGED, 2, 11.1)
    assert live(made) == []


def test_a_stream_is_live_when_all_its_topics_are_acknowledged() -> None:
    made = subscriptions([])
    made.add(5, [Topic("mark"), Topic("index"), Topic("funding")], 0.0)
    asked(made, 0.0)
    answer(made, ControlKind.ACKNOWLEDGED, 1, 0.1, "mark")
    answer(made, ControlKind.ACKNOWLEDGED, 1, 0.1, "index")
    assert not made.live(5, seen=True), "that it delivers does not tell which of them"
    answer(made, ControlKind.ACKNOWLEDGED, 1, 0.1, "funding")
    assert made.live(5, seen=False)


def test_a_topic_that_another_stream_needs_is_not_let_go() -> None:
    made = subscriptions([])
    made.add(0, [Topic("own0"), Topic("shared")], 0.0)
    made.add(1, [Topic("own1"), Topic("shared")], 0.0)
    (request,) = asked(made, 0.0)
    answer(made, ControlKind.ACKNOWLEDGED, request["id"], 0.1)
    made.remove(0)
    assert operations(made, 1.0) == [("unsubscribe", ["own0"])]
    made.remove(1)
    assert operations(made, 2.0) == [("unsubscribe", ["own1", "shared"])]


def test_what_may_have_been_granted_without_an_answer_is_let_go_too() -> None:
    made = subscriptions([Topic("a")])
    asked(made, 0.0)
    made.due(10.0)  # no answer came: it is to be asked for again
    made.remove(0)
    assert operations(made, 10.0) == [("unsubscribe", ["a"])]


def test_renewal_is_one_request_each_way_and_tells_whom_it_interrupts() -> None:
    made = subscriptions([Topic("a"), Topic("b"), Topic("c")])
    made.add(7, [Topic("a")], 0.0)
    asked(made, 0.0)
    answer(made, ControlKind.ACKNOWLEDGED, 1, 0.1)
    assert made.renew([0, 1], Urgency.BOOK, 1.0) == {0, 1, 7}
    assert operations(made, 1.0) == [("unsubscribe", ["a", "b"])]
    assert made.renew([0, 1], Urgency.BOOK, 1.1) == set(), "they are asked for already"
    assert not made.live(0, seen=True), "what it delivered before proves nothing"
    answer(made, ControlKind.ACKNOWLEDGED, 2, 1.2)
    assert operations(made, 1.2) == [("subscribe", ["a", "b"])]


def renewing(*names: str) -> Subscriptions:
    """What was acknowledged, and is being let go with request 2, to begin anew."""
    made = subscriptions([Topic(name) for name in names])
    asked(made, 0.0)
    answer(made, ControlKind.ACKNOWLEDGED, 1, 0.1)
    made.renew(range(len(names)), Urgency.BOOK, 1.0)
    assert operations(made, 1.0) == [("unsubscribe", list(names))]
    return made


def test_what_begins_anew_is_asked_for_when_all_of_it_is_let_go_and_in_one_request() -> None:
    made = renewing("a", "b", "c")
    answer(made, ControlKind.ACKNOWLEDGED, 2, 1.1, "a")
    answer(made, ControlKind.ACKNOWLEDGED, 2, 1.2, "c")
    assert operations(made, 1.3) == [], "each of OKX's 480 requests an hour is worth waiting for"
    answer(made, ControlKind.ACKNOWLEDGED, 2, 1.4, "b")
    assert operations(made, 1.4) == [("subscribe", ["a", "b", "c"])]


def test_where_only_the_letting_go_is_refused_for_pace_it_comes_again_before_the_new_beginning() -> None:
    made = renewing("a", "b")
    answer(made, ControlKind.ACKNOWLEDGED, 2, 1.1, "a")
    answer(made, ControlKind.PACED, 2, 1.1, "b")
    assert operations(made, 6.0) == [("unsubscribe", ["b"])]
    answer(made, ControlKind.ACKNOWLEDGED, 3, 6.1)
    assert operations(made, 6.1) == [("subscribe", ["a", "b"])]


def test_what_is_never_let_go_is_asked_for_all_the_same_after_two_attempts() -> None:
    made = renewing("a")
    assert operations(made, 10.9) == []
    assert operations(made, 11.0) == [("unsubscribe", ["a"])]
    assert operations(made, 30.9) == []
    assert operations(made, 31.0) == [("subscribe", ["a"])]


def test_a_name_that_cannot_be_let_go_is_asked_for_at_once() -> None:
    made = renewing("a")
    answer(made, ControlKind.REJECTED, 2, 1.1)
    assert operations(made, 1.1) == [("subscribe", ["a"])]


def test_a_stream_that_comes_back_while_it_is_let_go_waits_for_that() -> None:
    made = subscriptions([Topic("a")])
    asked(made, 0.0)
    answer(made, ControlKind.ACKNOWLEDGED, 1, 0.1)
    made.remove(0)
    assert operations(made, 1.0) == [("unsubscribe", ["a"])]
    made.add(0, [Topic("a")], 1.1)
    assert operations(made, 1.1) == []
    answer(made, ControlKind.ACKNOWLEDGED, 2, 1.2)
    assert operations(made, 1.2) == [("subscribe", ["a"])]


def test_where_requests_are_counted_by_the_hour_care_leaves_some_for_books_and_those_for_streams() -> None:
    exchange = Exchange(requests=Window(32, 3600.0))
    exchange.want(range(4))
    exchange.run(5.0)
    socket = exchange.sockets[1]
    connection = exchange.connection()
    for _ in range(40):
        connection.subscriptions.renew([0], Urgency.CARE, exchange.now_s)
        exchange.run(3.0, deliver=range(4))
    assert len(socket.requests) == 26
    for _ in range(40):
        exchange.manager.renew([1], exchange.now_s)
        exchange.run(3.0, deliver=range(4))
    assert len(socket.requests) == 30
    exchange.want([9])
    exchange.run(3.0, deliver=range(4))
    assert topic(9) in socket.topics
    exchange.run(3700.0, deliver=range(10), every_s=5.0)
    assert exchange.manager.subscribed() == {0, 1, 2, 3, 9}
    assert topic(0) in socket.topics
    assert topic(1) in socket.topics


def test_an_answer_for_a_topic_that_was_let_go_meanwhile_changes_nothing() -> None:
    made = subscriptions([Topic("a"), Topic("b")])
    asked(made, 0.0)
    made.remove(0)
    answer(made, ControlKind.ACKNOWLEDGED, 1, 0.1, "a")
    answer(made, ControlKind.ACKNOWLEDGED, 1, 0.1, "b")
    assert live(made) == [1]
    assert [topic.name for topic in made.held()] == ["b", "a"], "the exchange has it until it is let go"
    assert operations(made, 0.2) == [("unsubscribe", ["a"])]
    answer(made, ControlKind.ACKNOWLEDGED, 2, 0.3)
    assert [topic.name for topic in made.held()] == ["b"]


def test_an_answer_that_comes_after_the_data_is_no_other_one() -> None:
    made = subscriptions([Topic("a")])
    asked(made, 0.0)
    made.proven(lambda slot: True, 0.1)
    assert live(made) == [0]
    answer(made, ControlKind.ACKNOWLEDGED, 1, 0.2)
    assert live(made) == [0]
    assert operations(made, 60.0) == []


def test_a_refused_name_whose_letting_go_is_not_answered_is_let_go_again_but_not_when_it_is_wanted_anew() -> None:
    made = subscriptions([Topic("a")])
    asked(made, 0.0)
    assert operations(made, 10.0) == [("subscribe", ["a"])], "the first request may have been granted"
    answer(made, ControlKind.REJECTED, 2, 10.1)
    assert made.rejections() == {0: "why"}
    made.remove(0)
    assert operations(made, 11.0) == [("unsubscribe", ["a"])]
    assert operations(made, 21.0) == [("unsubscribe", ["a"])]
    made.add(0, [Topic("a")], 22.0)
    assert operations(made, 41.0) == [("subscribe", ["a"])], "two were not answered"
    answer(made, ControlKind.ACKNOWLEDGED, 5, 41.1)
    assert live(made) == [0]
    assert operations(made, 400.0) == []


def test_refused_names_are_tried_again_by_themselves() -> None:
    exchange = Exchange()
    exchange.refuses = lambda names: "gone" if topic(3) in names else None
    exchange.want(range(8))
    exchange.run(30.0, deliver=range(8))
    assert exchange.manager.rejected() == {3: "gone"}
    exchange.want(range(8, 12))
    exchange.run(290.0, deliver=range(12))
    with_it = [request["args"] for request in exchange.sockets[1].requests if topic(3) in request["args"]]
    assert with_it[-1] == [topic(3)]
    assert len(with_it) >= 2
    assert exchange.manager.live() == set(range(12)) - {3}
