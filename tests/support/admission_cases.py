"""Manifests that must not be accepted, who refuses each, and a good twin of each.

`schema`: the API server, by a type, an enum, a pattern or a bound; `cel`: the API server, by a rule with our own sentence;
`operator`: the API server takes it, and the feed gets Accepted=False. `marketfeed validate` refuses them all.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

SECRET = {"secretKeyRef": {"name": "n", "key": "k"}}
SOURCE = "spec/sources/0"
PUBLISHERS = "spec/publishers"
GONE = object()
"""In place of a value: the field is taken away."""
NOTHING = object()
"""In place of a good value: the good manifest as it is."""

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
    "metadata": {"name": "feed", "labels": {"team": "a"}, "annotations": {"note": "b"}},
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
                "limits": {"streamsPerConnection": 900, "messagesPerSecond": 2.5, "connectsPer5Minutes": 100},
            },
            {
                "exchange": "binance",
                "market": "spot",
                "symbolSelector": {"quote": ["USDT"], "include": ["*"], "exclude": ["*UP-*"], "limit": 200},
                "channels": ["trades"],
                "proxy": {"urlFrom": SECRET},
            },
            {
                "exchange": "binance",
                "market": "linear",
                "symbols": ["BTC-USDT-PERP", "ETH-USDC-261225"],
                "channels": ["derivative", "liquidations", "candles.1M"],
                "endpoint": {"wsPublic": "wss://p", "wsMarket": "wss://m/prefix"},
            },
            {
                "exchange": "okx",
                "market": "inverse",
                "symbols": ["BTC-USD-PERP", "ETH-USD-261225"],
                "channels": ["book"],
                "bookDepth": 400,
                "endpoint": {"wsBusiness": "ws://b:2"},
            },
        ],
        "publishers": {
            "redisPubSub": {
                "urlFrom": SECRET,
                "username": "u",
                "passwordFrom": SECRET,
                "channel": "md.{exchange}.{market}.{channel}.{symbol}",
                "maxAge": "1s",
                "tls": {"caFrom": SECRET},
            },
            "redisStreams": {
                "sentinel": {"master": "mymaster", "addresses": ["a:26379", "b"]},
                "key": "md.{exchange}.{market}.{channel}.{symbol}",
                "maxLen": 100000,
                "bufferBytes": "64Mi",
                "required": False,
            },
            "kafka": {
                "bootstrapServers": ["a:9092", "b:9092"],
                "topic": "md.{channel}",
                "acks": "all",
                "compression": "lz4",
                "sasl": {"mechanism": "SCRAM-SHA-512", "usernameFrom": SECRET, "passwordFrom": SECRET},
                "tls": {"caFrom": SECRET, "certFrom": SECRET, "keyFrom": SECRET},
            },
            "grpc": {
                "port": 9090,
                "slowClient": "drop-oldest",
                "maxAge": "1s",
                "tls": {"certFrom": SECRET, "keyFrom": SECRET, "clientCaFrom": SECRET},
                "required": True,
                "bufferBytes": 1048576,
                "encoding": "json",
            },
        },
        "sharding": {"connectionsPerShard": 4, "maxMessagesPerSecond": 50000, "legs": 1, "replicas": 1},
        "watchdog": {"staleAfter": "30s", "checkInterval": "5s"},
        "template": {
            "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "1Gi"}},
            "nodeSelector": {"disk": "ssd"},
            "tolerations": [{"key": "k", "operator": "Exists", "effect": "NoSchedule"}],
            "affinity": {"nodeAffinity": {}},
            "priorityClassName": "high",
            "imagePullSecrets": [{"name": "registry"}],
            "env": [{"name": "TZ", "value": "UTC"}],
            "annotations": {"a": "b"},
            "labels": {"a": "b"},
        },
    },
}
"""All that a manifest can say, once."""


@dataclass(frozen=True, slots=True)
class Case:
    """The good manifest with one value changed: to one that is refused, and to one that is accepted."""

    name: str
    refused_by: Literal["schema", "cel", "operator"]
    path: str
    bad: Any
    good: Any
    words: str = ""
    """What the API server's refusal says, where the rule has a sentence of ours."""

    @property
    def manifest(self) -> dict[str, Any]:
        return changed(self.path, self.bad)

    @property
    def twin(self) -> dict[str, Any]:
        return changed(self.path, self.good) if self.good is not NOTHING else GOOD


