"""What all markets have to keep, and how those that there are not are told."""

from __future__ import annotations

import pytest

from marketfeed import events
from marketfeed.exchanges import catalogue
from marketfeed.exchanges.exchange import Market

MARKETS = [pytest.param(market, id=f"{market.exchange}-{market.name}") for market in catalogue.MARKETS.values()]


def test_a_market_that_is_left_out_on_purpose_is_told_with_the_reason() -> None:
    with pytest.raises(LookupError, match="kraken has no market 'linear': its documented futures feed ends on"):
        catalogue.market("kraken", "linear")
    assert catalogue.REFUSED.keys().isdisjoint(catalogue.MARKETS)


@pytest.mark.parametrize(("exchange", "name", "words"), [("acme", "spot", "there are binance"), ("kraken", "x", "it has spot")])
def test_what_is_unknown_is_told_with_what_there_is(exchange: str, name: str, words: str) -> None:
    with pytest.raises(LookupError, match=words):
        catalogue.market(exchange, name)


@pytest.mark.parametrize("market", MARKETS)
def test_every_channel_has_an_event_a_rate_and_a_declaration(market: Market) -> None:
    kinds = {channel.partition(".")[0] for channel in market.channels}
    assert kinds <= events.BY_CHANNEL.keys()
    assert kinds <= market.rates.keys()
    polled = {poll.channel for poll in market.polls}
    assert kinds <= {message.channel for message in market.wire.messages} | polled


@pytest.mark.parametrize("market", MARKETS)
def test_no_default_is_above_its_ceiling(market: Market) -> None:
    limits = market.limits
    for limit in (limits.streams_per_connection, limits.messages_per_second, limits.connects_per_5_minutes,
                  limits.connections_per_shard, limits.request_topics, limits.request_bytes):  # fmt: skip
        assert 0 < limit.default <= limit.ceiling
        assert limit.source
