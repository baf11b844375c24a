from __future__ import annotations

import asyncio
import logging
import socket
import struct
import threading
from email.utils import formatdate
from http import HTTPStatus
from time import time, time_ns

import pytest
from sockets import Bed, Handler, Heard
from waiting import until
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response
from websockets.utils import accept_key

from marketfeed_shard.connection.ports import Disconnect
from marketfeed_shard.transport.socket import LARGEST_MESSAGE_BYTES


async def remain(connection: ServerConnection) -> None:
    """A server that says nothing."""
    await connection.wait_closed()


def sending(*messages: str | bytes | list[str]) -> Handler:
    """A server that sends messages, a list in so many frames, and remains."""

    async def send(connection: ServerConnection) -> None:
        for message in messages:
            await connection.send(message)
        await connection.wait_closed()

    return send


def writing(data: bytes) -> Handler:
    """A server that writes bytes as they are, at once, and remains."""

    async def write(connection: ServerConnection) -> None:
        connection.transport.write(data)
        await connection.wait_closed()

    return write


def text(payload: bytes) -> bytes:
    """A short message as a frame."""
    return bytes((0x81, len(payload))) + payload


# ---- the handshake ---------------------------------------------------------------------------------------------------


async def test_an_attempt_is_told_before_it_is_made_and_the_opening_before_the_first_frame(way: Bed) -> None:
    heard = Heard()

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        writer.write(accept(head) + text(b'{"welcome":1}'))  # in one piece
        await reader.read()
        writer.close()

    opened = way.sockets(heard)
    opened.open(1, await way.server(greet))
    assert heard.told == ["attempting"]
    await until(lambda: heard.frames, "the frame")
    assert heard.told[:4] == ["attempting", "opened", "frame", "flush"]
    opened.close(1)


def accept(head: str) -> bytes:
    """The answer to a handshake."""
    key = next(line.split(": ")[1] for line in head.split("\r\n") if line.lower().startswith("sec-websocket-key"))
    answer = f"HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept_key(key)}\r\n\r\n"
    return answer.encode()


@pytest.mark.parametrize("status", [HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.FORBIDDEN, HTTPStatus(451)])
async def test_a_refusal_is_told_with_its_status_and_how_long_to_wait(way: Bed, status: HTTPStatus) -> None:
    def refuse(connection: ServerConnection, request: Request) -> Response:
        response = connection.respond(status, "no")
        response.headers["Retry-After"] = "7"
        return response

    heard = Heard()
    way.sockets(heard).open(1, await way.exchange(remain, process_request=refuse))
    await until(lambda: heard.losses, "the loss")
    assert heard.losses == [Disconnect(f"HTTP {status.value}", http_status=status.value, retry_after_s=7.0)]
    assert heard.told == ["attempting", "lost"]


async def test_a_refusal_may_tell_when_to_come_back_as_a_date(way: Bed) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        later = formatdate(time() + 100, usegmt=True)
        writer.write(f"HTTP/1.1 418 I'm a teapot\r\nRetry-After: {later}\r\nContent-Length: 2\r\n\r\nno".encode())
        await writer.drain()
        writer.close()

    heard = Heard()
    way.sockets(heard).open(1, await way.server(refuse))
    (why,) = await until(lambda: heard.losses, "the loss")
    assert why.http_status == 418
    assert 95 < why.retry_after_s <= 101


async def test_a_refusal_that_tells_no_length_ends_with_the_connection(way: Bed) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\n\r\nslow down")
        await writer.drain()
        writer.close()

    heard = Heard()
    way.sockets(heard).open(1, await way.server(refuse))
    await until(lambda: heard.losses, "the loss")
    assert heard.losses == [Disconnect("HTTP 429", http_status=429, retry_after_s=7.0)]


async def test_a_redirect_is_not_followed(way: Bed) -> None:
    asked = []

    def redirect(connection: ServerConnection, request: Request) -> Response:
        asked.append(request.path)
        response = connection.respond(HTTPStatus.FOUND, "")
        response.headers["Location"] = "/elsewhere"
        return response

    heard = Heard()
    way.sockets(heard).open(1, await way.exchange(remain, process_request=redirect))
    await until(lambda: heard.losses, "the loss")
    assert heard.losses == [Disconnect("HTTP 302", http_status=302)]
    assert asked == ["/stream"]


async def test_a_server_that_closes_during_the_handshake_is_no_open_connection(way: Bed) -> None:
    async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    heard = Heard()
    way.sockets(heard).open(1, await way.server(close))
    await until(lambda: heard.losses, "the loss")
    assert heard.losses == [Disconnect("closed during the handshake")]
    assert "opened" not in heard.told