def changed(path: str, value: Any) -> dict[str, Any]:
    """The good manifest with one value changed; steps of a path that are not there are made."""
    manifest = copy.deepcopy(GOOD)
    place: Any = manifest
    *way, last = [int(step) if step.isdecimal() else step for step in path.split("/")]
    for step in way:
        place = place[step] if isinstance(step, int) else place.setdefault(step, {})
    if value is GONE:
        del place[last]
    else:
        place[last] = value
    return manifest


def source(**fields: Any) -> dict[str, Any]:
    """A source; a field that is `GONE` is left out."""
    whole = {"exchange": "binance", "market": "spot", "symbols": ["SOL-USDT"], "channels": ["trades"], **fields}
    return {name: value for name, value in whole.items() if value is not GONE}


def _cases() -> Iterator[Case]:
    yield from _structure()
    yield from _sources()
    yield from _addresses()
    yield from _publishers()
    yield from _rest()


def _structure() -> Iterator[Case]:
    yield Case("unknown field", "schema", "spec/sourcez", [], NOTHING)
    yield Case("unknown field of a source", "schema", f"{SOURCE}/symbol", ["BTC-USDT"], NOTHING)
    yield Case("unknown field of a publisher", "schema", f"{PUBLISHERS}/grpc/host", "h", NOTHING)
    yield Case("unknown publisher", "schema", f"{PUBLISHERS}/redis", {"url": "redis://h"}, NOTHING)
    yield Case("no sources", "schema", "spec/sources", GONE, [source()])
    yield Case("empty sources", "schema", "spec/sources", [], [source()])
    yield Case("33 sources", "schema", "spec/sources", _many(33), _many(32))
    yield Case("no publishers", "schema", PUBLISHERS, GONE, {"grpc": {}})
    yield Case("empty publishers", "cel", PUBLISHERS, {}, {"grpc": {}}, "names no publisher")
    yield Case("text for a truth value", "schema", "spec/paused", "yes", True)
    yield Case("text for a number", "schema", f"{SOURCE}/bookDepth", "400", 400)


