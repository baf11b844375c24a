from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from waiting import until
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request

from marketfeed.clock import SystemClock
from marketfeed_shard.connection.ports import Disconnect
from marketfeed_shard.plain import PlainEngine
from marketfeed_shard.transport.picows import PicowsSockets


class Heard:
    """What a transport tells."""

    def __init__(self) -> None:
        self.opens: list[int] = []
        self.losses: list[Disconnect] = []
        self.frames: list[bytes] = []
        self.broken = False

    def attempting(self) -> None: ...

    def opened(self, key: int) -> None:
        self.opens.append(key)

    def lost(self, key: int, why: Disconnect) -> None:
        self.losses.append(why)

    def pinged(self, key: int, payload: bytes) -> None: ...

    def ponged(self, key: int) -> None: ...

    def frame(self, key: int, frame: bytes, received_ns: int) -> list[int]:
        if self.broken:
            raise ZeroDivisionError("a fault of ours")
        self.frames.append(frame)
        return []

    def flush(self) -> None: ...


def sockets(heard: Heard) -> PicowsSockets:
    return PicowsSockets(PlainEngine(()), heard, 0, SystemClock())


@asynccontextmanager
async def exchange(handler: Callable[[ServerConnection], Awaitable[None]]) -> AsyncIterator[str]:
    """A WebSocket server on the loopback; its address."""
    async with serve(handler, "127.0.0.1", 0) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/stream"


async def test_a_server_that_closes_during_the_handshake_is_no_open_connection() -> None:
    async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    heard = Heard()
    async with await asyncio.start_server(close, "127.0.0.1", 0) as server:
        sockets(heard).open(1, f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/stream")
        await until(lambda: heard.losses, "the loss")
    assert heard.losses == [Disconnect("closed during the handshake")]
    assert heard.opens == []


async def test_a_socket_that_is_let_go_of_during_the_handshake_leaves_no_connection_behind() -> None:
    asked, answer, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def wait(connection: ServerConnection, request: Request) -> None:
        asked.set()
        await answer.wait()

    async def remain(connection: ServerConnection) -> None:
        await connection.wait_closed()
        ended.set()

    heard = Heard()
    async with serve(remain, "127.0.0.1", 0, process_request=wait) as server:
        opened = sockets(heard)
        opened.open(1, f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/stream")
        await asyncio.wait_for(asked.wait(), 10)
        opened.close(1)
        await asyncio.sleep(0)
        answer.set()
        await asyncio.wait_for(ended.wait(), 10)
    assert (heard.opens, heard.losses) == ([], [])


async def test_a_server_that_breaks_the_protocol_is_given_up_and_named(caplog: pytest.LogCaptureFixture) -> None:
    async def break_it(connection: ServerConnection) -> None:
        connection.transport.write(b"\x88\x01\x03")  # a close frame of half a code
        await connection.wait_closed()

    heard = Heard()
    async with exchange(break_it) as url:
        sockets(heard).open(1, url)
        await until(lambda: heard.losses, "the loss")
    (why,) = heard.losses
    assert why.reason.startswith("given up, for it broke the protocol: Received CLOSE")
    assert why.close_code is None, "the exchange said nothing about how to come back"
    assert not [r for r in caplog.records if r.name in {"asyncio", "marketfeed.shard"}]


async def test_the_exchange_s_own_close_frame_is_told() -> None:
    heard = Heard()
    async with exchange(lambda connection: connection.close(1008, "Too many requests")) as url:
        sockets(heard).open(1, url)
        await until(lambda: heard.losses, "the loss")
    assert heard.losses == [Disconnect("Too many requests", close_code=1008)]


async def test_a_fault_of_ours_ends_the_connection_and_is_shown_whole(caplog: pytest.LogCaptureFixture) -> None:
    async def send(connection: ServerConnection) -> None:
        await connection.send("{}")
        await connection.wait_closed()

    heard = Heard()
    heard.broken = True
    async with exchange(send) as url:
        sockets(heard).open(1, url)
        await until(lambda: heard.losses, "the loss")
        await until(lambda: [r for r in caplog.records if r.name == "marketfeed.shard"], "the fault in the log")
    (record,) = [r for r in caplog.records if r.name == "marketfeed.shard" and r.levelno == logging.ERROR]
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError


async def test_a_message_in_several_frames_is_one_message() -> None:
    async def send(connection: ServerConnection) -> None:
        await connection.send(["", '{"a"', "", ":1}"])
        await connection.send(b'{"b":2}')
        await connection.wait_closed()

    heard = Heard()
    async with exchange(send) as url:
        opened = sockets(heard)
        opened.open(1, url)
        await until(lambda: len(heard.frames) == 2, "both messages")
        opened.close(1)
    assert heard.frames == [b'{"a":1}', b'{"b":2}']
