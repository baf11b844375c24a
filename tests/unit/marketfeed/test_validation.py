"""One good and one bad manifest of every rule."""

from __future__ import annotations

import copy
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketfeed.planner import plan
from marketfeed.problem import NotAccepted
from marketfeed.validation import parse, validate

SECRET = {"secretKeyRef": {"name": "n", "key": "k"}}
GOOD: dict[str, Any] = {
    "apiVersion": "marketfeed.dev/v1alpha1",
    "kind": "MarketFeed",
    "metadata": {"name": "feed"},
    "spec": {
        "sources": [
            {"exchange": "binance", "market": "spot", "symbols": ["BTC-USDT", "ETH-USDT"], "channels": ["trades", "bbo"]}
        ],
        "publishers": {"grpc": {}},
    },
}
WHOLE: dict[str, Any] = {
    **GOOD,
    "spec": {
        "paused": False,
        "sources": [
            {
                "exchange": "binance",
                "market": "spot",
                "symbols": ["BTC-USDT", "ETH-USDT"],
                "channels": ["trades", "bbo", "book", "candles.1m", "ticker"],
                "bookDepth": 400,
                "backfill": True,
                "transport": "websockets",
                "proxy": {"url": "socks5://proxy:1080"},
                "endpoint": {"ws": "wss://h:1", "rest": "https://h"},
                "limits": {"streamsPerConnection": 900, "messagesPerSecond": 2, "connectsPer5Minutes": 100},
            },
            {
                "exchange": "binance",
                "market": "spot",
                "symbolSelector": {"quote": ["USDT"], "include": ["*"], "exclude": ["*UP-*"], "limit": 200},
                "channels": ["trades"],
            },
        ],
        "publishers": {
            "redisPubSub": {"urlFrom": SECRET, "channel": "md.{exchange}.{market}.{channel}.{symbol}", "maxAge": "1s"},
            "redisStreams": {"url": "redis://h", "key": "md.{symbol}", "maxLen": 100000, "bufferBytes": "64Mi"},
            "kafka": {"bootstrapServers": ["a:1"], "topic": "md.{channel}", "acks": "all", "compression": "lz4"},
            "grpc": {"port": 9090, "slowClient": "drop-oldest", "maxAge": "1s", "required": True, "encoding": "json"},
        },
        "sharding": {"connectionsPerShard": 4, "maxMessagesPerSecond": 50000, "legs": 1, "replicas": 1},
        "watchdog": {"staleAfter": "30s", "checkInterval": "5s"},
        "template": {"resources": {}, "nodeSelector": {}, "tolerations": [], "priorityClassName": "high", "labels": {"a": "b"}},
    },
}
"""All that a manifest can say, once."""
ABSENT = object()
"""In place of a value: the field is taken away."""


def changed(path: str, value: Any) -> dict[str, Any]:
    """The good manifest with one value changed; steps of a path that are not there are made."""
    manifest = copy.deepcopy(GOOD)
    place: Any = manifest
    *way, last = [int(step) if step.isdecimal() else step for step in path.split("/")]
    for step in way:
        place = place[step] if isinstance(step, int) else place.setdefault(step, {})
    if value is ABSENT:
        del place[last]
    else:
        place[last] = value
    return manifest


SOURCE = "spec/sources/0"
PUBLISHERS = "spec/publishers"


def source(**fields: Any) -> dict[str, Any]:
    return {"exchange": "binance", "market": "spot", "symbols": ["SOL-USDT"], "channels": ["trades"], **fields}


def linear(**fields: Any) -> dict[str, Any]:
    return source(**{"market": "linear", "symbols": ["SOL-USDT-PERP"], **fields})


def okx(**fields: Any) -> dict[str, Any]:
    return source(exchange="okx", **fields)


def selecting(**selector: Any) -> dict[str, Any]:
    return {"exchange": "binance", "market": "spot", "channels": ["trades"], "symbolSelector": selector}