def _sources() -> Iterator[Case]:
    yield Case("unknown exchange", "schema", f"{SOURCE}/exchange", "binanze", "binance")
    yield Case("unknown market", "schema", f"{SOURCE}/market", "spots", "spot")
    yield Case("market that the exchange lacks", "cel", SOURCE, *_on("kraken", "linear", "spot"), "kraken has spot")
    yield Case("unknown channel", "schema", f"{SOURCE}/channels", ["trade"], ["trades"])
    yield Case("unknown interval", "schema", f"{SOURCE}/channels", ["candles.7m"], ["candles.5m"])
    lacking = "unknown channel: binance spot has trades"
    yield Case("channel that the market lacks", "cel", f"{SOURCE}/channels", ["liquidations"], ["ticker"], lacking)
    interval = source(exchange="kraken", channels=["candles.1s"]), source(exchange="kraken", channels=["candles.1m"])
    yield Case("interval that the market lacks", "cel", SOURCE, *interval, "kraken spot has")
    yield Case("no channels", "schema", f"{SOURCE}/channels", GONE, ["bbo"])
    yield Case("empty channels", "schema", f"{SOURCE}/channels", [], ["bbo"])
    yield Case("channel twice", "schema", f"{SOURCE}/channels", ["bbo", "bbo"], ["bbo", "trades"])
    both = source(symbolSelector={"quote": ["USDT"]})
    selecting = source(symbols=GONE, symbolSelector={"quote": ["USDT"]})
    yield Case("symbols and selector", "cel", SOURCE, both, selecting, "exactly one of symbols and symbolSelector")
    yield Case("neither symbols nor selector", "cel", SOURCE, source(symbols=GONE), source(), "exactly one of symbols")
    yield Case("empty symbols", "schema", f"{SOURCE}/symbols", [], ["BTC-USDT"])
    yield Case("symbol twice", "schema", f"{SOURCE}/symbols", ["BTC-USDT", "BTC-USDT"], ["BTC-USDT", "ETH-USDT"])
    again = [source(), source(channels=["bbo", "trades"])]
    yield Case("symbol and channel in two sources", "operator", "spec/sources", again, [source(), source(channels=["bbo"])])
    names = [f"S{i}-USDT" for i in range(2001)]
    yield Case("2001 symbols", "schema", f"{SOURCE}/symbols", names, names[:2000])
    for bad, good in (
        ("BTCUSDT", "BTC-USDT"),
        ("btc-usdt", "BTC-USDT"),
        ("BTC/USDT", "BTC-USDC"),
        ("BTC-USDT-", "1INCH-USDT"),
        ("BTC_X-USDT", "币安人生-USDT"),
        ("-USDT", "Ä1-USDT"),
        ("A" * 60 + "-USDT", "A" * 59 + "-USDT"),
    ):
        yield Case(f"no symbol: {bad[:12]}", "schema", f"{SOURCE}/symbols", [bad], [good])
    yield Case("no symbol: swap", "schema", f"{SOURCE}/symbols", ["BTC-USDT-SWAP"], ["BTC-USDT"])
    yield Case("no symbol: day", "schema", f"{SOURCE}/symbols", ["BTC-USDT-26122"], ["BTC-USDT"])
    yield Case("symbol of a derivative", "cel", f"{SOURCE}/symbols", ["BTC-USDT-PERP"], ["BTC-USDT"], "names a derivative")
    yield Case("dated symbol on spot", "cel", f"{SOURCE}/symbols", ["BTC-USDT-261225"], ["BTC-USDT"], "names a derivative")
    for market, bad, good, words in (
        ("linear", "BTC-USDT", "BTC-USDT-PERP", "names a spot symbol"),
        ("linear", "BTC-USD-PERP", "BTC-USDC-261225", "names a contract quoted in USD"),
        ("inverse", "BTC-USD", "BTC-USD-PERP", "names a spot symbol"),
        ("inverse", "BTC-USDT-PERP", "BTC-USD-261225", "names a contract that is not quoted in USD"),
    ):
        both = (source(market=market, symbols=[symbol]) for symbol in (bad, good))
        yield Case(f"{bad} on {market}", "cel", SOURCE, *both, words)
    longest = "中" * 22
    yield Case("symbol of too many bytes", "operator", f"{SOURCE}/symbols", [f"{longest}-USDT"], ["中-USDT"])
    for field, bad, good in (
        ("quote", [], ["USDT"]),
        ("quote", ["usdt"], ["USDT"]),
        ("include", [], ["BTC-*"]),
        ("include", [""], ["*"]),
        ("exclude", [], ["*UP-*"]),
        ("limit", 0, 1),
        ("limit", 2001, 2000),
    ):
        yield Case(
            f"selector {field} {bad}",
            "schema",
            SOURCE,
            source(symbols=GONE, symbolSelector={field: bad}),
            source(symbols=GONE, symbolSelector={field: good}),
        )
    for field, bad, good in (
        ("streamsPerConnection", 1025, 1024),
        ("messagesPerSecond", 5.5, 5),
        ("connectsPer5Minutes", 301, 300),
    ):
        yield Case(f"{field} above its ceiling", "cel", f"{SOURCE}/limits", {field: bad}, {field: good}, "above the ceiling")
        yield Case(f"{field} below 1", "schema", f"{SOURCE}/limits", {field: 0}, {field: 1})
    yield Case(
        "half a message per second", "schema", f"{SOURCE}/limits", {"messagesPerSecond": 0.5}, {"messagesPerSecond": 1.5}
    )
    yield Case("book of no depth", "schema", f"{SOURCE}/bookDepth", 0, 1)
    yield Case("book too deep", "schema", f"{SOURCE}/bookDepth", 5001, 5000)
    for exchange, market, deepest in (("bybit", "linear", 1000), ("okx", "spot", 400), ("kraken", "spot", 1000)):
        books = (_on(exchange, market, market, bookDepth=depth)[0] for depth in (deepest + 1, deepest))
        yield Case(f"book too deep for {exchange}", "cel", SOURCE, *books, "bookDepth is above what there is")
    yield Case("unknown transport", "schema", f"{SOURCE}/transport", "aiohttp", "picows")


