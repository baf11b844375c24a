from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import pytest
from redis_server import HOST, free_port

from marketfeed.assignment import Assignment, EffectiveLimits, Share, SymbolStreams
from marketfeed.clock import SystemClock
from marketfeed.resource import Endpoint, Grpc, Publishers
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


def shard(folder: Path, **changes: object) -> tuple[Shard, str]:
    """A shard, and the address of its status."""
    wanted, file, port = assignment(**changes), folder / "assignment.json", free_port()
    file.write_bytes(wanted.dumps())
    return Shard(wanted, Place(file, folder, None, HOST, port), SystemClock()), f"{HOST}:{port}"


async def test_a_shard_whose_clockwork_fails_ends_instead_of_seeming_alive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Manager, now_s: float) -> float:
        raise ZeroDivisionError("a fault of ours")

    monkeypatch.setattr(Manager, "tick", fail)
    with pytest.raises(ZeroDivisionError):
        await shard(tmp_path)[0].run()


async def test_a_ban_is_kept_to_by_the_shard_that_starts_after_a_crash(tmp_path: Path) -> None:
    attempts = 0

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal attempts
        attempts += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 418 Teapot\r\nRetry-After: 600\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(refuse, HOST, 0) as server:
        endpoint = Endpoint(ws=f"ws://{HOST}:{server.sockets[0].getsockname()[1]}")
        streams = (SymbolStreams(symbol="BTC-USDT", native="BTCUSDT", channels=("trades",)),)
        first, address = shard(tmp_path, endpoint=endpoint, symbols=streams)
        running = asyncio.ensure_future(first.run())
        await until_told(address, "Banned (HTTP 418)")
        first.stop()
        await running
        heir, address = shard(tmp_path, endpoint=endpoint, symbols=streams)
        running = asyncio.ensure_future(heir.run())
        await until_told(address, "Banned (HTTP 418)")
        heir.stop()
        await running
    assert attempts == 1


async def until_told(address: str, reason: str) -> None:
    """Wait until a shard's status gives such a reason for not being ready."""
    async with aiohttp.ClientSession() as session, asyncio.timeout(20):
        while True:
            try:
                async with session.get(f"http://{address}/readyz") as answer:
                    if reason in await answer.text():
                        return
            except aiohttp.ClientConnectorError:
                pass  # it does not listen yet
            await asyncio.sleep(0.02)
