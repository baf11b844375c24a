"""What is done to connections as time goes by: pings, and an end for those without pongs, too old or too far behind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from marketfeed.clock import Clock
from marketfeed_simulator.exchange import Exchange
from marketfeed_simulator.hub import Hub
from marketfeed_simulator.keepalive import Due
from marketfeed_simulator.peer import Peer

SLOWEST_LOOK_S = 0.5
BACKLOG_BYTES = 64 << 20
"""A reader that is behind by more is cut."""


async def keep_house(
    hub: Hub,
    exchange: Exchange,
    clock: Clock,
    close: Callable[[Peer, tuple[int, str]], None],
    violation: Callable[[int, str, str], None],
) -> None:
    """Until it is cancelled. `close`: (connection, code and reason); `violation`: (connection, rule, detail)."""
    limits, closings = exchange.limits, exchange.closings
    look_s = min(SLOWEST_LOOK_S, limits.ping_interval_s / 4, limits.ping_timeout_s / 4, limits.lifetime_s / 4)
    while True:
        await asyncio.sleep(look_s)
        now_s = asyncio.get_running_loop().time()
        for peer in list(hub.peers.values()):
            if not peer.is_open:
                continue
            due = peer.heartbeat.due(now_s)
            if due is Due.CUT:
                violation(peer.number, "pong", f"no pong within {limits.ping_timeout_s:g} s")
                close(peer, closings.pong)
            elif now_s - peer.opened_s >= limits.lifetime_s:
                close(peer, closings.lifetime)
            elif peer.transport.get_write_buffer_size() > BACKLOG_BYTES:
                violation(peer.number, "slow_reader", f"more than {BACKLOG_BYTES >> 20} MiB behind")
                peer.reset()
            elif due is Due.PING:
                peer.send_ping(b"%d" % (clock.time_ns() // 1_000_000), now_s)
