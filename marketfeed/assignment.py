"""What one shard shall hold: written by the planner, read by the shard. The way down.

The file is JSON. A shard reads it again when it changes; it ignores fields that it does not know, so that an operator may
be newer than its shards. Fields are added, never changed.
"""

from __future__ import annotations

from typing import Literal

import orjson
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from marketfeed.exchanges.exchange import Market, Topic
from marketfeed.resource import Endpoint, Proxy, Publishers, Watchdog

VERSION = 1
HTTP_PORT = 8080
"""Where a shard in a pod serves /status, /metrics and its probes."""


class _Part(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True)


def topic_url(market: Market, endpoint: Endpoint, topic: Topic) -> str:
    """The address at which a topic is to be had; the manifest's own addresses come before the exchange's."""
    which = topic.endpoint
    own = {"wsPublic": endpoint.ws_public, "wsMarket": endpoint.ws_market, "wsBusiness": endpoint.ws_business}
    base = own.get(which) or endpoint.ws or market.endpoints.others.get(which) or market.endpoints.ws
    return base.rstrip("/") + topic.path


class SymbolStreams(_Part):
    """All channels of one symbol: they stay in one shard."""

    symbol: str
    native: str
    channels: tuple[str, ...]
    hold: bool = False
    """Subscribe and keep back: another owner still publishes this symbol."""


class Share(_Part):
    """This shard's part of a budget that the exchange counts by address: at most `count` in any `seconds`."""

    count: int
    seconds: float
    turn_s: float | None = None
    """Where there are more shards than attempts they take turns: only at this second of each `period_s`, by the wall clock."""
    period_s: float | None = None


class Ban(_Part):
    """No attempt from this egress address before this time."""

    until_ns: int
    reason: str = ""


class Peer(_Part):
    """Another pod that holds, or is about to hold, the same streams."""

    name: str
    address: str
    role: Literal["publishing", "standby", "surge"]


class EffectiveLimits(_Part):
    """The exchange's limits for one connection, after the manifest's own."""

    streams_per_connection: int
    messages_per_second: float


class Assignment(_Part):
    """The whole of it, for one shard: one process, one exchange and market."""

    version: int = VERSION
    generation: int
    feed: str
    shard: str
    exchange: str
    market: str
    symbols: tuple[SymbolStreams, ...]
    endpoint: Endpoint = Endpoint()
    transport: Literal["picows", "websockets"] = "picows"
    proxy: Proxy | None = None
    limits: EffectiveLimits
    connects: Share
    """Connection attempts."""
    connects_burst: Share | None = None
    """Connection attempts in a shorter time beside that, where the exchange has such a limit."""
    rest: Share | None = None
    """Weight of REST calls; null: none may be made."""
    bans: tuple[Ban, ...] = ()
    book_depth: int | None = None
    backfill: bool = True
    legs: int = 1
    role: Literal["publishing", "standby", "surge"] = "publishing"
    peers: tuple[Peer, ...] = ()
    publishers: Publishers
    watchdog: Watchdog = Watchdog()

    def dumps(self) -> bytes:
        """As the file has it: indented, keys in order, the same bytes for the same assignment."""
        options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
        return orjson.dumps(self.model_dump(mode="json", by_alias=True, exclude_defaults=False), option=options)

    @classmethod
    def loads(cls, text: bytes) -> Assignment:
        """Read what `dumps` wrote. Raises pydantic's `ValidationError`."""
        return cls.model_validate_json(text)