def _addresses() -> Iterator[Case]:
    yield Case("ws by http", "cel", f"{SOURCE}/endpoint", {"ws": "http://h"}, {"ws": "WSS://h/p"}, "write ws://")
    for field, exchange in (("wsPublic", "okx"), ("wsMarket", "binance"), ("wsBusiness", "okx")):
        urls = (_on(exchange, "linear", "linear", endpoint={field: url})[0] for url in ("http://h", "WSS://h/p"))
        yield Case(f"{field} by http", "cel", SOURCE, *urls, "write ws://")
        apart, together = {field: "ws://h"}, {"ws": "ws://h"}
        words = f"endpoint.{field} is an address that this market does not keep apart"
        yield Case(f"{field} that is not apart", "cel", f"{SOURCE}/endpoint", apart, together, words)
    yield Case("ws with a query", "cel", f"{SOURCE}/endpoint/ws", "ws://h?a=b", "ws://h/a", "has a query")
    yield Case("ws with a space", "cel", f"{SOURCE}/endpoint/ws", "ws://h h", "ws://h", "write ws://")
    yield Case("ws without a host", "operator", f"{SOURCE}/endpoint/ws", "ws://:1", "ws://h:1")
    yield Case("ws with a port that is none", "operator", f"{SOURCE}/endpoint/ws", "ws://h:x", "ws://h:1")
    yield Case("rest by ws", "cel", f"{SOURCE}/endpoint/rest", "wss://h", "https://[::1]:1/p", "write http://")
    yield Case("empty rest", "cel", f"{SOURCE}/endpoint/rest", "", "http://h", "write http://")
    yield Case("long ws", "schema", f"{SOURCE}/endpoint/ws", f"ws://h/{'a' * 1018}", f"ws://h/{'a' * 1017}")
    yield Case(
        "proxy without an address", "cel", f"{SOURCE}/proxy", {}, {"url": "http://p:1"}, "exactly one of url and urlFrom"
    )
    both = {"url": "http://p:1", "urlFrom": SECRET}
    yield Case(
        "proxy with two addresses", "cel", f"{SOURCE}/proxy", both, {"urlFrom": SECRET}, "exactly one of url and urlFrom"
    )
    yield Case("proxy by ftp", "cel", f"{SOURCE}/proxy/url", "ftp://p:1", "https://p:1", "write http://")
    socks = {"url": "socks5://p:1080"}
    yield Case(
        "socks by picows", "cel", SOURCE, source(proxy=socks), source(proxy=socks, transport="websockets"), "socks proxy"
    )