async def test_an_answer_that_is_no_handshake_is_told_in_words(way: Bed) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"220 mail.example ESMTP\r\n\r\n")
        await reader.read()
        writer.close()

    heard = Heard()
    way.sockets(heard).open(1, await way.server(answer))
    (why,) = await until(lambda: heard.losses, "the loss")
    assert why.reason
    assert (why.http_status, why.close_code) == (None, None)


async def test_a_server_that_never_answers_is_given_up(way: Bed) -> None:
    ended = asyncio.Event()

    async def ignore(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        ended.set()
        writer.close()

    heard = Heard()
    way.sockets(heard, timeout_s=0.3).open(1, await way.server(ignore))
    await until(lambda: heard.losses, "the loss")
    assert heard.losses == [Disconnect("no connection within 0.3 s")]
    await asyncio.wait_for(ended.wait(), 10)  # no connection is left behind


async def test_a_port_where_nobody_listens_is_a_loss_not_a_fault(way: Bed, caplog: pytest.LogCaptureFixture) -> None:
    heard = Heard()
    way.sockets(heard).open(1, way.url(1))
    (why,) = await until(lambda: heard.losses, "the loss")
    assert why.reason
    assert not caplog.records


async def test_a_socket_that_is_let_go_of_during_the_handshake_leaves_no_connection_behind(way: Bed) -> None:
    asked, answer, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        asked.set()
        await answer.wait()
        writer.write(accept(head))
        await reader.read()
        ended.set()
        writer.close()

    heard = Heard()
    opened = way.sockets(heard)
    opened.open(1, await way.server(wait))
    await asyncio.wait_for(asked.wait(), 10)
    opened.close(1)
    await asyncio.sleep(0)
    answer.set()
    await asyncio.wait_for(ended.wait(), 10)
    assert set(heard.told) <= {"attempting", "flush"}


# ---- messages --------------------------------------------------------------------------------------------------------


async def test_messages_come_whole_and_in_order_whatever_they_are_cut_into(way: Bed) -> None:
    sent = [
        f'{{"{i}":"{"x" * size}"}}' for i, size in enumerate((0, 1, 110, 117, 125, 126, 3000, 65521, 65530, 70000, 2**20, 2))
    ]
    heard = Heard()
    opened = way.sockets(heard)
    opened.open(1, await way.exchange(sending(*sent)))
    await until(lambda: len(heard.frames) == len(sent), "all messages")
    assert heard.frames == [message.encode() for message in sent]
    assert heard.told[-1] == "flush"
    opened.close(1)


async def test_one_socket_read_is_one_flush(way: Bed) -> None:
    heard = Heard()
    opened = way.sockets(heard)
    opened.open(1, await way.exchange(writing(b"".join(text(b"%d" % i) for i in range(100)))))
    await until(lambda: len(heard.frames) == 100, "all messages")
    assert heard.told.count("flush") == 1
    assert heard.told[-1] == "flush"
    opened.close(1)


async def test_a_message_in_several_frames_is_one_message_and_so_is_a_binary_one(way: Bed) -> None:
    heard = Heard()
    opened = way.sockets(heard)
    opened.open(1, await way.exchange(sending(["", '{"a"', "", ":1}"], b'{"b":2}', '{"c":3}')))
    await until(lambda: len(heard.frames) == 3, "the messages")
    assert heard.frames == [b'{"a":1}', b'{"b":2}', b'{"c":3}']
    opened.close(1)


async def test_a_control_frame_may_come_between_the_frames_of_a_message(way: Bed) -> None:
    heard = Heard()
    opened = way.sockets(heard)
    opened.open(1, await way.exchange(writing(b"\x01\x01{\x89\x02hi\x80\x01}")))
    await until(lambda: heard.frames, "the message")
    assert (heard.frames, heard.pings) == ([b"{}"], [b"hi"])
    opened.close(1)


async def test_what_a_socket_delivered_is_counted_and_marked(way: Bed) -> None:
    heard = Heard()
    heard.slots = [3, 5]
    opened = way.sockets(heard)
    before_ns = time_ns()
    opened.open(1, await way.exchange(sending("{}", "{}")))
    await until(lambda: len(heard.frames) == 2, "the messages")
    assert opened.messages(1) == 2
    assert before_ns <= opened.last_message_ns(1) <= time_ns()
    assert [slot for slot in range(8) if opened.seen(1, slot)] == [3, 5]
    opened.close(1)
    assert not opened.seen(1, 3)


async def test_what_is_sent_arrives_in_order(way: Bed) -> None:
    got: list[str | bytes] = []

    async def receive(connection: ServerConnection) -> None:
        while len(got) < 2:
            got.append(await connection.recv())
        await connection.wait_closed()

    heard = Heard()
    opened = way.sockets(heard)
    opened.open(1, await way.exchange(receive))
    await until(lambda: "opened" in heard.told, "the opening")
    opened.send(1, '{"op":"ping"}')
    opened.send(1, "币安")
    await until(lambda: len(got) == 2, "both messages")
    assert got == ['{"op":"ping"}', "币安"]
    opened.close(1)


# ---- pings -----------------------------------------------------------------------------------------------------------


async def test_no_ping_is_answered_but_by_us(way: Bed) -> None:
    got, ponged = asyncio.Event(), asyncio.Event()
    early = []

    async def ping(connection: ServerConnection) -> None:
        pong = asyncio.ensure_future(await connection.ping("are you there"))
        await connection.recv()
        early.append(pong.done())
        got.set()
        await pong
        ponged.set()
        await connection.wait_closed()

    heard = Heard()
    opened = way.sockets(heard)
    opened.open(1, await way.exchange(ping))
    await until(lambda: heard.pings, "the ping")
    assert heard.pings == [b"are you there"]
    opened.send(1, "a pong would have gone before this")
    await asyncio.wait_for(got.wait(), 10)
    assert early == [False]
    opened.pong(1, b"are you there")
    await asyncio.wait_for(ponged.wait(), 10)
    opened.close(1)


async def test_the_answer_to_our_ping_is_told(way: Bed) -> None:
    heard = Heard()
    opened = way.sockets(heard)
    opened.open(1, await way.exchange(remain))
    await until(lambda: "opened" in heard.told, "the opening")
    opened.ping(1, b"1")
    await until(lambda: "ponged" in heard.told, "the pong")
    opened.close(1)


# ---- the end ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (1001, "bye"), (1008, "Too many requests"), (4001, "own words")])
async def test_the_exchange_s_own_close_frame_is_told(way: Bed, code: int, reason: str) -> None:
    answered = []

    async def close(connection: ServerConnection) -> None:
        await connection.close(code, reason)
        answered.append(connection.close_code)

    heard = Heard()
    way.sockets(heard).open(1, await way.exchange(close))
    await until(lambda: heard.losses, "the loss")
    assert heard.losses == [Disconnect(reason or "closed by the exchange", close_code=code)]
    await until(lambda: answered, "the answer to the close frame")
    assert answered == [code]


async def test_a_close_frame_without_a_code_is_one_all_the_same(way: Bed) -> None:
    heard = Heard()
    way.sockets(heard).open(1, await way.exchange(writing(b"\x88\x00")))
    await until(lambda: heard.losses, "the loss")
    assert heard.losses == [Disconnect("closed by the exchange")]


@pytest.mark.parametrize("last", [b"\x88\x02\x03\xe8", b"\x83\x00"], ids=["a close frame", "a broken frame"])
async def test_an_exchange_that_has_ended_a_connection_need_not_cut_it_too(way: Bed, last: bytes) -> None:
    ended = asyncio.Event()

    async def stay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(accept((await reader.readuntil(b"\r\n\r\n")).decode()) + text(b"{}") + last)
        await reader.read()
        ended.set()
        writer.close()

    heard = Heard()
    way.sockets(heard).open(1, await way.server(stay))
    await until(lambda: heard.losses, "the loss")
    await asyncio.wait_for(ended.wait(), 10)


async def test_a_reset_right_behind_data_is_a_loss_too(way: Bed) -> None:
    """The event loop meets both at once, and must not stop at the data."""
    heard, go, gone = Heard(), threading.Event(), threading.Event()

    def reset(listening: socket.socket) -> None:
        sock, _ = listening.accept()
        with way.server_tls.wrap_socket(sock, server_side=True) if way.way.tls else sock as end:
            end.sendall(accept(end.recv(65536).decode()))
            go.wait(10)
            end.sendall(text(b"{}") * 100)
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        gone.set()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = threading.Thread(target=reset, args=(listening,))
        server.start()
        way.sockets(heard).open(1, way.url(listening.getsockname()[1]))
        await until(lambda: "opened" in heard.told, "the opening")
        go.set()
        gone.wait(10)  # the event loop stands still
        await until(lambda: "lost" in heard.told, "the loss", 3.0)
        server.join()


async def test_a_connection_that_is_cut_is_lost_without_a_code_after_what_it_brought(way: Bed) -> None:
    async def cut(connection: ServerConnection) -> None:
        await connection.send("{}")
        await connection.recv()
        connection.transport.abort()

    heard = Heard()
    opened = way.sockets(heard)
    opened.open(1, await way.exchange(cut))
    await until(lambda: heard.frames, "the message")
    opened.send(1, "now")
    await until(lambda: heard.losses, "the loss")
    assert heard.losses == [Disconnect("connection lost")]
    assert heard.frames == [b"{}"]


TOO_LARGE = bytes(LARGEST_MESSAGE_BYTES)
BROKEN = {
    "a close frame of half a code": b"\x88\x01\x03",
    "a control frame that is too long": b"\x89\x7e\x00\x80" + bytes(128),
    "a frame of no known kind": b"\x83\x00",
    "a message that is too large": b"\x81\x7f" + (LARGEST_MESSAGE_BYTES + 1).to_bytes(8, "big"),
    "a message whose parts are too large": b"\x01\x7f" + LARGEST_MESSAGE_BYTES.to_bytes(8, "big") + TOO_LARGE + b"\x80\x01}",
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
async def test_a_server_that_breaks_the_protocol_is_given_up_and_named(
    way: Bed, data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    heard = Heard()
    way.sockets(heard).open(1, await way.exchange(writing(data)))
    (why,) = await until(lambda: heard.losses, "the loss")
    assert why.reason.startswith("given up, for it broke the protocol: ")
    assert not why.reason.endswith(": ")
    assert why.close_code is None, "the exchange said nothing about how to come back"
    assert not [r for r in caplog.records if r.name in {"asyncio", "marketfeed.shard"}]


async def test_what_is_sent_on_a_connection_that_is_ending_goes_nowhere(way: Bed) -> None:
    class Late(Heard):
        def flush(self) -> None:  # the close frame was read, its end was not told
            super().flush()
            if not self.losses and "opened" in self.told:
                opened.send(1, "too late")
                opened.ping(1, b"")
                opened.pong(1, b"")

    heard = Late()
    opened = way.sockets(heard)
    opened.open(1, await way.exchange(writing(b"\x88\x02\x03\xe8")))
    await until(lambda: heard.losses, "the loss")
    assert heard.losses == [Disconnect("closed by the exchange", close_code=1000)]


async def test_a_socket_that_is_closed_says_so_and_is_not_heard_of_again(way: Bed) -> None:
    codes: list[int | None] = []

    async def flood(connection: ServerConnection) -> None:
        await connection.send("{}")
        await connection.wait_closed()
        codes.append(connection.close_code)

    heard = Heard()
    opened = way.sockets(heard)
    opened.open(1, await way.exchange(flood))
    await until(lambda: heard.frames, "the message")
    opened.close(1)
    opened.close(1)
    told = list(heard.told)
    await until(lambda: codes, "the end")
    assert codes == [1000]
    await asyncio.sleep(0)
    assert [word for word in heard.told[len(told) :] if word != "flush"] == []


async def test_a_fault_of_ours_ends_the_connection_and_is_shown_whole(way: Bed, caplog: pytest.LogCaptureFixture) -> None:
    heard = Heard()
    heard.broken = True
    way.sockets(heard).open(1, await way.exchange(sending("{}")))
    await until(lambda: heard.losses, "the loss")
    (record,) = await until(lambda: [r for r in caplog.records if r.name == "marketfeed.shard"], "the fault in the log")
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError


async def test_the_same_sockets_hold_several_connections_apart(way: Bed) -> None:
    heard = Heard()
    heard.slots = [1]
    opened = way.sockets(heard)
    talking, silent = await way.exchange(sending("{}")), await way.exchange(remain)
    opened.open(1, talking)
    opened.open(2, silent)
    await until(lambda: heard.frames and heard.told.count("opened") == 2, "both")
    assert (opened.messages(1), opened.messages(2)) == (1, 0)
    assert (opened.seen(1, 1), opened.seen(2, 1)) == (True, False)
    opened.close(1)
    opened.ping(2, b"")
    await until(lambda: "ponged" in heard.told, "the other one's pong")
    opened.close(2)


async def test_a_connection_goes_through_the_proxy_where_there_is_one(way: Bed) -> None:
    heard = Heard()
    opened = way.sockets(heard)
    url = await way.exchange(remain)
    opened.open(1, url)
    await until(lambda: "opened" in heard.told, "the opening")
    if way.proxy is not None:
        assert [target.rpartition(":")[2] for target in way.proxy.asked] == [url.split(":")[2].split("/")[0]]
    opened.close(1)
