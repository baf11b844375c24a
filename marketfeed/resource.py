"""A MarketFeed: what to collect and where to publish it, as types. The CRD's schema is generated from these."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo
from pydantic.alias_generators import to_camel

API_VERSION = "marketfeed.dev/v1alpha1"
KIND = "MarketFeed"

IN_MANIFEST: Final = {"manifest": True}
"""Context of pydantic's validation: the text was written by a person, so a duration must name its unit."""
SYMBOLS_OF_A_SOURCE: Final = 2000
_DURATION = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,12})?)(ms|s|m|h)")
_UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_QUANTITY = re.compile(r"([0-9]{1,15})(Ki|Mi|Gi|k|M|G)?")
_UNIT_BYTES = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


def seconds(text: str) -> float:
    """A duration such as `500ms` or `30s`, in seconds. Raises `ValueError`."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError("is no duration; write a number and ms, s, m or h, such as 30s")
    return float(found[1]) * _UNIT_S[found[2]]


def _duration_s(value: Any, info: ValidationInfo) -> Any:
    if isinstance(value, str):
        return seconds(value)
    if info.context == IN_MANIFEST:
        raise ValueError("is a duration without a unit; write a number and ms, s, m or h, such as 30s")
    return value


def _quantity_bytes(value: Any) -> Any:
    if isinstance(value, str):
        found = _QUANTITY.fullmatch(value)
        if found is None:
            raise ValueError("is no quantity of bytes; write a number and Ki, Mi or Gi, such as 64Mi")
        return int(found[1]) * _UNIT_BYTES[found[2] or ""]
    return value


Seconds = Annotated[float, BeforeValidator(_duration_s), Field(gt=0)]
"""A duration, written `500ms`, `30s`, `5m` or `1h`; held in seconds."""
Bytes = Annotated[int, BeforeValidator(_quantity_bytes), Field(gt=0)]
"""A quantity of bytes, written `64Mi`; held in bytes."""


class Model(BaseModel):
    """Base of the manifest's types: camelCase on the outside, unknown fields refused, values immutable."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)


class SecretKeyRef(Model):
    """One key of a Secret in the feed's namespace."""

    name: str = Field(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")
    key: str = Field(pattern=r"^[A-Za-z0-9._-]{1,253}$")


class FromSecret(Model):
    """A value that stands in a Secret, never in the manifest."""

    secret_key_ref: SecretKeyRef


class SymbolSelector(Model):
    """Symbols chosen from the exchange's own instrument list, kept up to date."""

    quote: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    limit: int | None = Field(default=None, ge=1, le=SYMBOLS_OF_A_SOURCE)


class Endpoint(Model):
    """Addresses in place of the exchange's own; the exchange's paths follow."""

    ws: str | None = None
    rest: str | None = None
    ws_public: str | None = None
    ws_market: str | None = None
    ws_business: str | None = None


class LimitsSpec(Model):
    """The exchange's limits, tightened or raised to their ceiling."""

    streams_per_connection: int | None = None
    messages_per_second: float | None = None
    connects_per_5_minutes: int | None = Field(default=None, alias="connectsPer5Minutes")


class Proxy(Model):
    """A proxy for the exchange's connections."""

    url: str | None = None
    url_from: FromSecret | None = None


class Source(Model):
    """What to collect from one market of one exchange."""

    exchange: str
    market: str
    symbols: tuple[str, ...] | None = None
    symbol_selector: SymbolSelector | None = None
    channels: tuple[str, ...]
    book_depth: int | None = Field(default=None, ge=1, le=5000)
    backfill: bool = True
    transport: Literal["picows", "websockets"] = "picows"
    proxy: Proxy | None = None
    endpoint: Endpoint | None = None
    limits: LimitsSpec | None = None


class Tls(Model):
    """TLS towards a sink, or of our own server."""

    ca_from: FromSecret | None = None
    cert_from: FromSecret | None = None
    key_from: FromSecret | None = None
    client_ca_from: FromSecret | None = None


class Publisher(Model):
    """What every publisher has."""

    required: bool = True
    """Its outage makes the shard unready."""
    buffer_bytes: Bytes = 64 * 2**20
    encoding: Literal["json", "msgpack", "protobuf"] = "json"


class Sentinel(Model):
    """A Redis master found through its sentinels."""

    master: str
    addresses: tuple[str, ...]


class Redis(Publisher):
    """How both Redis publishers connect."""

    url: str | None = None
    url_from: FromSecret | None = None
    username: str | None = None
    password_from: FromSecret | None = None
    tls: Tls | None = None
    sentinel: Sentinel | None = None
    cluster: bool = False


TEMPLATE = "md.{exchange}.{market}.{channel}.{symbol}"


class RedisPubSub(Redis):
    """PUBLISH: at most once, lowest latency."""

    channel: str = TEMPLATE
    max_age: Seconds = 1.0


class RedisStreams(Redis):
    """XADD: at least once, in order by key."""

    key: str = TEMPLATE
    max_len: int = Field(default=100_000, ge=1)


class Sasl(Model):
    """Kafka credentials."""

    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
    username_from: FromSecret
    password_from: FromSecret


class Kafka(Publisher):
    """Kafka: at least once, idempotent."""

    bootstrap_servers: tuple[str, ...]
    topic: str = "md.{channel}"
    acks: Literal["all", "1", "0"] = "all"
    compression: Literal["none", "gzip", "snappy", "lz4", "zstd"] = "none"
    sasl: Sasl | None = None
    tls: Tls | None = None


class Grpc(Publisher):
    """A gRPC server in the shard: the live stream, with a snapshot first."""

    port: int = Field(default=9090, ge=1, le=65535)
    slow_client: Literal["drop-oldest", "conflate", "disconnect"] = "drop-oldest"
    max_age: Seconds = 1.0
    tls: Tls | None = None


class Publishers(Model):
    """Where events go: at least one."""

    redis_pub_sub: RedisPubSub | None = Field(default=None, alias="redisPubSub")
    redis_streams: RedisStreams | None = None
    kafka: Kafka | None = None
    grpc: Grpc | None = None


class Sharding(Model):
    """How a feed is spread over shards."""

    connections_per_shard: int | None = Field(default=None, ge=1, le=1000)
    max_messages_per_second: float | None = Field(default=None, ge=1)
    legs: int = Field(default=1, ge=1, le=2)
    replicas: int = Field(default=1, ge=1, le=2)


class Watchdog(Model):
    """When a silent connection is taken for dead."""

    stale_after: Seconds = 30.0
    check_interval: Seconds = 5.0


class Template(Model):
    """What the shards' pods take over as it is."""

    resources: dict[str, Any] | None = None
    node_selector: dict[str, str] | None = None
    tolerations: tuple[dict[str, Any], ...] | None = None
    affinity: dict[str, Any] | None = None
    priority_class_name: str | None = None
    image_pull_secrets: tuple[dict[str, str], ...] | None = None
    env: tuple[dict[str, Any], ...] | None = None
    annotations: dict[str, str] | None = None
    labels: dict[str, str] | None = None


class MarketFeedSpec(Model):
    """The wanted state."""

    paused: bool = False
    sources: tuple[Source, ...] = Field(max_length=32)
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
