"""What a simulated day consists of, before anything is drawn from its seed."""

from __future__ import annotations

from dataclasses import dataclass

from marketfeed.assignment import Assignment, EffectiveLimits, Share, SymbolStreams
from marketfeed.exchanges import catalogue
from marketfeed.exchanges.exchange import Topic
from marketfeed.resource import Grpc, Publishers

_SYMBOLS = {
    "spot": ("BTC-USDT", "ETH-USDT"),
    "linear": ("BTC-USDT-PERP", "ETH-USDT-PERP"),
    "inverse": ("BTC-USD-PERP", "ETH-USD-PERP"),
}
_CHANNELS = ("trades", "bbo", "book", "candles.1m", "ticker", "derivative", "liquidations")


@dataclass(frozen=True, slots=True)
class Plan:
    """One shard at one market."""

    exchange: str
    market: str
    hours: float = 24.0
    legs: int = 1
    streams_per_connection: int = 5
    """Few, so that there are several connections."""
    attempts: int = 40
    """To connect, within five minutes."""
    trouble_s: float = 900.0
    """Mean time between two troubles, beside an unannounced cut every hour and a ban in the middle of the day."""
    calm_s: float = 12.0
    """Mean time between two steps of the market while nothing is wrong: each brings a message of nearly every stream."""
    lively_s: float = 0.15
    """And while something is wrong, and for a little after it."""

    @property
    def symbols(self) -> tuple[str, ...]:
        return _SYMBOLS[self.market]

    @property
    def channels(self) -> tuple[str, ...]:
        offered = catalogue.market(self.exchange, self.market).channels
        return tuple(channel for channel in _CHANNELS if channel in offered)

    def topics(self) -> list[Topic]:
        """Whatever is subscribed to, each topic once."""
        market = catalogue.market(self.exchange, self.market)
        topics = [
            topic
            for symbol in self.symbols
            for channel in self.channels
            for topic in market.topics(channel, market.native(symbol), None)
        ]
        return list({topic.name: topic for topic in topics}.values())

    def assignment(self) -> Assignment:
        """What the shard is given."""
        market = catalogue.market(self.exchange, self.market)
        burst = market.limits.connects
        return Assignment(
            generation=1,
            feed="day",
            shard="day-0",
            exchange=self.exchange,
            market=self.market,
            symbols=tuple(SymbolStreams(symbol=s, native=market.native(s), channels=self.channels) for s in self.symbols),
            limits=EffectiveLimits(
                streams_per_connection=self.streams_per_connection,
                messages_per_second=market.limits.messages_per_second.default,
            ),
            connects=Share(count=self.attempts, seconds=300.0),
            connects_burst=None if burst is None else Share(count=burst.count, seconds=burst.seconds),
            rest=Share(count=max(1, market.limits.rest.count // 2), seconds=market.limits.rest.seconds),
            legs=self.legs,
            publishers=Publishers(grpc=Grpc()),
        )
