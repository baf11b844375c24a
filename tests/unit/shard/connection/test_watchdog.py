from __future__ import annotations

import pytest
from exchange_double import Exchange, topic

from marketfeed.exchanges import catalogue
from marketfeed.exchanges.exchange import Topic
from marketfeed_shard.connection.freshness import FLOORS_S, floor_s
from marketfeed_shard.connection.pulse import Pulse


def seen_every(channel: str, every_s: float, times: int) -> Pulse:
    """A stream that delivered so often, looked at each second; the time is then `every_s * times`."""
    pulse = Pulse.subscribed(channel, 0, 0.0)
    for second in range(1, int(every_s * times) + 1):
        pulse.look(int(second / every_s), float(second))
    return pulse


def silent_until_stale_s(pulse: Pulse, messages: int, now_s: float, most_s: float = 10_000.0) -> float | None:
    for second in range(int(most_s)):
        pulse.look(messages, now_s + second)
        if pulse.stale:
            return float(second)
    return None


@pytest.mark.parametrize("channel", ["trades", "bbo", "book", "candles.1m", "ticker", "derivative"])
def test_a_busy_stream_is_stale_soon_after_the_shortest_time_of_its_channel(channel: str) -> None:
    after_s = silent_until_stale_s(seen_every(channel, 1.0, 300), 300, 300.0)
    assert after_s is not None
    assert floor_s(channel) <= after_s <= floor_s(channel) + 2.0


def test_trades_and_books_are_given_a_minute_at_least() -> None:
    assert FLOORS_S["trades"] >= 60.0
    assert FLOORS_S["book"] >= 60.0


def test_liquidations_are_never_stale() -> None:
    assert silent_until_stale_s(seen_every("liquidations", 1.0, 300), 300, 300.0, 100_000.0) is None


def test_a_quiet_stream_is_judged_by_its_own_pace() -> None:
    after_s = silent_until_stale_s(seen_every("trades", 30.0, 40), 40, 1200.0)
    assert after_s is not None
    assert after_s >= 600.0


def test_a_burst_does_not_make_a_quiet_stream_impatient() -> None:
    pulse = Pulse.subscribed("trades", 0, 0.0)
    messages, now_s = 0, 0.0
    for _ in range(6):  # a burst of a minute, then four minutes of nothing
        for second in range(300):
            messages += 10 if second < 60 else 0
            now_s += 1.0
            pulse.look(messages, now_s)
            if now_s > 400.0:
                assert not pulse.stale


def test_a_stream_that_brought_little_is_not_taken_for_stale_in_a_minute_but_in_ten() -> None:
    after_s = silent_until_stale_s(seen_every("trades", 1.0, 3), 3, 3.0)
    assert after_s is not None
    assert 590.0 < after_s < 610.0


def test_heartbeats_keep_a_connection_without_data_but_make_no_stream_fresh() -> None:
    exchange = Exchange()
    exchange.beats = True
    exchange.want(range(2))
    exchange.run(200.0, deliver=range(2))
    exchange.run(100.0)
    assert len(exchange.sockets) == 1
    assert exchange.manager.stale() == [0, 1]
    exchange.beats = False
    exchange.run(40.0)
    assert len(exchange.sockets) == 2


def test_streams_that_are_silent_on_a_connection_with_heartbeats_are_asked_for_again_together() -> None:
    exchange = Exchange()
    exchange.beats = True
    exchange.want(range(4))
    exchange.run(100.0, deliver=range(4))
    exchange.sockets[1].topics.clear()
    sent = len(exchange.sockets[1].requests)
    exchange.run(80.0)
    assert [r["op"] for r in exchange.sockets[1].requests[sent:]] == ["unsubscribe", "subscribe"]
    assert exchange.sockets[1].topics == {topic(slot) for slot in range(4)}


def test_a_quiet_symbol_of_a_topic_that_delivers_for_others_is_left_alone() -> None:
    exchange = Exchange()
    exchange.want_topics({slot: [Topic("liquidations:SWAP")] for slot in range(3)}, channel="liquidations")
    exchange.run(3.0)
    exchange.run(3600.0, deliver=[0], every_s=7.0)
    assert [request["op"] for request in exchange.sockets[1].requests] == ["subscribe"]
    assert not exchange.streams.interruptions


def test_a_stream_that_stays_silent_is_tried_on_another_connection_with_room() -> None:
    exchange = Exchange(3)
    exchange.want(range(5))
    exchange.run(1.0)
    exchange.sockets[1].swallowed.add(topic(0))
    exchange.run(100.0, deliver=range(5))
    assert topic(0) in exchange.sockets[1].topics
    exchange.run(150.0, deliver=range(5))
    assert topic(0) in exchange.sockets[2].topics
    assert not exchange.sockets[1].closed
    assert exchange.manager.unproven() == []
    assert exchange.streams.owners[0] == 2


def test_every_channel_has_a_natural_period() -> None:
    channels = {channel for market in catalogue.MARKETS.values() for channel in market.channels}
    assert all(floor_s(channel) >= 60.0 for channel in channels)
    assert {channel.partition(".")[0] for channel in channels} == set(FLOORS_S)
