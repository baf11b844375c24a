from __future__ import annotations

from pathlib import Path

import pytest
from redis_server import HOST, free_port

from marketfeed.assignment import Assignment, EffectiveLimits, Share
from marketfeed.clock import SystemClock
from marketfeed.resource import Grpc, Publishers
from marketfeed_shard.connection.manager import Manager
from marketfeed_shard.shard import Place, Shard


def assignment(**changes: object) -> Assignment:
    """A shard without streams, which listens for gRPC clients."""
    wanted = Assignment(
        generation=1,
        feed="feed",
        shard="feed-binance-spot-0",
        exchange="binance",
        market="spot",
        symbols=(),
        limits=EffectiveLimits(streams_per_connection=100, messages_per_second=2.0),
        connects=Share(count=300, seconds=300.0),
        publishers=Publishers(grpc=Grpc(port=free_port())),
    )
    return wanted.model_copy(update=changes)


def shard(folder: Path) -> Shard:
    wanted, file = assignment(), folder / "assignment.json"
    file.write_bytes(wanted.dumps())
    return Shard(wanted, Place(file, folder, None, HOST, free_port()), SystemClock())


async def test_a_shard_whose_clockwork_fails_ends_instead_of_seeming_alive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Manager, now_s: float) -> float:
        raise ZeroDivisionError("a fault of ours")

    monkeypatch.setattr(Manager, "tick", fail)
    with pytest.raises(ZeroDivisionError):
        await shard(tmp_path).run()
