"""What the API server refuses by itself: the rules of a manifest as far as a schema or a CEL expression can say them.

`marketfeed.validation` refuses all of it too, and more: what would be too dear here (symbols of all sources compared with each
other) or too fine (hosts and ports in addresses) is left to it, and so to the operator. Lists have a longest length
throughout: by it the API server reckons what a rule may cost.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from marketfeed.exchanges import catalogue
from marketfeed.exchanges.exchange import Limit, Market
from marketfeed.fields import Tls
from marketfeed.publisher_rules import KINDS, PLACEHOLDERS
from marketfeed.resource import (
    SYMBOLS_OF_A_SOURCE,
    Endpoint,
    LimitsSpec,
    MarketFeedSpec,
    Proxy,
    Source,
    SymbolSelector,
    Template,
    Watchdog,
)
from marketfeed.sinks import Grpc, Kafka, Publishers, Redis, RedisPubSub, RedisStreams, Sentinel
from marketfeed.source_rules import PROXY_SCHEMES, SYMBOL_BYTES
from marketfeed.validation import NAME_LENGTH
from marketfeed_operator.schema import Additions, Schema

RULES: Final = "x-kubernetes-validations"
_LIST: Final = "x-kubernetes-list-type"
# As `marketfeed.symbols` has it, in the words of the regular expressions that the API server knows.
_CODE: Final = r"([^\P{L}a-z]|\p{N})+"
_SYMBOL: Final = rf"^{_CODE}-{_CODE}(-PERP|-[0-9]{{6}})?$"
_BRACED: Final = rf"\{{({'|'.join(PLACEHOLDERS)})\}}"
_KNOWN: Final = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)


def rule(expression: str, message: str) -> Schema:
    """One CEL rule with the sentence that a refused user reads."""
    return {"rule": expression, "message": message}


def name_rule() -> Schema:
    """Of the feed's own name: the children's names begin with it."""
    return rule(
        f"size(self.metadata.name) <= {NAME_LENGTH} && self.metadata.name.matches('^[a-z]([a-z0-9-]*[a-z0-9])?$')",
        f"metadata.name: is no name of a feed; write at most {NAME_LENGTH} characters: lower-case letters, digits and dashes, "
        "a letter first, no dash last",
    )


def additions() -> Additions:
    """What the schema says beside what the types say, by type and field."""
    return {
        MarketFeedSpec: {"sources": {"minItems": 1, _LIST: "atomic"}},
        Source: _source(),
        SymbolSelector: {
            "quote": {"minItems": 1, _LIST: "atomic", **_items(pattern=f"^{_CODE}$", maxLength=64)},
            "include": {"minItems": 1, _LIST: "atomic", **_items(minLength=1, maxLength=64)},
            "exclude": {"minItems": 1, _LIST: "atomic", **_items(minLength=1, maxLength=64)},
        },
        Endpoint: {
            **{name: _address(("ws", "wss"), bare=True) for name in ("ws", "wsPublic", "wsMarket", "wsBusiness")},
            "rest": _address(("http", "https"), bare=True),
        },
        LimitsSpec: {name: {"minimum": 1} for name in ("streamsPerConnection", "messagesPerSecond", "connectsPer5Minutes")},
        Proxy: {"": {RULES: [_exactly_one("url", "urlFrom")]}, "url": _address(PROXY_SCHEMES)},
        Publishers: {
            "": {
                RULES: [
                    rule(
                        " || ".join(f"has(self.{kind})" for kind in KINDS),
                        f"names no publisher; add at least one of {', '.join(KINDS)}, such as grpc: {{}}",
                    )
                ]
            }
        },
        Redis: {
            "": {
                RULES: [
                    _exactly_one("url", "urlFrom", "sentinel"),
                    rule(
                        "!has(self.sentinel) || !has(self.cluster) || !self.cluster",
                        "has a sentinel and cluster: true; keep one of them: a cluster has no sentinels",
                    ),
                ]
            },
            "url": _address(("redis", "rediss")),
        },
        RedisPubSub: {"channel": _template(r"[^{}]")},
        RedisStreams: {"key": _template(r"[^{}]")},
        Sentinel: {
            "master": {"minLength": 1},
            "addresses": {"minItems": 1, _LIST: "atomic", **_items(pattern=r"^[^/@\s]+$", maxLength=1024)},
        },
        Kafka: {
            "bootstrapServers": {"minItems": 1, _LIST: "atomic", **_items(pattern=r"^[^/@?#\s]+:[0-9]+$", maxLength=1024)},
            "topic": _template("[A-Za-z0-9._-]"),
        },
        Tls: {"": {RULES: [rule("has(self.certFrom) == has(self.keyFrom)", "give certFrom and keyFrom together")]}},
        Grpc: {
            "": {
                RULES: [
                    rule(
                        "!has(self.tls) || has(self.tls.certFrom)",
                        "tls has no certificate, and a server needs one; give certFrom and keyFrom",
                    )
                ]
            }
        },
        Watchdog: {"": {RULES: [_staleness()]}},
        Template: {name: {_LIST: "atomic"} for name in ("tolerations", "imagePullSecrets", "env")},
    }


def _source() -> dict[str, Schema]:
    markets = list(catalogue.MARKETS.values())
    channels = dict.fromkeys(channel for market in markets for channel in market.channels)
    names = dict.fromkeys(market.name for market in markets)
    rules = [
        _exactly_one("symbols", "symbolSelector"),
        rule(
            "self.market != 'spot' || !has(self.symbols) || !self.symbols.exists(s, s.matches('-.+-(PERP|[0-9]{6})$'))",
            "names a derivative, and its market is spot; write BASE-QUOTE, or choose a market that has it",
        ),
        rule(
            "!has(self.proxy) || !has(self.proxy.url) || !self.proxy.url.matches('(?i)^socks') "
            "|| (has(self.transport) && self.transport == 'websockets')",
            "has a socks proxy, which the transport picows does not have; set transport: websockets beside it, "
            "or use an http proxy",
        ),
        *(_markets_of(exchange) for exchange in catalogue.exchanges()),
    ]
    for market in markets:
        rules += [_channels_of(market), *_ceilings_of(market)]
    return {
        "": {RULES: rules},
        "exchange": {"enum": catalogue.exchanges()},
        "market": {"enum": list(names)},
        # A set has no value twice.
        "symbols": {
            "minItems": 1,
            "maxItems": SYMBOLS_OF_A_SOURCE,
            _LIST: "set",
            **_items(pattern=_SYMBOL, maxLength=SYMBOL_BYTES),
        },
        "channels": {"minItems": 1, "maxItems": len(channels), _LIST: "set", **_items(enum=list(channels))},
    }


def _markets_of(exchange: str) -> Schema:
    names = catalogue.markets(exchange)
    expression = f"self.exchange != '{exchange}' || self.market in {_texts(names)}"
    return rule(expression, f"unknown market: {exchange} has {', '.join(names)}")


def _channels_of(market: Market) -> Schema:
    elsewhere = f"self.exchange != '{market.exchange}' || self.market != '{market.name}'"
    intervals = [c.partition(".")[2] for c in market.channels if c.startswith("candles.")]
    plain = [c for c in market.channels if not c.startswith("candles.")]
    candles = [f"candles of {', '.join(intervals)}"] if intervals else []
    return rule(
        f"{elsewhere} || self.channels.all(c, c in {_texts(market.channels)})",
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


def _staleness() -> Schema:
    default = Watchdog()
    ways = [
        # What is no duration is told by the schema.
        f"duration(has(self.{name}) && self.{name}.matches('^[0-9]{{1,6}}([.][0-9]{{1,3}})?(ms|s|m|h)$') "
        f"? self.{name} : '{value:g}s')"
        for name, value in (("staleAfter", default.stale_after), ("checkInterval", default.check_interval))
    ]
    return rule(
        " >= ".join(ways),
        f"staleAfter is below checkInterval; make it at least as long (without: {default.stale_after:g}s and "
        f"{default.check_interval:g}s)",
    )


def _exactly_one(*names: str) -> Schema:
    given = ", ".join(f"has(self.{name})" for name in names)
    return rule(f"[{given}].filter(given, given).size() == 1", f"give exactly one of {' and '.join(_commas(names))}")


def _address(schemes: Iterable[str], *, bare: bool = False) -> Schema:
    """A URL of one of these schemes; bare: without a query or a fragment."""
    *first, last = (f"{scheme}://" for scheme in schemes)
    known = f"{', '.join(first)} or {last}"
    rules = [rule(f"self.matches('(?i)^({'|'.join(schemes)})://[^\\\\s]+$')", f"write {known} and host:port")]
    if bare:
        rules.append(
            rule("!self.matches('[?#]')", "has a query or a fragment, and the exchange's own paths follow it; leave it out")
        )
    return {RULES: rules}


def _template(plain: str) -> Schema:
    kept = "" if plain == r"[^{}]" else "; else letters, digits, dots, dashes and underscores"
    expression = f"self.matches('^({plain}|{_BRACED})+$')".replace("\\", "\\\\")
    return {RULES: [rule(expression, f"unknown placeholder or no name; there are {_KNOWN}{kept}")]}


def _items(**words: Any) -> Schema:
    return {"items": {"type": "string", **words}}


def _texts(words: Iterable[str]) -> str:
    return "[" + ", ".join(f"'{word}'" for word in words) + "]"


def _commas(names: Iterable[str]) -> list[str]:
    *first, last = names
    return [", ".join(first), last]