ACCEPTED: dict[str, tuple[str, Any]] = {
    "as it is": ("metadata/name", "feed"),
    "longest name": ("metadata/name", "a" * 40),
    "fields of Kubernetes": ("metadata/creationTimestamp", "2026-01-01T00:00:00Z"),
    "status of a live object": ("status", {"observedGeneration": 1}),
    "paused": ("spec/paused", True),
    "candles": (f"{SOURCE}/channels", ["candles.1m", "candles.1M", "book", "ticker"]),
    "digits and letters of other scripts in a symbol": (f"{SOURCE}/symbols", ["1INCH-USDT", "币安人生-USDT"]),
    "2000 symbols": (f"{SOURCE}/symbols", [f"S{i}-USDT" for i in range(2000)]),
    "a selector": (SOURCE, selecting(quote=["USDT"], exclude=["*UP-*"], limit=200)),
    "a selector that chooses all": (SOURCE, selecting()),
    "a selector that overlaps": ("spec/sources", [GOOD["spec"]["sources"][0], selecting(include=["BTC-*"])]),
    "the same symbol on other channels": ("spec/sources", [source(), source(channels=["bbo"])]),
    "32 sources": ("spec/sources", [source(symbols=[f"S{i}-USDT"]) for i in range(32)]),
    "book depth": (f"{SOURCE}/bookDepth", 400),
    "endpoint": (f"{SOURCE}/endpoint", {"ws": "ws://localhost:9443/prefix", "rest": "https://[::1]:1"}),
    "apart endpoints of Binance's futures": (SOURCE, linear(endpoint={"wsMarket": "wss://h", "wsPublic": "ws://h"})),
    "apart endpoints of OKX": (SOURCE, okx(endpoint={"wsBusiness": "wss://h", "wsPublic": "ws://h"})),
    "one endpoint for all that are apart": (SOURCE, okx(endpoint={"ws": "wss://h"})),
    "contracts of a linear market": (SOURCE, linear(symbols=["BTC-USDT-PERP", "BTC-USDC-PERP", "BTC-USDT-261225"])),
    "linear contracts of OKX that are margined in dollars": (SOURCE, okx(market="linear", symbols=["BTC-USD-PERP"])),
    "contracts of an inverse market": (SOURCE, linear(market="inverse", symbols=["BTC-USD-PERP", "BTC-USD-261225"])),
    "deepest book": (SOURCE, okx(channels=["book"], bookDepth=400)),
    "limits at the ceiling": (
        f"{SOURCE}/limits",
        {"streamsPerConnection": 1024, "messagesPerSecond": 5, "connectsPer5Minutes": 300},
    ),
    "limits at 1": (f"{SOURCE}/limits", {"streamsPerConnection": 1, "messagesPerSecond": 1, "connectsPer5Minutes": 1}),
    "limits without content": (f"{SOURCE}/limits", None),
    "http proxy": (f"{SOURCE}/proxy", {"url": "http://proxy:3128"}),
    "socks proxy": (SOURCE, source(transport="websockets", proxy={"url": "socks5h://proxy:1080"})),
    "proxy from a secret": (f"{SOURCE}/proxy", {"urlFrom": SECRET}),
    "a proxy without content": (f"{SOURCE}/proxy", None),
    "grpc whole": (
        f"{PUBLISHERS}/grpc",
        {
            "port": 1,
            "slowClient": "conflate",
            "maxAge": "500ms",
            "bufferBytes": "64Mi",
            "required": False,
            "tls": {"certFrom": SECRET, "keyFrom": SECRET},
        },
    ),
    "bytes as a number": (f"{PUBLISHERS}/grpc/bufferBytes", 1048576),
    "redis": (f"{PUBLISHERS}/redisPubSub", {"url": "redis://localhost:6379/0", "channel": "a.{symbol}.{channel}"}),
    "redis over TLS": (f"{PUBLISHERS}/redisPubSub", {"url": "rediss://user@[::1]:6379", "tls": {"caFrom": SECRET}}),
    "redis from a secret": (f"{PUBLISHERS}/redisPubSub", {"urlFrom": SECRET, "passwordFrom": SECRET, "username": "u"}),
    "redis behind sentinels": (
        f"{PUBLISHERS}/redisStreams",
        {"sentinel": {"master": "m", "addresses": ["a", "b:26379"]}, "maxLen": 1},
    ),
    "redis cluster": (f"{PUBLISHERS}/redisPubSub", {"url": "redis://h", "cluster": True}),
    "a template without placeholders": (f"{PUBLISHERS}/redisPubSub", {"url": "redis://h", "channel": "all"}),
    "kafka": (
        f"{PUBLISHERS}/kafka",
        {
            "bootstrapServers": ["b0:9092", "[::1]:9092"],
            "topic": "md.{channel}",
            "acks": "all",
            "compression": "lz4",
            "sasl": {"mechanism": "SCRAM-SHA-512", "usernameFrom": SECRET, "passwordFrom": SECRET},
            "tls": {"caFrom": SECRET, "certFrom": SECRET, "keyFrom": SECRET},
            "encoding": "protobuf",
        },
    ),
    "sharding": ("spec/sharding", {"connectionsPerShard": 1000, "maxMessagesPerSecond": 1, "legs": 2, "replicas": 2}),
    "watchdog": ("spec/watchdog", {"staleAfter": "5s", "checkInterval": "5s"}),
    "watchdog in minutes": ("spec/watchdog/staleAfter", "1.5m"),
    "template": (
        "spec/template",
        {"resources": {}, "nodeSelector": {"a": "b"}, "tolerations": [], "env": [{"name": "A"}], "labels": {"a/b": "c"}},
    ),
}

