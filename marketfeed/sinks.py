"""The publishers of a manifest, as types."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from marketfeed.fields import Address, Bytes, FromSecret, Model, Seconds, Text, Tls

TEMPLATE = "md.{exchange}.{market}.{channel}.{symbol}"


class Publisher(Model):
    """What every publisher has."""

    required: bool = True
    """Its outage makes the shard unready."""
    buffer_bytes: Bytes = 64 * 2**20
    """What waits for the sink, at most; beyond that the oldest is dropped, counted and announced as a gap."""
    encoding: Literal["json", "msgpack", "protobuf"] = "json"
    """How an event is written."""


class Sentinel(Model):
    """A Redis master found through its sentinels."""

    master: Text
    """The name that the sentinels know it by."""
    addresses: tuple[Address, ...] = Field(max_length=32)
    """The sentinels: host or host:port each."""


class Redis(Publisher):
    """How both Redis publishers connect."""

    url: Address | None = None
    """redis:// or rediss://, host and port. Exactly one of url, urlFrom and sentinel."""
    url_from: FromSecret | None = None
    """The URL from a Secret, for one with credentials."""
    username: Text | None = None
    """For a Redis with users; its password is passwordFrom."""
    password_from: FromSecret | None = None
    """The password."""
    tls: Tls | None = None
    sentinel: Sentinel | None = None
    cluster: bool = False
    """The address is that of a Redis cluster."""


class RedisPubSub(Redis):
    """PUBLISH: at most once, lowest latency."""

    channel: Text = TEMPLATE
    """Template of the channel's name; {exchange}, {market}, {channel} and {symbol} are filled in."""
    max_age: Seconds = 1.0
    """What waited for the sink longer than this is dropped and counted, in place of a burst of old quotes."""


class RedisStreams(Redis):
    """XADD: at least once, in order by key."""

    key: Text = TEMPLATE
    """Template of the stream's key; {exchange}, {market}, {channel} and {symbol} are filled in."""
    max_len: int = Field(default=100_000, ge=1)
    """Entries that a stream keeps, about."""


class Sasl(Model):
    """Kafka credentials."""

    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
    """How the broker checks the password."""
    username_from: FromSecret
    password_from: FromSecret


class Kafka(Publisher):
    """Kafka: at least once, idempotent."""

    bootstrap_servers: tuple[Address, ...] = Field(max_length=64)
    """Brokers to begin with: host:port each."""
    topic: Text = "md.{channel}"
    """Template of the topic's name; {exchange}, {market}, {channel} and {symbol} are filled in."""
    acks: Literal["all", "1", "0"] = "all"
    """How many brokers have to have an event before it counts as published."""
    compression: Literal["none", "gzip", "snappy", "lz4", "zstd"] = "none"
    sasl: Sasl | None = None
    tls: Tls | None = None


class Grpc(Publisher):
    """A gRPC server in the shard: the live stream, with a snapshot first."""

    port: int = Field(default=9090, ge=1, le=65535)
    """Where it listens."""
    slow_client: Literal["drop-oldest", "conflate", "disconnect"] = "drop-oldest"
    """What becomes of a client that does not keep up."""
    max_age: Seconds = 1.0
    """What waited for a client longer than this is dropped and counted."""
    tls: Tls | None = None


class Publishers(Model):
    """Where events go: at least one."""

    redis_pub_sub: RedisPubSub | None = Field(default=None, alias="redisPubSub")
    redis_streams: RedisStreams | None = None
    kafka: Kafka | None = None
    grpc: Grpc | None = None
