"""What is done to connections as time goes by: pings, heartbeats, and an end for the silent, the old and those far behind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from marketfeed.clock import Clock
from marketfeed_simulator.exchange import ABNORMAL, Exchange
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
    waits = (limits.ping_interval_s, limits.ping_timeout_s, limits.lifetime_s, limits.idle_s, limits.heartbeat_s)
    look_s = min(SLOWEST_LOOK_S, *(wait_s / 4 for wait_s in waits if wait_s is not None))
    while True:
        await asyncio.sleep(look_s)
        now_s = asyncio.get_running_loop().time()
        for peer in list(hub.peers.values()):
            if not peer.is_open or peer.doomed:
                continue
            due = peer.pulse.due(now_s)
            if due is Due.CUT:
                violation(peer.number, "pong", f"no pong within {limits.ping_timeout_s:g} s")
                close(peer, closings.pong)
            elif _reached(now_s - peer.opened_s, limits.lifetime_s):
                close(peer, closings.lifetime)
            elif _reached(now_s - max(peer.heard_s, peer.data_s), limits.idle_s):
                violation(peer.number, "idle", f"nothing for {limits.idle_s:g} s")
                close(peer, closings.idle)
            elif peer.transport.get_write_buffer_size() > BACKLOG_BYTES:
                violation(peer.number, "slow_reader", f"more than {BACKLOG_BYTES >> 20} MiB behind")
                if closings.slow[0] == ABNORMAL:
                    peer.reset()
                else:
                    close(peer, closings.slow)
            elif due is Due.PING:
                peer.send_ping(b"%d" % (clock.time_ns() // 1_000_000), now_s)
            elif peer.session.topics and _reached(now_s - peer.said_s, limits.heartbeat_s):
                peer.say(exchange.heartbeat(peer.session))
                peer.data_s = peer.said_s  # it is traffic


def _reached(passed_s: float, limit_s: float | None) -> bool:
    return limit_s is not None and passed_s >= limit_s