REFUSED: dict[str, tuple[str, Any, str, str]] = {
    "another version": ("apiVersion", "marketfeed.dev/v1", "apiVersion", "write marketfeed.dev/v1alpha1"),
    "another kind": ("kind", "Feed", "kind", "write MarketFeed"),
    "unknown field at the top": ("spce", {}, "spce", "unknown field; did you mean spec?"),
    "unknown field of metadata": ("metadata/nmae", "x", "metadata.nmae", "did you mean name?"),
    "unknown field of a source": (f"{SOURCE}/chanels", [], "spec.sources[0].chanels", "did you mean channels?"),
    "a field in Python's spelling": (f"{SOURCE}/book_depth", 5, "spec.sources[0].book_depth", "did you mean bookDepth?"),
    "no name": ("metadata", {}, "metadata.name", "is missing"),
    "long name": ("metadata/name", "a" * 41, "metadata.name", "has 41 characters"),
    "name in upper case": ("metadata/name", "Feed", "metadata.name", "is no name of a feed"),
    "name that begins with a digit": ("metadata/name", "1feed", "metadata.name", "is no name of a feed"),
    "name that ends with a dash": ("metadata/name", "feed-", "metadata.name", "is no name of a feed"),
    "name with a line end": ("metadata/name", "feed\n", "metadata.name", "is no name of a feed"),
    "name that is a number": ("metadata/name", 5, "metadata.name", 'put it in quotes: "5"'),
    "no namespace": ("metadata/namespace", "A_b", "metadata.namespace", "is no namespace"),
    "no spec": ("spec", ABSENT, "spec", "is missing"),
    "spec that is a list": ("spec", [], "spec", "is a list, not a section"),
    "no sources": ("spec/sources", ABSENT, "spec.sources", "is missing"),
    "empty sources": ("spec/sources", [], "spec.sources", "is empty"),
    "a selector without content": (
        SOURCE,
        {**selecting(), "symbolSelector": None},
        "spec.sources[0]",
        "has neither symbols nor symbolSelector",
    ),
    "grpc without content": (f"{PUBLISHERS}/grpc", None, "spec.publishers", "names no publisher"),
    "sources without content": ("spec/sources", None, "spec.sources", "is empty"),
    "33 sources": ("spec/sources", [source(symbols=[f"S{i}-USDT"]) for i in range(33)], "spec.sources", "more than 32"),
    "a source that is text": ("spec/sources", ["binance"], "spec.sources[0]", "is 'binance', not a section"),
    "paused as text": ("spec/paused", "true", "spec.paused", "is 'true', not true or false"),
    "paused as a number": ("spec/paused", 1, "spec.paused", "is 1, not true or false"),
    "unknown exchange": (f"{SOURCE}/exchange", "bitmex", "spec.sources[0].exchange", "unknown exchange 'bitmex'"),
    "unknown market": (f"{SOURCE}/market", "linaer", "spec.sources[0].market", "unknown market 'linaer': binance has spot"),
    "no exchange": (f"{SOURCE}/exchange", ABSENT, "spec.sources[0].exchange", "is missing"),
    "unknown channel": (f"{SOURCE}/channels", ["trade"], "spec.sources[0].channels[0]", "did you mean trades?"),
    "channel that the market lacks": (
        f"{SOURCE}/channels",
        ["bbo", "liquidations"],
        "spec.sources[0].channels[1]",
        "binance spot has no channel 'liquidations'; it has trades, bbo, book, ticker, candles.<interval>",
    ),
    "candles without an interval": (f"{SOURCE}/channels", ["candles"], "spec.sources[0].channels[0]", "names no interval"),
    "candles of another interval": (f"{SOURCE}/channels", ["candles.7m"], "spec.sources[0].channels[0]", "no interval '7m'"),
    "channel twice": (f"{SOURCE}/channels", ["bbo", "bbo"], "spec.sources[0].channels[1]", "named twice"),
    "no channel": (f"{SOURCE}/channels", [], "spec.sources[0].channels", "is empty"),
    "channels missing": (f"{SOURCE}/channels", ABSENT, "spec.sources[0].channels", "is missing"),
    "channels as text": (f"{SOURCE}/channels", "trades", "spec.sources[0].channels", "not a list"),
    "neither symbols nor selector": (f"{SOURCE}/symbols", ABSENT, "spec.sources[0]", "neither symbols nor symbolSelector"),
    "both symbols and selector": (f"{SOURCE}/symbolSelector", {}, "spec.sources[0]", "both symbols and symbolSelector"),
    "no symbol": (f"{SOURCE}/symbols", [], "spec.sources[0].symbols", "is empty"),
    "2001 symbols": (f"{SOURCE}/symbols", [f"S{i}-USDT" for i in range(2001)], "spec.sources[0].symbols", "more than 2000"),
    "symbol in lower case": (f"{SOURCE}/symbols", ["btc-usdt"], "spec.sources[0].symbols[0]", "write BTC-USDT"),
    "symbol with a slash": (f"{SOURCE}/symbols", ["BTC/USDT"], "spec.sources[0].symbols[0]", "write BTC-USDT"),
    "the exchange's own symbol": (f"{SOURCE}/symbols", ["BTCUSDT"], "spec.sources[0].symbols[0]", "is no symbol"),
    "symbol with a date of seven digits": (f"{SOURCE}/symbols", ["A-B-2612250"], "spec.sources[0].symbols[0]", "is no symbol"),
    "symbol with a line end": (f"{SOURCE}/symbols", ["A-B\n"], "spec.sources[0].symbols[0]", "is no symbol"),
    "perpetual on spot": (f"{SOURCE}/symbols", ["BTC-USDT-PERP"], "spec.sources[0].symbols[0]", "is a derivative"),
    "dated future on spot": (f"{SOURCE}/symbols", ["BTC-USDT-261225"], "spec.sources[0].symbols[0]", "is a derivative"),
    "spot symbol of a contract market": (
        SOURCE,
        linear(symbols=["BTC-USDT"]),
        "spec.sources[0].symbols[0]",
        "is no symbol of binance linear: 'BTC-USDT' is spot; write BTC-USDT-PERP or BTC-USDT-yymmdd",
    ),
    "linear contract on inverse": (
        SOURCE,
        linear(market="inverse", symbols=["BTC-USD-PERP", "BTC-USDT-PERP"]),
        "spec.sources[0].symbols[1]",
        "'BTC-USDT-PERP' is not quoted in USD; choose market: linear",
    ),
    "inverse contract on linear": (
        SOURCE,
        linear(symbols=["BTC-USD-261225"]),
        "spec.sources[0].symbols[0]",
        "'BTC-USD-261225' is quoted in USD; choose market: inverse",
    ),
    "futures of Kraken": (
        SOURCE,
        linear(exchange="kraken"),
        "spec.sources[0].market",
        "kraken has no market linear: its documented futures feed ends on 2027-03-01",
    ),
    "symbol that is a truth value": (f"{SOURCE}/symbols", [True], "spec.sources[0].symbols[0]", "is true, not text"),
    "symbol twice": (f"{SOURCE}/symbols", ["A-B", "A-B"], "spec.sources[0].symbols[1]", "A-B is named twice"),
    "symbol and channel in two sources": (
        "spec/sources",
        [source(channels=["bbo", "trades"]), source(symbols=["BTC-USDT", "SOL-USDT"])],
        "spec.sources[1].symbols[1]",
        "SOL-USDT with trades is named by spec.sources[0].symbols[0] already",
    ),
    "empty quotes": (SOURCE, selecting(quote=[]), "spec.sources[0].symbolSelector.quote", "is empty"),
    "empty pattern": (SOURCE, selecting(include=[""]), "spec.sources[0].symbolSelector.include[0]", "selects nothing"),
    "quote in lower case": (SOURCE, selecting(quote=["usdt"]), "spec.sources[0].symbolSelector.quote[0]", "in upper case"),
    "selector of none": (SOURCE, selecting(limit=0), "spec.sources[0].symbolSelector.limit", "is 0, below 1"),
    "selector of too many": (SOURCE, selecting(limit=2001), "spec.sources[0].symbolSelector.limit", "above 2000"),
    "unknown field of a selector": (SOURCE, selecting(quotes=["A"]), "spec.sources[0].symbolSelector.quotes", "mean quote?"),
    "no depth": (f"{SOURCE}/bookDepth", 0, "spec.sources[0].bookDepth", "is 0, below 1"),
    "depth beyond all books": (f"{SOURCE}/bookDepth", 5001, "spec.sources[0].bookDepth", "above 5000"),
    "depth beyond the exchange's": (
        SOURCE,
        source(exchange="bybit", channels=["book"], bookDepth=1001),
        "spec.sources[0].bookDepth",
        "is 1001, and bybit spot has books of 50, 200, 1000 levels; write at most 1000",
    ),
    "depth with a fraction": (f"{SOURCE}/bookDepth", 2.5, "spec.sources[0].bookDepth", "not a whole number"),
    "depth as text": (f"{SOURCE}/bookDepth", "400", "spec.sources[0].bookDepth", "not a whole number"),
    "depth as a truth value": (f"{SOURCE}/bookDepth", True, "spec.sources[0].bookDepth", "is true, not a whole number"),
    "backfill as text": (f"{SOURCE}/backfill", "no", "spec.sources[0].backfill", "not true or false"),
    "unknown transport": (f"{SOURCE}/transport", "tcp", "spec.sources[0].transport", "write picows or websockets"),
    "ws endpoint over http": (f"{SOURCE}/endpoint/ws", "http://h", "spec.sources[0].endpoint.ws", "it is ws or wss"),
    "an endpoint that spot keeps not apart": (
        f"{SOURCE}/endpoint",
        {"wsMarket": "wss://h"},
        "spec.sources[0].endpoint.wsMarket",
        "binance spot keeps no such address apart; write it as ws",
    ),
    "an endpoint that another exchange keeps apart": (
        SOURCE,
        okx(endpoint={"wsMarket": "wss://h"}),
        "spec.sources[0].endpoint.wsMarket",
        "okx spot keeps no such address apart; it has wsPublic, wsBusiness; ws is for all of them",
    ),
    "apart endpoint over http": (
        f"{SOURCE}/endpoint/wsPublic",
        "https://h",
        "spec.sources[0].endpoint.wsPublic",
        "it is ws or wss",
    ),
    "rest endpoint over ws": (f"{SOURCE}/endpoint/rest", "wss://h", "spec.sources[0].endpoint.rest", "it is http or https"),
    "endpoint without a scheme": (f"{SOURCE}/endpoint/ws", "h:9443", "spec.sources[0].endpoint.ws", "has no scheme"),
    "endpoint without a host": (f"{SOURCE}/endpoint/ws", "ws://:9443", "spec.sources[0].endpoint.ws", "names no host"),
    "endpoint with a port beyond": (f"{SOURCE}/endpoint/ws", "ws://h:70000", "spec.sources[0].endpoint.ws", "is no URL"),
    "endpoint with a query": (f"{SOURCE}/endpoint/ws", "ws://h/?a=b", "spec.sources[0].endpoint.ws", "has a query"),
    "endpoint with a space": (f"{SOURCE}/endpoint/ws", "ws://h /", "spec.sources[0].endpoint.ws", "is no URL"),
    "streams above the ceiling": (
        f"{SOURCE}/limits/streamsPerConnection",
        1025,
        "spec.sources[0].limits.streamsPerConnection",
        "is 1025, above the ceiling 1024 of binance spot; write 1 to 1024",
    ),
    "streams below 1": (f"{SOURCE}/limits/streamsPerConnection", 0, "spec.sources[0].limits.streamsPerConnection", "below 1"),
    "messages above the ceiling": (
        f"{SOURCE}/limits/messagesPerSecond",
        5.5,
        "spec.sources[0].limits.messagesPerSecond",
        "above the ceiling 5",
    ),
    "messages below 1": (f"{SOURCE}/limits/messagesPerSecond", 0.5, "spec.sources[0].limits.messagesPerSecond", "below 1"),
    "messages without end": (
        f"{SOURCE}/limits/messagesPerSecond",
        float("inf"),
        "spec.sources[0].limits.messagesPerSecond",
        "is no finite number",
    ),
    "attempts above the ceiling": (
        f"{SOURCE}/limits/connectsPer5Minutes",
        301,
        "spec.sources[0].limits.connectsPer5Minutes",
        "above the ceiling 300",
    ),
    "attempts below 1": (f"{SOURCE}/limits/connectsPer5Minutes", -1, "spec.sources[0].limits.connectsPer5Minutes", "below 1"),
    "proxy of nothing": (f"{SOURCE}/proxy", {}, "spec.sources[0].proxy", "neither url nor urlFrom"),
    "proxy of two": (
        f"{SOURCE}/proxy",
        {"url": "http://h", "urlFrom": SECRET},
        "spec.sources[0].proxy",
        "both url and urlFrom",
    ),
    "proxy over ws": (f"{SOURCE}/proxy", {"url": "ws://h"}, "spec.sources[0].proxy.url", "has the scheme 'ws'"),
    "socks proxy for picows": (f"{SOURCE}/proxy", {"url": "socks5://h"}, "spec.sources[0].proxy.url", "transport: websockets"),
    "no publishers": ("spec/publishers", ABSENT, "spec.publishers", "is missing"),
    "no publisher": ("spec/publishers", {}, "spec.publishers", "names no publisher"),
    "unknown publisher": (f"{PUBLISHERS}/redis", {}, "spec.publishers.redis", "unknown field"),
    "redis without an address": (f"{PUBLISHERS}/redisPubSub", {}, "spec.publishers.redisPubSub", "none of url, urlFrom and"),
    "redis with two addresses": (
        f"{PUBLISHERS}/redisStreams",
        {"url": "redis://h", "urlFrom": SECRET},
        "spec.publishers.redisStreams",
        "has url and urlFrom; give exactly one",
    ),
    "redis with url and sentinel": (
        f"{PUBLISHERS}/redisPubSub",
        {"url": "redis://h", "sentinel": {"master": "m", "addresses": ["a"]}},
        "spec.publishers.redisPubSub",
        "has url and sentinel",
    ),
    "redis over http": (f"{PUBLISHERS}/redisPubSub", {"url": "http://h"}, "spec.publishers.redisPubSub.url", "redis or rediss"),
    "no sentinel": (
        f"{PUBLISHERS}/redisPubSub",
        {"sentinel": {"master": "m", "addresses": []}},
        "spec.publishers.redisPubSub.sentinel.addresses",
        "is empty",
    ),
    "sentinel that is a URL": (
        f"{PUBLISHERS}/redisPubSub",
        {"sentinel": {"master": "m", "addresses": ["redis://a"]}},
        "spec.publishers.redisPubSub.sentinel.addresses[0]",
        "not host:port",
    ),
    "sentinels of a cluster": (
        f"{PUBLISHERS}/redisPubSub",
        {"sentinel": {"master": "m", "addresses": ["a"]}, "cluster": True},
        "spec.publishers.redisPubSub.cluster",
        "beside sentinel",
    ),
    "unknown placeholder": (
        f"{PUBLISHERS}/redisPubSub",
        {"url": "redis://h", "channel": "md.{symbl}"},
        "spec.publishers.redisPubSub.channel",
        "unknown placeholder {symbl}; did you mean {symbol}?",
    ),
    "placeholder without a name": (
        f"{PUBLISHERS}/redisStreams",
        {"url": "redis://h", "key": "md.{}"},
        "spec.publishers.redisStreams.key",
        "unknown placeholder {}",
    ),
    "placeholder with a format": (
        f"{PUBLISHERS}/redisStreams",
        {"url": "redis://h", "key": "{symbol!r}"},
        "spec.publishers.redisStreams.key",
        "unknown placeholder {symbol!r}",
    ),
    "broken brace": (
        f"{PUBLISHERS}/kafka",
        {"bootstrapServers": ["a:1"], "topic": "md.{channel"},
        "spec.publishers.kafka.topic",
        "a brace without its other half",
    ),
    "topic that Kafka does not take": (
        f"{PUBLISHERS}/kafka",
        {"bootstrapServers": ["a:1"], "topic": "md/{channel}"},
        "spec.publishers.kafka.topic",
        "is no name of a topic",
    ),
    "empty template": (
        f"{PUBLISHERS}/redisPubSub",
        {"url": "redis://h", "channel": ""},
        "spec.publishers.redisPubSub.channel",
        "is empty",
    ),
    "no broker": (f"{PUBLISHERS}/kafka", {"bootstrapServers": []}, "spec.publishers.kafka.bootstrapServers", "is empty"),
    "broker without a port": (
        f"{PUBLISHERS}/kafka",
        {"bootstrapServers": ["a"]},
        "spec.publishers.kafka.bootstrapServers[0]",
        "names no port",
    ),
    "acks as a number": (
        f"{PUBLISHERS}/kafka",
        {"bootstrapServers": ["a:1"], "acks": 1},
        "spec.publishers.kafka.acks",
        'write "1", in quotes',
    ),
    "unknown compression": (
        f"{PUBLISHERS}/kafka",
        {"bootstrapServers": ["a:1"], "compression": "zip"},
        "spec.publishers.kafka.compression",
        "write none, gzip, snappy, lz4 or zstd",
    ),
    "unknown mechanism": (
        f"{PUBLISHERS}/kafka",
        {"bootstrapServers": ["a:1"], "sasl": {"mechanism": "GSSAPI", "usernameFrom": SECRET, "passwordFrom": SECRET}},
        "spec.publishers.kafka.sasl.mechanism",
        "write PLAIN",
    ),
    "secret without a key": (
        f"{PUBLISHERS}/redisPubSub",
        {"urlFrom": {"secretKeyRef": {"name": "n"}}},
        "spec.publishers.redisPubSub.urlFrom.secretKeyRef.key",
        "is missing",
    ),
    "certificate without a key": (f"{PUBLISHERS}/grpc/tls", {"certFrom": SECRET}, "spec.publishers.grpc.tls", "certFrom alone"),
    "server without a certificate": (f"{PUBLISHERS}/grpc/tls", {}, "spec.publishers.grpc.tls", "a server needs one"),
    "secret without a name": (
        f"{PUBLISHERS}/redisPubSub",
        {"urlFrom": {"secretKeyRef": {"name": "", "key": "k"}}},
        "spec.publishers.redisPubSub.urlFrom.secretKeyRef.name",
        "is no name of a Secret: ''",
    ),
    "secret that is a path": (
        f"{PUBLISHERS}/redisPubSub",
        {"urlFrom": {"secretKeyRef": {"name": "n", "key": "../k"}}},
        "spec.publishers.redisPubSub.urlFrom.secretKeyRef.key",
        "is no key of a Secret: '../k'; write letters",
    ),
    "port of more than 64 bits": (f"{PUBLISHERS}/grpc/port", 1 << 20_000, "spec.publishers.grpc.port", "more than 64 bits"),
    "a word that YAML takes for a truth value": (
        f"{SOURCE}/symbols",
        [False],
        "spec.sources[0].symbols[0]",
        "is false, not text; put it in quotes",
    ),
    "a truth value as a field": ("spec", {**GOOD["spec"], True: 1}, "spec.true", "unknown field"),
    "symbol without end": (f"{SOURCE}/symbols", ["A" * 70 + "-B"], "spec.sources[0].symbols[0]", "longer than 64 bytes"),
    "port 0": (f"{PUBLISHERS}/grpc/port", 0, "spec.publishers.grpc.port", "below 1"),
    "port beyond": (f"{PUBLISHERS}/grpc/port", 65536, "spec.publishers.grpc.port", "above 65535"),
    "port as text": (f"{PUBLISHERS}/grpc/port", "9090", "spec.publishers.grpc.port", "not a whole number"),
    "unknown slow client": (f"{PUBLISHERS}/grpc/slowClient", "block", "spec.publishers.grpc.slowClient", "drop-oldest"),
    "duration without a unit": (f"{PUBLISHERS}/grpc/maxAge", 1, "spec.publishers.grpc.maxAge", "without a unit"),
    "duration in days": (f"{PUBLISHERS}/grpc/maxAge", "1d", "spec.publishers.grpc.maxAge", "is no duration"),
    "duration of nothing": (f"{PUBLISHERS}/grpc/maxAge", "0s", "spec.publishers.grpc.maxAge", "more than 0"),
    "bytes without end": (f"{PUBLISHERS}/grpc/bufferBytes", "999999999999999Gi", "spec.publishers.grpc.bufferBytes", "less"),
    "bytes beyond a memory": (f"{PUBLISHERS}/grpc/bufferBytes", 2**50 + 1, "spec.publishers.grpc.bufferBytes", "write less"),
    "bytes in words": (f"{PUBLISHERS}/grpc/bufferBytes", "64 MB", "spec.publishers.grpc.bufferBytes", "no quantity of bytes"),
    "unknown encoding": (f"{PUBLISHERS}/grpc/encoding", "xml", "spec.publishers.grpc.encoding", "write json, msgpack or proto"),
    "length 0": (
        f"{PUBLISHERS}/redisStreams",
        {"url": "redis://h", "maxLen": 0},
        "spec.publishers.redisStreams.maxLen",
        "below 1",
    ),
    "connections below 1": ("spec/sharding/connectionsPerShard", 0, "spec.sharding.connectionsPerShard", "below 1"),
    "connections above 1000": ("spec/sharding/connectionsPerShard", 1001, "spec.sharding.connectionsPerShard", "above 1000"),
    "shard without messages": ("spec/sharding/maxMessagesPerSecond", 0.5, "spec.sharding.maxMessagesPerSecond", "below 1"),
    "three legs": ("spec/sharding/legs", 3, "spec.sharding.legs", "above 2"),
    "legs as a truth value": ("spec/sharding/legs", True, "spec.sharding.legs", "not a whole number"),
    "no replica": ("spec/sharding/replicas", 0, "spec.sharding.replicas", "below 1"),
    "stale before it is looked at": (
        "spec/watchdog",
        {"staleAfter": "5s", "checkInterval": "6s"},
        "spec.watchdog.staleAfter",
        "staleAfter (5s) is below checkInterval (6s)",
    ),
    "stale before the default interval": ("spec/watchdog/staleAfter", "4999ms", "spec.watchdog.staleAfter", "is below"),
    "interval above the default staleness": ("spec/watchdog/checkInterval", "31s", "spec.watchdog.checkInterval", "is below"),
    "unknown field of the template": ("spec/template/volumes", [], "spec.template.volumes", "unknown field"),
    "text that is none": (f"{SOURCE}/endpoint/ws", "ws://\ud800", "spec.sources[0].endpoint.ws", "no valid Unicode"),
}


