"""What the API server refuses by itself: the rules of a manifest as far as a schema or a CEL expression can say them.

`marketfeed.validation` refuses all of it too, and more: what would be too dear here (symbols of all sources compared with each
other) or too fine (hosts and ports in addresses) is left to it, and so to the operator. Lists have a longest length
throughout: by it the API server reckons what a rule may cost.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from marketfeed.fields import Tls
from marketfeed.publisher_rules import KINDS, PLACEHOLDERS
from marketfeed.resource import Endpoint, LimitsSpec, MarketFeedSpec, Proxy, Source, SymbolSelector, Template, Watchdog
from marketfeed.sinks import Grpc, Kafka, Publishers, Redis, RedisPubSub, RedisStreams, Sentinel
from marketfeed.source_rules import PROXY_SCHEMES, WS_FIELDS
from marketfeed.validation import NAME_LENGTH
from marketfeed_operator.cel import CODE, LIST, RULES, exactly_one, items, rule
from marketfeed_operator.schema import Additions, Schema
from marketfeed_operator.source_admission import source

_BRACED: Final = rf"\{{({'|'.join(PLACEHOLDERS)})\}}"
_KNOWN: Final = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)


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
        MarketFeedSpec: {"sources": {"minItems": 1, LIST: "atomic"}},
        Source: source(),
        SymbolSelector: {
            "quote": {"minItems": 1, LIST: "atomic", **items(pattern=f"^{CODE}$", maxLength=64)},
            "include": {"minItems": 1, LIST: "atomic", **items(minLength=1, maxLength=64)},
            "exclude": {"minItems": 1, LIST: "atomic", **items(minLength=1, maxLength=64)},
        },
        Endpoint: {
            **{name: _address(("ws", "wss"), bare=True) for name in WS_FIELDS},
            "rest": _address(("http", "https"), bare=True),
        },
        LimitsSpec: {name: {"minimum": 1} for name in ("streamsPerConnection", "messagesPerSecond", "connectsPer5Minutes")},
        Proxy: {"": {RULES: [exactly_one("url", "urlFrom")]}, "url": _address(PROXY_SCHEMES)},
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
                    exactly_one("url", "urlFrom", "sentinel"),
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
            "addresses": {"minItems": 1, LIST: "atomic", **items(pattern=r"^[^/@\s]+$", maxLength=1024)},
        },
        Kafka: {
            "bootstrapServers": {"minItems": 1, LIST: "atomic", **items(pattern=r"^[^/@?#\s]+:[0-9]+$", maxLength=1024)},
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
        Template: {name: {LIST: "atomic"} for name in ("tolerations", "imagePullSecrets", "env")},
    }


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