def _publishers() -> Iterator[Case]:
    for kind, template in (("redisPubSub", "channel"), ("redisStreams", "key")):
        at = f"{PUBLISHERS}/{kind}"
        url = {"url": "redis://h"}
        yield Case(f"{kind} without an address", "cel", at, {}, url, "exactly one of url, urlFrom and sentinel")
        yield Case(
            f"{kind} with two", "cel", at, {**url, "urlFrom": SECRET}, {"urlFrom": SECRET}, "exactly one of url, urlFrom"
        )
        yield Case(f"{kind} by http", "cel", at, {"url": "http://h"}, {"url": "rediss://u:p@h:1/0"}, "write redis://")
        sentinel = {"master": "m", "addresses": ["h"]}
        clustered = {"sentinel": sentinel, "cluster": True}
        plain = {"sentinel": sentinel, "cluster": False}
        yield Case(f"{kind} as cluster with sentinels", "cel", at, clustered, plain, "a cluster has no sentinels")
        yield Case(f"{kind} without sentinels", "schema", at, {"sentinel": {"master": "m", "addresses": []}}, plain)
        yield Case(f"{kind} with a URL as sentinel", "schema", at, {"sentinel": {"master": "m", "addresses": ["a/b"]}}, plain)
        yield Case(f"{kind} of no master", "schema", at, {"sentinel": {"master": "", "addresses": ["h"]}}, plain)
        for bad in ("md.{symbols}", "md.{symbol", "md.}", "", "{}"):
            yield Case(
                f"{kind} {template} {bad!r}",
                "cel",
                at,
                {**url, template: bad},
                {**url, template: "md:{symbol}/{channel} ü"},
                "unknown placeholder or no name",
            )
    yield Case(
        "stream of no length", "schema", f"{PUBLISHERS}/redisStreams", *({"url": "redis://h", "maxLen": n} for n in (0, 1))
    )
    kafka = {"bootstrapServers": ["h:9092"]}
    at = f"{PUBLISHERS}/kafka"
    yield Case("kafka without brokers", "schema", at, {}, kafka)
    yield Case("kafka with no broker", "schema", at, {"bootstrapServers": []}, kafka)
    yield Case("broker without a port", "schema", at, {"bootstrapServers": ["h"]}, {"bootstrapServers": ["[::1]:1"]})
    yield Case("broker as a URL", "schema", at, {"bootstrapServers": ["http://h:1"]}, kafka)
    yield Case("broker of a port that is none", "operator", at, {"bootstrapServers": ["h:70000"]}, kafka)
    yield Case(
        "topic with a space", "cel", at, {**kafka, "topic": "a b"}, {**kafka, "topic": "a_{symbol}"}, "unknown placeholder"
    )
    yield Case(
        "topic of an unknown place", "cel", at, {**kafka, "topic": "{a}"}, {**kafka, "topic": "{market}"}, "unknown place"
    )
    yield Case("unknown acks", "schema", at, {**kafka, "acks": "2"}, {**kafka, "acks": "1"})
    yield Case("acks as a number", "schema", at, {**kafka, "acks": 1}, {**kafka, "acks": "0"})
    yield Case("unknown compression", "schema", at, {**kafka, "compression": "br"}, {**kafka, "compression": "zstd"})
    sasl = {"usernameFrom": SECRET, "passwordFrom": SECRET}
    plain, unknown = {**sasl, "mechanism": "PLAIN"}, {**sasl, "mechanism": "GSSAPI"}
    yield Case("unknown mechanism", "schema", at, {**kafka, "sasl": unknown}, {**kafka, "sasl": plain})
    yield Case("sasl without a password", "schema", at, {**kafka, "sasl": {"mechanism": "PLAIN"}}, {**kafka, "sasl": plain})
    half, pair = {"certFrom": SECRET}, {"certFrom": SECRET, "keyFrom": SECRET}
    yield Case("certificate without its key", "cel", at, {**kafka, "tls": half}, {**kafka, "tls": pair}, "certFrom and keyFrom")
    grpc = f"{PUBLISHERS}/grpc"
    yield Case("gRPC at the shards' own port", "operator", grpc, {"port": 8080}, {"port": 9090}, "serves its status")
    yield Case("server without a certificate", "cel", grpc, {"tls": {"clientCaFrom": SECRET}}, {"tls": pair}, "no certificate")
    for field, bad, good in (
        ("port", 0, 1),
        ("port", 65536, 65535),
        ("slowClient", "block", "conflate"),
        ("encoding", "xml", "json"),
        ("maxAge", "0s", "0.001ms"),
        ("maxAge", "1 s", "1s"),
        ("maxAge", 1, "1.5h"),
        ("maxAge", "-1s", "999999h"),
        ("maxAge", "1000000h", "1m"),
        ("maxAge", "1d", "24h"),
        ("maxAge", "1.0001s", "1.001s"),
        ("bufferBytes", "0", "1"),
        ("bufferBytes", "0Mi", "1Gi"),
        ("bufferBytes", "64MB", "64M"),
        ("bufferBytes", 0, 1),
        ("bufferBytes", 1.5, 64),
        ("bufferBytes", "-1", "001k"),
        ("required", "true", False),
    ):
        yield Case(f"grpc {field} {bad!r}", "schema", grpc, {field: bad}, {field: good})
    for part, bad in (("name", ""), ("name", "A"), ("name", "../n"), ("key", ""), ("key", "a/b")):
        reference = {"secretKeyRef": {**SECRET["secretKeyRef"], part: bad}}
        yield Case(f"secret of {part} {bad!r}", "schema", at, _with_ca(kafka, reference), _with_ca(kafka, SECRET))
    yield Case("secret without a key", "schema", at, _with_ca(kafka, {"secretKeyRef": {"name": "n"}}), _with_ca(kafka, SECRET))