@pytest.mark.parametrize(("path", "value"), ACCEPTED.values(), ids=ACCEPTED)
def test_accepted(path: str, value: Any) -> None:
    manifest = changed(path, value)
    assert validate(manifest) == []
    assert parse(manifest).metadata.name == manifest["metadata"]["name"]


@pytest.mark.parametrize(("path", "value", "place", "words"), REFUSED.values(), ids=REFUSED)
def test_refused(path: str, value: Any, place: str, words: str) -> None:
    problems = validate(changed(path, value))
    assert [p.path for p in problems] == [place]
    assert words in str(problems[0])
    assert problems[0].reason
    assert problems[0].way_out


def test_all_that_a_manifest_can_say_is_accepted() -> None:
    assert validate(WHOLE) == []


def test_all_problems_are_found_at_once() -> None:
    manifest = changed(f"{SOURCE}/channels", ["trade", "bbo"])
    manifest["spec"]["sources"][0]["symbols"] = ["btc", 5]
    manifest["spec"]["watchdog"] = {"staleAfter": 3}
    manifest["spec"]["publishers"] = {}
    manifest["metadata"]["name"] = "Feed"
    assert {p.path for p in validate(manifest)} == {
        "metadata.name",
        "spec.publishers",
        "spec.sources[0].channels[0]",
        "spec.sources[0].symbols[0]",
        "spec.sources[0].symbols[1]",
        "spec.watchdog.staleAfter",
    }


