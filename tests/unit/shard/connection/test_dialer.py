from __future__ import annotations

from random import Random

from exchange_double import Exchange
from hypothesis import given, settings
from hypothesis import strategies as st

from marketfeed.assignment import Share
from marketfeed.exchanges.exchange import Limit
from marketfeed_shard.connection.dialer import SPREAD


def rolling(taken_s: list[float], count: int, seconds: float) -> None:
    for first, beyond in zip(taken_s, taken_s[count:], strict=False):
        assert beyond - first > seconds


@given(
    count=st.integers(1, 40),
    seconds=st.floats(5.0, 300.0),
    burst=st.builds(Share, count=st.integers(1, 5), seconds=st.floats(0.5, 10.0)),
    connections=st.integers(1, 40),
)
@settings(max_examples=30, deadline=None)
def test_both_shares_of_attempts_are_kept_after_a_mass_cut_and_nobody_starves(
    count: int, seconds: float, burst: Share, connections: int
) -> None:
    exchange = Exchange(1, Share(count=count, seconds=seconds), burst=burst, random=Random(count).random)
    exchange.want(range(connections))
    longest_s = (connections / count + 2) * (seconds + 1.0) + (connections / burst.count + 2) * (burst.seconds + 1.0)
    exchange.run(longest_s, deliver=range(connections), every_s=5.0)
    assert len(exchange.open_keys) == connections
    for key in exchange.open_keys:
        exchange.lose(key)
    exchange.run(longest_s + 30.0, deliver=range(connections), every_s=5.0)
    assert len(exchange.open_keys) == connections
    rolling(exchange.attempts_s, count, seconds)
    rolling(exchange.attempts_s, burst.count, burst.seconds)


def test_a_thousand_connections_that_are_cut_at_once_come_back_spread() -> None:
    exchange = Exchange(1, Share(count=5000, seconds=300.0), random=Random(1).random)
    exchange.want(range(1000))
    exchange.run(150.0, deliver=range(1000), every_s=10.0)
    before = len(exchange.attempts_s)
    assert before == 1000
    for key in exchange.open_keys:
        exchange.lose(key)
    exchange.run(150.0, deliver=range(1000), every_s=10.0)
    assert len(exchange.open_keys) == 1000
    assert len(exchange.attempts_s) == 2000, "each once"
    rolling(exchange.attempts_s, SPREAD.count, SPREAD.seconds)


def test_who_fails_again_and_again_does_not_keep_others_from_the_budget() -> None:
    exchange = Exchange(1, Share(count=1, seconds=10.0))
    exchange.accepts = False
    exchange.want(range(8))
    exchange.run(600.0)
    tried = {c.id for c in exchange.manager.connections if c.error == "refused"}
    assert tried == set(range(8))


def test_no_more_connections_are_opened_than_the_exchange_allows_and_that_is_said() -> None:
    exchange = Exchange(1, connections_per_address=Limit(3, 3, ""))
    exchange.want(range(4))
    exchange.run(30.0, deliver=range(4))
    assert len(exchange.open_keys) == 3
    assert exchange.manager.refusal == "3 connections are open, and the exchange allows 3 by address"
    exchange.drop([0])
    exchange.run(5.0, deliver=range(4))
    assert len(exchange.open_keys) == 3
    assert exchange.manager.refusal == ""


def test_a_ban_that_was_met_elsewhere_keeps_connections_from_trying() -> None:
    exchange = Exchange()
    exchange.manager.banned(60.0, "HTTP 418 over REST", exchange.now_s)
    exchange.want([0])
    exchange.run(59.0)
    assert exchange.attempts_s == []
    assert exchange.manager.ban_reason == "HTTP 418 over REST"
    exchange.run(5.0)
    assert len(exchange.attempts_s) == 1
