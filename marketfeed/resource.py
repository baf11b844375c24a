"""A MarketFeed: what to collect and where to publish it, as types. The CRD's schema is generated from these."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from marketfeed.fields import (
    IN_MANIFEST,
    Address,
    Bytes,
    FromSecret,
    Model,
    Pattern,
    Seconds,
    SecretKeyRef,
    Text,
    Tls,
    seconds,
)
from marketfeed.sinks import TEMPLATE, Grpc, Kafka, Publisher, Publishers, Redis, RedisPubSub, RedisStreams, Sasl, Sentinel

__all__ = [
    "API_VERSION", "IN_MANIFEST", "KIND", "SYMBOLS_OF_A_SOURCE", "TEMPLATE", "Bytes", "Endpoint", "FromSecret", "Grpc",
    "Kafka", "LimitsSpec", "MarketFeed", "MarketFeedSpec", "Metadata", "Model", "Proxy", "Publisher", "Publishers",
    "Redis", "RedisPubSub", "RedisStreams", "Sasl", "Seconds", "SecretKeyRef", "Sentinel", "Sharding", "Source",
    "SymbolSelector", "Template", "Tls", "Watchdog", "seconds",
]  # fmt: skip

API_VERSION = "marketfeed.dev/v1alpha1"
KIND = "MarketFeed"
SYMBOLS_OF_A_SOURCE = 2000
_Map = Annotated[dict[str, str], Field(max_length=64)]
_Objects = Annotated[tuple[dict[str, Any], ...], Field(max_length=64)]


class SymbolSelector(Model):
    """Symbols chosen from the exchange's own instrument list, kept up to date."""

    quote: tuple[Pattern, ...] = Field(default=(), max_length=64)
    """Only symbols that are quoted in one of these currencies."""
    include: tuple[Pattern, ...] = Field(default=(), max_length=256)
    """Only symbols that fit one of these patterns, such as BTC-*."""
    exclude: tuple[Pattern, ...] = Field(default=(), max_length=256)
    """No symbols that fit one of these patterns."""
    limit: int | None = Field(default=None, ge=1, le=SYMBOLS_OF_A_SOURCE)
    """Only so many, those of the highest 24 h quote volume; one that was chosen leaves below rank 1.5 × limit."""


class Endpoint(Model):
    """Addresses in place of the exchange's own; the exchange's paths follow."""

    ws: Address | None = None
    """ws:// or wss://, host, port and path prefix."""
    rest: Address | None = None
    """http:// or https://, host, port and path prefix."""
    ws_public: Address | None = None
    """In place of ws, for the public channels of an exchange that keeps them apart."""
    ws_market: Address | None = None
    """In place of ws, for the market channels of an exchange that keeps them apart."""
    ws_business: Address | None = None
    """In place of ws, for the business channels of an exchange that keeps them apart."""


class LimitsSpec(Model):
    """The exchange's limits, tightened or raised to their ceiling."""

    streams_per_connection: int | None = None
    """Streams that share one connection."""
    messages_per_second: float | None = None
    """Client messages on one connection."""
    connects_per_5_minutes: int | None = Field(default=None, alias="connectsPer5Minutes")
    """Attempts to connect, of this feed from one address."""


class Proxy(Model):
    """A proxy for the exchange's connections."""

    url: Address | None = None
    """http://, https://, or with transport websockets socks5://, socks5h://. Exactly one of url and urlFrom."""
    url_from: FromSecret | None = None
    """The URL from a Secret, for one with credentials."""


class Source(Model):
    """What to collect from one market of one exchange."""

    exchange: str
    """Its name, such as binance."""
    market: str
    """One of the exchange's markets, such as spot."""
    symbols: tuple[str, ...] | None = None
    """BASE-QUOTE, BASE-QUOTE-PERP or BASE-QUOTE-yymmdd. Exactly one of symbols and symbolSelector."""
    symbol_selector: SymbolSelector | None = None
    channels: tuple[str, ...]
    """trades, bbo, book, candles.<interval> …: what the market offers."""
    book_depth: int | None = Field(default=None, ge=1, le=5000)
    """Levels on each side; the smallest that the exchange has and that holds them is taken."""
    backfill: bool = True
    """Fetch trades that were missed, over REST where the exchange has them."""
    transport: Literal["picows", "websockets"] = "picows"
    """picows is the fast one; websockets has compression and SOCKS proxies."""
    proxy: Proxy | None = None
    endpoint: Endpoint | None = None
    limits: LimitsSpec | None = None


class Sharding(Model):
    """How a feed is spread over shards."""

    connections_per_shard: int | None = Field(default=None, ge=1, le=1000)
    """Connections that one shard holds; else as it is usual for the exchange."""
    max_messages_per_second: float | None = Field(default=None, ge=1)
    """Messages that one shard is expected to get, at most."""
    legs: int = Field(default=1, ge=1, le=2)
    """2: every stream on two connections, whichever is first."""
    replicas: int = Field(default=1, ge=1, le=2)
    """2: two pods a shard, one of them publishing."""


class Watchdog(Model):
    """When a silent connection is taken for dead."""

    stale_after: Seconds = 30.0
    """Without data for so long a connection is replaced, and a feed that is not fresh for so long is not Ready."""
    check_interval: Seconds = 5.0
    """Between two looks."""


class Template(Model):
    """What the shards' pods take over as it is."""

    resources: dict[str, Any] | None = None
    """Of the container, in place of those by the size of a shard."""
    node_selector: _Map | None = None
    """As in a pod."""
    tolerations: _Objects | None = None
    """As in a pod."""
    affinity: dict[str, Any] | None = None
    """As in a pod."""
    priority_class_name: Text | None = None
    """As in a pod."""
    image_pull_secrets: Annotated[tuple[dict[str, str], ...], Field(max_length=64)] | None = None
    """As in a pod."""
    env: _Objects | None = None
    """Of the container."""
    annotations: _Map | None = None
    """Of the pods."""
    labels: _Map | None = None
    """Of the pods; the operator's own come before these."""


class MarketFeedSpec(Model):
    """The wanted state."""

    paused: bool = False
    """No shards while it is true."""
    sources: tuple[Source, ...] = Field(max_length=32)
    """What to collect."""
    publishers: Publishers
    sharding: Sharding = Sharding()
    watchdog: Watchdog = Watchdog()
    template: Template = Template()


class Metadata(BaseModel):
    """The part of the object's metadata that we read."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str
    namespace: str | None = None


class MarketFeed(BaseModel):
    """A manifest, whole."""

    model_config = ConfigDict(extra="allow", frozen=True, populate_by_name=True)

    api_version: Literal["marketfeed.dev/v1alpha1"] = Field(alias="apiVersion")
    kind: Literal["MarketFeed"]
    metadata: Metadata
    spec: MarketFeedSpec