@pytest.mark.parametrize("manifest", [{}, {"spec": None}, {1: 2}, {"spec": {"sources": {}, "publishers": []}}])
def test_whatever_it_is_it_is_told_and_nothing_is_raised(manifest: dict[Any, Any]) -> None:
    assert validate(manifest)


def test_parse_raises_with_all_problems() -> None:
    with pytest.raises(NotAccepted) as refused:
        parse(changed("spec", {"sources": [], "publishers": {}}))
    assert [p.path for p in refused.value.problems] == ["spec.sources", "spec.publishers"]


def places(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Every place in a manifest."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, content in inner for found in places(content, (*path, key)))]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["redis://h", "{symbol}"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=300)
@given(st.sampled_from([path for path in places(WHOLE) if path]), VALUES)
def test_whatever_stands_anywhere_is_judged_and_what_is_accepted_can_be_planned(path: tuple[Any, ...], value: Any) -> None:
    manifest = copy.deepcopy(WHOLE)
    place: Any = manifest
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    problems = validate(manifest)
    assert all(p.reason and p.way_out for p in problems)
    if not problems:
        with suppress(NotAccepted):
            plan(parse(manifest))


def test_a_terminal_obeys_nothing_that_a_manifest_says() -> None:
    manifest = changed(f"{PUBLISHERS}/\x1b[31m", 1)
    manifest["spec"]["sources"][0]["symbols"] = ["\x1b[2J", "\x1b[2J"]
    told = [str(problem) for problem in validate(manifest)]
    assert 'spec.publishers["\\u001b[31m"]: is an unknown field' in told[0]
    assert len(told) == 4
    assert all(text.isprintable() for text in told)
