from __future__ import annotations

from exchange_double import Exchange, topic
from hypothesis import given, settings
from hypothesis import strategies as st

from marketfeed.exchanges.exchange import Limit, Topic


@given(
    sizes=st.lists(st.tuples(st.integers(1, 12), st.booleans(), st.integers(0, 3)), min_size=1, max_size=60),
    topics=st.integers(2, 8),
    characters=st.integers(30, 80),
    deep=st.integers(1, 3),
)
@settings(max_examples=50, deadline=None)
def test_no_connection_holds_more_than_any_limit_and_few_are_opened(
    sizes: list[tuple[int, bool, int]], topics: int, characters: int, deep: int
) -> None:
    exchange = Exchange(
        topics, topic_bytes=Limit(characters, characters, ""), deep_books=Limit(deep, deep, ""), messages_per_second=20.0
    )
    own = {slot: Topic(f"{slot}{'x' * size}", f"{slot}", deep=is_deep) for slot, (size, is_deep, _) in enumerate(sizes)}
    exchange.want_topics(
        {slot: [own[slot], *([Topic(f"s{shared}")] if shared else [])] for slot, (_, _, shared) in enumerate(sizes)}
    )
    exchange.run(30.0, deliver=range(len(sizes)))
    assert exchange.manager.subscribed() == set(range(len(sizes)))
    for socket in exchange.sockets.values():
        assert socket.most["topics"] <= topics
        assert socket.most["characters"] <= characters
        assert socket.most["deep"] <= deep
    for connection in exchange.manager.connections:
        assert connection.subscriptions.slots


def test_streams_fill_connections_whole() -> None:
    exchange = Exchange(10)
    exchange.want(range(1000))
    assert len(exchange.manager.connections) == 100


def test_topics_that_are_shared_count_once_and_bring_their_streams_together() -> None:
    exchange = Exchange(4)
    exchange.want_topics({slot: [Topic("liquidations:SWAP")] for slot in range(50)}, channel="liquidations")
    exchange.want_topics({slot: [Topic(f"own{slot}"), Topic(f"index{slot % 2}")] for slot in range(50, 54)})
    exchange.run(5.0)
    assert exchange.subscribed.count("liquidations:SWAP") == 1
    assert exchange.subscribed.count("index0") == exchange.subscribed.count("index1") == 1
    assert len(exchange.open_keys) == 2


def test_addresses_are_kept_apart_and_a_stream_may_need_two() -> None:
    exchange = Exchange(10)
    exchange.want([0], "ws://a")
    exchange.want([1], "ws://b")
    exchange.run(5.0)
    assert {(s.url, *s.topics) for s in exchange.sockets.values()} == {("ws://a", topic(0)), ("ws://b", topic(1))}
    assert exchange.manager.subscribed() == {0, 1}
