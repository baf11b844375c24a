"""The transports there are, as an assignment asks for them."""

from __future__ import annotations

import ssl

from marketfeed.assignment import Assignment
from marketfeed.clock import Clock
from marketfeed.exchanges.exchange import Market
from marketfeed_shard.kernel.plain import Engine
from marketfeed_shard.recovery.ports import RestEvents
from marketfeed_shard.secrets import Secrets
from marketfeed_shard.transport import proxy
from marketfeed_shard.transport.events import Events
from marketfeed_shard.transport.picows import Picows
from marketfeed_shard.transport.rest import RestClient
from marketfeed_shard.transport.sockets import ShardSockets
from marketfeed_shard.transport.websockets import Websockets


def sockets(
    assignment: Assignment, market: Market, engine: Engine, events: Events, secrets: Secrets, clock: Clock, tls: ssl.SSLContext
) -> ShardSockets:
    """The sockets of a shard. `tls`: for wss."""
    library = Websockets(tls, compression=market.compression) if assignment.transport == "websockets" else Picows(tls)
    return ShardSockets(library, engine, events, clock, proxy.reader(assignment.proxy, secrets, assignment.transport))


def rest(
    assignment: Assignment, market: Market, events: RestEvents, secrets: Secrets, clock: Clock, tls: ssl.SSLContext
) -> RestClient:
    """The REST client of a shard, through the same proxy: what an exchange counts, it counts by address."""
    base = assignment.endpoint.rest or market.endpoints.rest
    return RestClient(base, events, clock, tls, proxy.reader(assignment.proxy, secrets, assignment.transport))
