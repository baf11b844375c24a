from __future__ import annotations

import ssl
import zlib
from collections.abc import AsyncIterator

import pytest
import trustme
from sockets import Bed, Heard, Way, bed
from waiting import until
from websockets.asyncio.server import ServerConnection

from marketfeed_shard.transport.socket import LARGEST_MESSAGE_BYTES


@pytest.fixture
async def way(server_tls: ssl.SSLContext, test_ca: trustme.CA) -> AsyncIterator[Bed]:
    """Only one of the libraries has compression."""
    async with bed(Way("websockets", False, None), server_tls, test_ca) as made:
        yield made


@pytest.mark.parametrize("compression", [True, False])
async def test_messages_are_the_same_with_compression_and_without(way: Bed, compression: bool) -> None:
    agreed, got = [], []

    async def talk(connection: ServerConnection) -> None:
        agreed.append([extension.name for extension in connection.protocol.extensions])
        for i in range(3):
            await connection.send(f'{{"{i}":"{"x" * 10_000}"}}')
        await connection.send(["in ", "parts"])
        await connection.ping("plain")
        got.append(await connection.recv())
        await connection.wait_closed()

    heard = Heard()
    opened = way.sockets(heard, compression=compression)
    opened.open(1, await way.exchange(talk))
    await until(lambda: heard.pings, "all messages")
    assert agreed == [["permessage-deflate"] if compression else []]
    assert heard.frames == [*(b'{"%d":"%s"}' % (i, b"x" * 10_000) for i in range(3)), b"in parts"]
    assert heard.pings == [b"plain"]
    opened.send(1, '{"op":"subscribe"}')
    await until(lambda: got, "what we sent")
    assert got == ['{"op":"subscribe"}']
    opened.close(1)


async def test_a_message_that_unfolds_beyond_the_bound_is_not_taken(way: Bed) -> None:
    packer = zlib.compressobj(wbits=-15)
    bomb = packer.compress(bytes(LARGEST_MESSAGE_BYTES + 1)) + packer.flush(zlib.Z_SYNC_FLUSH)[:-4]

    async def send(connection: ServerConnection) -> None:
        connection.transport.write(b"\xc1\x7e" + len(bomb).to_bytes(2, "big") + bomb)
        await connection.wait_closed()

    heard = Heard()
    way.sockets(heard, compression=True).open(1, await way.exchange(send))
    (why,) = await until(lambda: heard.losses, "the loss")
    assert why.reason.startswith("given up, for it broke the protocol: ")
    assert heard.frames == []


async def test_what_was_not_offered_may_not_be_used(way: Bed) -> None:
    async def send(connection: ServerConnection) -> None:
        connection.transport.write(b"\xc1\x02{}")  # says that it is compressed
        await connection.wait_closed()

    heard = Heard()
    way.sockets(heard).open(1, await way.exchange(send))
    (why,) = await until(lambda: heard.losses, "the loss")
    assert why.reason == "given up, for it broke the protocol: reserved bits must be 0"