def _rest() -> Iterator[Case]:
    for field, bad, good in (
        ("connectionsPerShard", 0, 1),
        ("connectionsPerShard", 1001, 1000),
        ("maxMessagesPerSecond", 0.5, 1000.5),
        ("legs", 3, 2),
        ("legs", 0, 1),
        ("replicas", 3, 2),
        ("replicas", 1.5, 1),
    ):
        yield Case(f"{field} {bad}", "schema", f"spec/sharding/{field}", bad, good)
    words = "staleAfter is below checkInterval"
    equal = {"staleAfter": "0.7s", "checkInterval": "700ms"}
    yield Case("stale before a look", "cel", "spec/watchdog", {"staleAfter": "5s", "checkInterval": "6s"}, equal, words)
    yield Case("stale before the usual look", "cel", "spec/watchdog", {"staleAfter": "4999ms"}, {"staleAfter": "5000ms"}, words)
    yield Case(
        "look after the usual staleness", "cel", "spec/watchdog", {"checkInterval": "31s"}, {"checkInterval": "0.5m"}, words
    )
    yield Case("no duration", "schema", "spec/watchdog", {"staleAfter": "30"}, {"staleAfter": "30s"})
    yield Case("unknown field of the template", "schema", "spec/template", {"volumes": []}, {"labels": {"a": "b"}})
    yield Case("label that is no text", "schema", "spec/template/labels", {"a": 1}, {"a": "1"})
    name = "is no name of a feed"
    for bad, good in (("a" * 41, "a" * 40), ("1a", "a1"), ("a.b", "a-b")):
        yield Case(f"name {bad[:9]}", "cel", "metadata/name", bad, good, name)


def _on(exchange: str, bad: str, good: str, **fields: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """A source of an exchange, on a market that is refused and on one that is not."""
    symbols = {"spot": "BTC-USDT", "linear": "BTC-USDT-PERP", "inverse": "BTC-USD-PERP"}
    one, other = (source(exchange=exchange, market=m, symbols=[symbols[m]], **fields) for m in (bad, good))
    return one, other


def _many(count: int) -> list[dict[str, Any]]:
    return [source(symbols=[f"S{i}-USDT"]) for i in range(count)]


def _with_ca(publisher: dict[str, Any], reference: dict[str, Any]) -> dict[str, Any]:
    return {**publisher, "tls": {"caFrom": reference}}


CASES = [*_cases()]
