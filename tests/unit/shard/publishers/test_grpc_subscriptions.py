from __future__ import annotations

from collections.abc import Callable

import pytest

from marketfeed.stream_filter import StreamFilter
from marketfeed.v1.marketfeed_pb2 import EventBatch
from marketfeed_shard.publishers import grpc_subscriptions
from marketfeed_shard.publishers.grpc_subscriptions import Subscription, Subscriptions
from marketfeed_shard.streams.batch import Batch
from marketfeed_shard.streams.table import Stream

Make = Callable[..., Batch]
EVERYTHING = StreamFilter()


def subscriptions(buffer_bytes: int = 10_000, max_age_s: float = 1.0) -> Subscriptions:
    streams = [Stream("trades", "A-USDT", "A"), Stream("trades", "B-USDT", "B"), Stream("bbo", "A-USDT", "A")]
    return Subscriptions("binance", "spot", streams, buffer_bytes, max_age_s)


def read(subscription: Subscription, now_s: float = 0.0) -> tuple[list[bytes], int]:
    """The next message, handed over: (events, missed)."""
    message = subscription.take(now_s)
    assert message is not None
    subscription.handed()
    decoded = EventBatch.FromString(message)
    return list(decoded.events), decoded.missed


def test_what_nobody_wants_is_published(make: Make, done: list[Batch]) -> None:
    clients = subscriptions()
    clients.put(make((0, 1), (1, 1)), 0.0)
    clients.add(StreamFilter(symbols=("B-*",)), lambda: None)
    clients.put(make((0, 2), (1, 2), (2, 1)), 0.0)
    assert (clients.published, clients.dropped, len(done)) == (4, 0, 1)


def test_an_event_is_published_once_however_many_have_it(make: Make, done: list[Batch]) -> None:
    clients = subscriptions()
    members = [clients.add(EVERYTHING, lambda: None) for _ in range(2)]
    members += [clients.add(StreamFilter(symbols=(symbol,)), lambda: None) for symbol in ("A-USDT", "B-USDT")]
    clients.put(make((0, 1), (1, 1), (2, 1)), 0.0)
    assert clients.published == 0
    published = []
    for member in members[::-1]:
        read(member)
        published.append(clients.published)
    assert published == [1, 3, 3, 3]
    assert len(done) == 1


def test_a_client_is_woken_for_what_it_wants_only(make: Make) -> None:
    clients, woken = subscriptions(), []
    member = clients.add(StreamFilter(channels=("bbo",)), lambda: woken.append(1))
    clients.put(make((0, 1)), 0.0)
    assert (woken, member.take(0.0)) == ([], None)
    clients.put(make((0, 2), (2, 1)), 0.0)
    assert woken == [1]
    assert read(member) == ([b"%010d" % 1], 0)


def test_everything_that_waits_is_one_message_up_to_its_size(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grpc_subscriptions, "MESSAGE_BYTES", 36)
    clients = subscriptions()
    member = clients.add(EVERYTHING, lambda: None)
    for position in range(4):
        clients.put(make((0, position)), 0.0)
    clients.put(make(*[(0, 4 + i) for i in range(9)]), 0.0)
    assert [len(read(member)[0]) for _ in range(3)] == [3, 1, 9]
    assert member.take(0.0) is None


def test_the_oldest_are_missed_when_a_client_is_slow_and_it_is_told_how_many(make: Make, done: list[Batch]) -> None:
    clients = subscriptions(buffer_bytes=40)
    member = clients.add(EVERYTHING, lambda: None)
    for position in range(6):
        clients.put(make((0, position), (1, position)), 0.0)
    assert member.size_bytes <= 40
    events, missed = read(member)
    assert (len(events), missed, clients.dropped, clients.published) == (2, 10, 10, 2)
    assert len(done) == 6
    clients.put(make((0, 9)), 0.0)
    assert read(member)[1] == 0


def test_what_is_too_old_is_missed_and_told_although_nothing_follows(make: Make) -> None:
    clients = subscriptions(max_age_s=1.0)
    member = clients.add(EVERYTHING, lambda: None)
    clients.put(make((0, 1), (0, 2)), 0.0)
    assert read(member, 1.5) == ([], 2)
    assert member.take(1.5) is None
    assert (clients.published, clients.dropped) == (0, 2)


def test_what_is_being_written_is_not_dropped(make: Make) -> None:
    clients = subscriptions(buffer_bytes=15)
    member = clients.add(EVERYTHING, lambda: None)
    clients.put(make((0, 1)), 0.0)
    member.take(0.0)
    clients.put(make((0, 2)), 5.0)
    member.handed()
    assert (clients.published, clients.dropped) == (1, 0)
    assert read(member, 5.0) == ([b"%010d" % 0], 0)


def test_a_client_that_leaves_missed_nothing(make: Make, done: list[Batch]) -> None:
    clients = subscriptions()
    member = clients.add(EVERYTHING, lambda: None)
    clients.put(make((0, 1)), 0.0)
    member.take(0.0)
    clients.put(make((0, 2)), 0.0)
    clients.remove(member)
    clients.put(make((0, 3)), 0.0)
    assert (clients.published, clients.dropped, len(done), list(clients)) == (3, 0, 3, [])


def test_a_server_that_goes_away_counts_what_its_clients_did_not_get(make: Make, done: list[Batch]) -> None:
    clients = subscriptions()
    member = clients.add(EVERYTHING, lambda: None)
    clients.put(make((0, 1)), 0.0)
    member.take(0.0)
    clients.put(make((0, 2)), 0.0)
    member.abandon()
    clients.remove(member)
    assert (clients.published, clients.dropped, len(done), member.size_bytes) == (0, 2, 0, 0)
