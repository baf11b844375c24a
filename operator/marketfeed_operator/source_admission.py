"""What the API server refuses of a source: the rules of `marketfeed.source_rules`, as far as CEL can say them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from marketfeed.exchanges import catalogue
from marketfeed.exchanges.exchange import Limit, Market
from marketfeed.resource import SYMBOLS_OF_A_SOURCE
from marketfeed.source_rules import APART, SYMBOL_BYTES
from marketfeed.symbol_rules import linear_in_usd
from marketfeed_operator.cel import CODE, LIST, RULES, exactly_one, items, rule, texts
from marketfeed_operator.schema import Schema

_SYMBOL: Final = rf"^{CODE}-{CODE}(-PERP|-[0-9]{{6}})?$"


def source() -> dict[str, Schema]:
    """What the schema of a source says beside what its types say, by field; `""`: of the source itself."""
    markets = list(catalogue.MARKETS.values())
    channels = dict.fromkeys(channel for market in markets for channel in market.channels)
    names = dict.fromkeys(market.name for market in markets)
    rules = [
        exactly_one("symbols", "symbolSelector"),
        *_symbols_of_markets(markets),
        rule(
            "!has(self.proxy) || !has(self.proxy.url) || !self.proxy.url.matches('(?i)^socks') "
            "|| (has(self.transport) && self.transport == 'websockets')",
            "has a socks proxy, which the transport picows does not have; set transport: websockets beside it, "
            "or use an http proxy",
        ),
        *(_markets_of(exchange) for exchange in catalogue.exchanges()),
    ]
    for market in markets:
        rules += [_channels_of(market), *_ceilings_of(market), *_depth_of(market)]
    rules += [_apart(name, markets) for name in APART]
    return {
        "": {RULES: rules},
        "exchange": {"enum": catalogue.exchanges()},
        "market": {"enum": list(names)},
        # A set has no value twice.
        "symbols": {
            "minItems": 1,
            "maxItems": SYMBOLS_OF_A_SOURCE,
            LIST: "set",
            **items(pattern=_SYMBOL, maxLength=SYMBOL_BYTES),
        },
        "channels": {"minItems": 1, "maxItems": len(channels), LIST: "set", **items(enum=list(channels))},
    }


def _symbols_of_markets(markets: Iterable[Market]) -> Iterator[Schema]:
    """As `marketfeed.symbol_rules` has it."""
    contract = "-.+-(PERP|[0-9]{6})$"
    without_usd = sorted({m.exchange for m in markets if m.name == "linear" and not linear_in_usd(m)})
    for condition, none_is, told in (
        ("self.market == 'spot'", f"s.matches('{contract}')", "a derivative, and its market is spot; write BASE-QUOTE"),
        ("self.market == 'linear'", f"!s.matches('{contract}')", "a spot symbol; write BASE-QUOTE-PERP or BASE-QUOTE-yymmdd"),
        ("self.market == 'inverse'", f"!s.matches('{contract}')", "a spot symbol; write BASE-USD-PERP or BASE-USD-yymmdd"),
        (
            f"self.market == 'linear' && self.exchange in {texts(without_usd)}",
            "s.contains('-USD-')",
            "a contract quoted in USD, and its market is linear; write another quote",
        ),
        (
            "self.market == 'inverse'",
            "!s.contains('-USD-')",
            "a contract that is not quoted in USD, and its market is inverse; write BASE-USD-PERP or BASE-USD-yymmdd",
        ),
    ):
        yield rule(
            f"!({condition}) || !has(self.symbols) || !self.symbols.exists(s, {none_is})",
            f"names {told}, or choose a market that has it",
        )


def _markets_of(exchange: str) -> Schema:
    names = catalogue.markets(exchange)
    expression = f"self.exchange != '{exchange}' || self.market in {texts(names)}"
    return rule(expression, f"unknown market: {exchange} has {', '.join(names)}")


def _channels_of(market: Market) -> Schema:
    elsewhere = f"self.exchange != '{market.exchange}' || self.market != '{market.name}'"
    intervals = [c.partition(".")[2] for c in market.channels if c.startswith("candles.")]
    plain = [c for c in market.channels if not c.startswith("candles.")]
    candles = [f"candles of {', '.join(intervals)}"] if intervals else []
    return rule(
        f"{elsewhere} || self.channels.all(c, c in {texts(market.channels)})",
        f"unknown channel: {market.exchange} {market.name} has {', '.join([*plain, *candles])}",
    )


def _ceilings_of(market: Market) -> Iterator[Schema]:
    limits = market.limits
    ceilings: dict[str, tuple[Limit, str]] = {
        "streamsPerConnection": (limits.streams_per_connection, "d"),
        "messagesPerSecond": (limits.messages_per_second, ".1f"),
        "connectsPer5Minutes": (limits.connects_per_5_minutes, "d"),
    }
    for name, (limit, form) in ceilings.items():
        most = f"{int(limit.ceiling) if form == 'd' else limit.ceiling:{form}}"
        yield rule(
            f"self.exchange != '{market.exchange}' || self.market != '{market.name}' || !has(self.limits) "
            f"|| !has(self.limits.{name}) || self.limits.{name} <= {most}",
            f"limits.{name} is above the ceiling {limit.ceiling:g} of {market.exchange} {market.name}; "
            f"write 1 to {limit.ceiling:g}",
        )


def _depth_of(market: Market) -> Iterator[Schema]:
    if market.depths:
        levels = ", ".join(map(str, market.depths))
        yield rule(
            f"self.exchange != '{market.exchange}' || self.market != '{market.name}' || !has(self.bookDepth) "
            f"|| self.bookDepth <= {max(market.depths)}",
            f"bookDepth is above what there is: {market.exchange} {market.name} has books of {levels} levels",
        )


def _apart(name: str, markets: Iterable[Market]) -> Schema:
    """Of an address that only some markets keep apart."""
    having = [market for market in markets if name in market.endpoints.others]
    places = " || ".join(f"(self.exchange == '{m.exchange}' && self.market == '{m.name}')" for m in having)
    told = ", ".join(f"{m.exchange} {m.name}" for m in having)
    return rule(
        f"!has(self.endpoint) || !has(self.endpoint.{name}) || {places or 'false'}",
        f"endpoint.{name} is an address that this market does not keep apart; write it as ws (there is one for {told})",
    )
