from __future__ import annotations

import asyncio
import json
import ssl

import pytest
import trustme
from clients import client, closing, fetch, received, request
from simulated import binance
from waiting import until
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus

from marketfeed.exchanges.exchange import Window

TWO = ["btcusdt@trade", "ethusdt@bookTicker"]


async def test_subscriber_gets_exactly_what_the_ledger_has_in_order() -> None:
    async with binance() as sim, client(sim) as ws:
        assert await request(ws, "SUBSCRIBE", TWO) == {"result": None, "id": 1}
        assert await sim.emit(250) == 250
        texts = await received(ws, 250)
        assert texts == [sent.text for sent in sim.ledger]
        assert {sent.stream for sent in sim.ledger} == set(TWO)
        assert {sent.connection for sent in sim.ledger} == {1}
        assert sim.sent == 250
        trades = [json.loads(text)["data"]["t"] for text in sim.ledger.texts("btcusdt@trade")]
        assert trades == list(range(trades[0], trades[0] + 125))


async def test_streams_can_stand_in_the_url_raw_or_combined() -> None:
    async with binance() as sim, client(sim, f"/stream?streams={'/'.join(TWO)}") as both, client(sim, f"/ws/{TWO[0]}") as raw:
        await until(lambda: len(sim.connections) == 2, "two connections")
        await sim.emit(2)
        assert [json.loads(text)["stream"] for text in await received(both, 2)] == TWO
        (bare,) = await received(raw, 1)
        assert json.loads(bare)["e"] == "trade"
        assert await request(raw, "LIST_SUBSCRIPTIONS") == {"result": TWO[:1], "id": 1}
        await request(raw, "SET_PROPERTY", ["combined", True])
        await sim.emit(1)
        assert json.loads((await received(raw, 1))[0])["stream"] == TWO[0]


async def test_nothing_comes_of_a_stream_after_it_was_unsubscribed() -> None:
    async with binance() as sim, client(sim) as ws:
        await request(ws, "SUBSCRIBE", TWO)
        await request(ws, "UNSUBSCRIBE", TWO[:1])
        assert await sim.emit(5) == 5
        assert {json.loads(text)["stream"] for text in await received(ws, 5)} == {TWO[1]}


async def test_market_runs_at_its_pace_and_can_be_paused() -> None:
    async with binance(rate=500.0, paused=False) as sim, client(sim) as ws:
        await request(ws, "SUBSCRIBE", [*TWO, "bnbusdt@depth@100ms", "bnbusdt@ticker", "bnbusdt@kline_1s"])
        kinds = ("trade", "bookTicker", "depth@100ms", "ticker", "kline_1s")
        await until(lambda: {s.stream.partition("@")[2] for s in sim.ledger} == set(kinds), "a message of every kind")
        sim.pause()
        count = len(sim.ledger)
        assert await request(ws, "LIST_SUBSCRIPTIONS") is not None
        await until(lambda: len(sim.ledger) == count, "nothing more is sent")


async def test_sixth_client_message_within_a_second_closes_the_connection() -> None:
    async with binance() as sim, client(sim) as ws:
        for n in range(6):
            await ws.send(json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": n}))
        assert await closing(ws) == (1008, "Too many requests")
        assert [(v.connection, v.rule) for v in sim.violations] == [(1, "client_messages")]
        await until(lambda: not sim.connections, "the connection is gone")


async def test_pings_and_pongs_of_the_client_count_too() -> None:
    async with binance() as sim, client(sim) as ws:
        for _ in range(3):
            await ws.ping()
            await ws.pong()
        assert await closing(ws) == (1008, "Too many requests")


async def test_five_messages_within_a_second_are_answered() -> None:
    async with binance() as sim, client(sim) as ws:
        for n in range(5):
            assert await request(ws, "LIST_SUBSCRIPTIONS", number=n) == {"result": [], "id": n}
        assert not sim.violations


async def test_too_many_streams_cost_the_connection() -> None:
    names = [f"s{n}@trade" for n in range(1024)]
    async with binance() as sim, client(sim) as ws:
        await request(ws, "SUBSCRIBE", names)
        body = await request(ws, "SUBSCRIBE", ["one@more"], 2)
        assert body == {"error": {"code": 4, "msg": "Too many subscriptions"}, "id": 2}
        assert await closing(ws) == (1008, "Invalid request")
        assert [v.rule for v in sim.violations] == ["streams_per_connection"]


async def test_connection_attempts_beyond_the_limit_are_refused_then_banned() -> None:
    limits = {"connects": (Window(2, 300.0),), "warnings": 1, "ban_s": 60.0}
    async with binance(limits=limits) as sim:
        for _ in range(2):
            async with client(sim):
                pass
        for status in (429, 418):
            with pytest.raises(InvalidStatus) as refused:
                await client(sim)
            assert refused.value.response.status_code == status
            assert int(refused.value.response.headers["Retry-After"]) > 0
        assert [v.rule for v in sim.violations] == ["connects", "connects"]
        status, body, headers = await fetch(f"{sim.rest_url}/api/v3/ping")
        assert (status, body["code"], headers["Retry-After"]) == (418, -1003, "60")


async def test_server_pings_and_cuts_who_does_not_answer() -> None:
    limits = {"ping_interval_s": 0.05, "ping_timeout_s": 0.2, "client_messages": Window(100, 1.0)}
    async with binance(limits=limits) as sim, client(sim) as ws, client(sim) as silent:
        silent.protocol.data_to_send = list  # type: ignore[method-assign] - its pongs stay where they are
        assert await closing(silent) == (1008, "Pong timeout")
        assert [(v.connection, v.rule) for v in sim.violations] == [(2, "pong")]
        assert await request(ws, "LIST_SUBSCRIPTIONS") == {"result": [], "id": 1}
        silent.transport.abort()


async def test_connection_ends_with_its_lifetime() -> None:
    async with binance(limits={"lifetime_s": 0.05}) as sim, client(sim) as ws:
        assert await closing(ws) == (1001, "")
        assert not sim.violations


async def test_rest_lists_symbols_and_shows_the_book_that_the_stream_goes_on_from() -> None:
    async with binance() as sim, client(sim) as ws:
        assert (await fetch(f"{sim.rest_url}/api/v3/ping"))[:2] == (200, {})
        _, info, _ = await fetch(f"{sim.rest_url}/api/v3/exchangeInfo")
        assert [row["symbol"] for row in info["symbols"]] == ["BTCUSDT", "ETHUSDT", "BNBUSDT", "SOLUSDT"]
        await request(ws, "SUBSCRIBE", ["btcusdt@bookTicker"])
        await sim.emit(5)
        last = json.loads((await received(ws, 5))[-1])["data"]
        _, book, _ = await fetch(f"{sim.rest_url}/api/v3/depth?symbol=BTCUSDT&limit=5")
        assert book["lastUpdateId"] == last["u"]
        assert (book["bids"][0], book["asks"][0]) == ([last["b"], last["B"]], [last["a"], last["A"]])
        assert [len(book["bids"]), len(book["asks"])] == [5, 5]


async def test_rest_errors_are_those_of_the_exchange() -> None:
    async with binance() as sim:
        status, body, _ = await fetch(f"{sim.rest_url}/api/v3/depth?symbol=NOSUCH")
        assert (status, body) == (400, {"code": -1121, "msg": "Invalid symbol."})
        assert (await fetch(f"{sim.rest_url}/api/v3/depth?symbol=BTCUSDT&limit=x"))[0] == 400
        assert (await fetch(f"{sim.rest_url}/api/v3/depth?symbol=BTCUSDT&limit=9999"))[0] == 200
        assert (await fetch(f"{sim.rest_url}/nothing"))[0] == 404


async def test_stalled_connection_answers_and_brings_no_data() -> None:
    async with binance() as sim, client(sim) as ws, client(sim) as other:
        for each in (ws, other):
            await request(each, "SUBSCRIBE", TWO[:1])
        sim.faults.stall(connection=1)
        await sim.emit(3)
        assert len(await received(other, 3)) == 3
        assert await request(ws, "LIST_SUBSCRIPTIONS") == {"result": TWO[:1], "id": 1}
        await (await ws.ping())
        sim.faults.clear()
        await sim.emit(1)
        (text,) = await received(ws, 1)
        assert text == (await received(other, 1))[0]
        assert [sent.connection for sent in sim.ledger] == [2, 2, 2, 1, 2]


async def test_frozen_connection_answers_nothing_and_stays() -> None:
    async with binance() as sim, client(sim) as ws:
        await request(ws, "SUBSCRIBE", TWO[:1])
        sim.faults.freeze()
        pong = await ws.ping()
        await ws.send(json.dumps({"method": "SUBSCRIBE", "params": TWO, "id": 2}))
        await until(lambda: len(sim.connections[1].topics) == 2, "the request is heard")
        await sim.emit(2)
        sim.faults.clear()
        assert await request(ws, "LIST_SUBSCRIPTIONS", number=3) == {"result": TWO, "id": 3}
        assert not pong.done()
        assert not sim.ledger
        sim.faults.freeze()
        ws.transport.abort()


async def test_connections_are_cut_with_a_code_or_by_a_reset() -> None:
    async with binance() as sim, client(sim) as first, client(sim) as second, client(sim) as third:
        await until(lambda: len(sim.connections) == 3, "three connections")
        assert sim.cut(connection=1, code=1012, reason="service restart") == 1
        assert await closing(first) == (1012, "service restart")
        assert sim.cut(connection=2) == 1
        with pytest.raises(ConnectionClosed) as ended:
            await second.recv()
        assert ended.value.rcvd is None
        assert sim.expire() == 1
        assert await closing(third) == (1001, "")
        assert sim.cut(connection=99) == 0


async def test_new_connections_are_refused_reset_or_banned_on_command() -> None:
    async with binance() as sim:
        sim.faults.refuse(503)
        with pytest.raises(InvalidStatus, match="503"):
            await client(sim)
        sim.faults.refuse(None)
        with pytest.raises((InvalidMessage, ConnectionResetError)):
            await client(sim)
        assert not sim.violations
        sim.faults.ban(60.0)
        with pytest.raises(InvalidStatus, match="418"):
            await client(sim)
        assert [v.rule for v in sim.violations] == ["banned"]
        sim.faults.clear()
        async with client(sim):
            pass


async def test_shutdown_is_announced_in_the_form_of_the_connection() -> None:
    async with binance() as sim, client(sim) as ws, client(sim, "/ws") as raw:
        await until(lambda: len(sim.connections) == 2, "two connections")
        assert sim.announce_shutdown() == 2
        (text,), (bare,) = await received(ws, 1), await received(raw, 1)
        assert json.loads(text)["stream"] == "!serverShutdown"
        assert json.loads(text)["data"]["e"] == json.loads(bare)["e"] == "serverShutdown"


async def test_rejected_subscription_is_answered_with_an_error_and_brings_nothing() -> None:
    async with binance(errors="wrapped") as sim, client(sim) as ws:
        sim.faults.reject_subscribes(1, "no")
        assert await request(ws, "SUBSCRIBE", TWO) == {"error": {"code": 2, "msg": "no"}, "id": 1}
        assert await sim.emit(2) == 0
        assert await request(ws, "SUBSCRIBE", TWO) == {"result": None, "id": 1}


async def test_slow_data_comes_later_and_in_order() -> None:
    async with binance() as sim, client(sim) as ws:
        await request(ws, "SUBSCRIBE", TWO[:1])
        sim.faults.slow(0.1)
        await sim.emit(3)
        sim.faults.clear()
        await sim.emit(3)
        assert await received(ws, 6) == [sent.text for sent in sim.ledger]


async def test_full_speed_brings_every_message_in_order_to_all_who_listen() -> None:
    async with (
        binance(rate=0.0, paused=False, ledger=None) as sim,
        client(sim, "/stream?streams=btcusdt@trade/ethusdt@bookTicker") as ws,
        client(sim, "/ws/btcusdt@trade") as raw,
    ):
        texts, bare = [json.loads(t) for t in await received(ws, 4000)], [json.loads(t) for t in await received(raw, 2000)]
        for ids, step in (
            ([t["data"]["t"] for t in texts if "t" in t["data"]], 1),
            ([t["data"]["u"] for t in texts if "u" in t["data"]], 10),
            ([t["t"] for t in bare], 1),
        ):
            assert len(ids) > 1000
            assert ids == list(range(ids[0], ids[0] + step * len(ids), step))
        assert await request(raw, "UNSUBSCRIBE", ["btcusdt@trade"]) == {"result": None, "id": 1}
        await raw.send(json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": 2}))
        assert json.loads((await received(raw, 1))[0]) == {"result": [], "id": 2}
        ws.transport.abort()  # rather than read all that is under way


async def test_at_full_speed_too_nothing_comes_of_a_stream_after_it_was_unsubscribed() -> None:
    limits = {"client_messages": Window(1000, 1.0)}
    async with binance(100, rate=0.0, paused=False, ledger=None, limits=limits) as sim, client(sim, "/ws") as ws:
        names = [f"{s.native.lower()}@{kind}" for s in sim.source.listings for kind in ("trade", "aggTrade")]
        for _ in range(2):
            await request(ws, "SUBSCRIBE", names)
            await received(ws, 500)
            await request(ws, "UNSUBSCRIBE", names)
            await ws.send(json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": 2}))
            assert json.loads((await received(ws, 1))[0]) == {"result": [], "id": 2}


async def test_same_market_goes_on_after_a_restart_on_the_same_port() -> None:
    async with binance() as sim:
        port = sim.port
        async with client(sim) as ws:
            await request(ws, "SUBSCRIBE", TWO[:1])
            await sim.emit(3)
            await received(ws, 3)
            await sim.kill()
            with pytest.raises(ConnectionClosed):
                await ws.recv()
        with pytest.raises(ConnectionRefusedError):
            await client(sim)
        await sim.start()
        assert sim.port == port
        async with client(sim) as ws:
            await request(ws, "SUBSCRIBE", TWO[:1])
            await sim.emit(1)
            await received(ws, 1)
        ids = [json.loads(sent.text)["data"]["t"] for sent in sim.ledger]
        assert ids == list(range(ids[0], ids[0] + 4))


async def test_tls_is_served_to_who_trusts_its_authority_and_to_no_other() -> None:
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    async with binance(tls=tls) as sim:
        assert sim.ws_url.startswith("wss://")
        async with client(sim, ssl=trusting) as ws:
            await request(ws, "SUBSCRIBE", TWO)
            await sim.emit(4)
            assert await received(ws, 4) == [sent.text for sent in sim.ledger]
            sim.cut()
            with pytest.raises(ConnectionClosed):
                await ws.recv()
        assert (await fetch(f"{sim.rest_url}/api/v3/ping", context=trusting))[0] == 200
        with pytest.raises(ssl.SSLCertVerificationError):
            await client(sim)


async def test_control_paths_do_what_the_methods_do() -> None:
    async with binance() as sim, client(sim) as ws:
        await request(ws, "SUBSCRIBE", TWO)
        assert (await fetch(f"{sim.rest_url}/sim/gap?messages=2&stream=btcusdt@*"))[:2] == (200, {"result": None})
        assert (await fetch(f"{sim.rest_url}/sim/emit?messages=6"))[:2] == (200, {"result": 6})
        assert len(await received(ws, 4)) == 4
        status, state, _ = await fetch(f"{sim.rest_url}/sim/state")
        assert (status, state["connections"]) == (200, [{"connection": 1, "streams": TWO}])
        assert (state["sent"], state["running"], state["violations"]) == (4, False, [])
        assert (await fetch(f"{sim.rest_url}/sim/refuse?status=null"))[0] == 200
        assert sim.faults.refusal() is not None
        assert (await fetch(f"{sim.rest_url}/sim/clear"))[0] == 200
        assert (await fetch(f"{sim.rest_url}/sim/cut?connection=1&code=1012"))[:2] == (200, {"result": 1})
        assert (await closing(ws))[0] == 1012


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("nosuch", "there are state, stall, freeze"),
        ("stall?speed=1", "there are connection"),
        ("stall?connection=x", "connection=x is no int"),
        ("corrupt?form=nosuch", "there are truncated, type"),
        ("slow", "delay_s"),
    ],
)
async def test_wrong_command_is_told_what_there_is(path: str, said: str) -> None:
    async with binance() as sim:
        status, body, _ = await fetch(f"{sim.rest_url}/sim/{path}")
        assert status == 400
        assert said in body["error"]


class Deaf(asyncio.Protocol):
    """A client that asks and never reads."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()
        transport.write(
            b"GET /stream?streams=btcusdt@trade HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )


async def test_who_never_reads_is_cut_and_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("marketfeed_simulator.reception.CLOSE_TIMEOUT_S", 0.1)
    monkeypatch.setattr("marketfeed_simulator.server.CLOSE_TIMEOUT_S", 0.1)
    limits = {"ping_interval_s": 0.05, "ping_timeout_s": 0.2, "client_messages": Window(100, 1.0)}
    async with binance(rate=0.0, paused=False, ledger=None, limits=limits) as sim:
        transport, _ = await asyncio.get_running_loop().create_connection(Deaf, sim.host, sim.port)
        await until(lambda: sim.violations and not sim.connections, "the connection is gone")
        assert [v.rule for v in sim.violations] == ["pong"]
        async with client(sim, "/ws/btcusdt@trade") as ws:
            assert len(await received(ws, 100)) == 100
            ws.transport.abort()
        transport.abort()


async def test_who_never_reads_does_not_keep_the_server_from_stopping(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("marketfeed_simulator.reception.CLOSE_TIMEOUT_S", 0.1)
    monkeypatch.setattr("marketfeed_simulator.server.CLOSE_TIMEOUT_S", 0.1)
    async with binance(rate=0.0, paused=False, ledger=None) as sim:
        transport, _ = await asyncio.get_running_loop().create_connection(Deaf, sim.host, sim.port)
        await until(lambda: sim.sent > 1000, "the socket is full")
        async with asyncio.timeout(10):
            await sim.stop()
        transport.abort()


async def test_too_many_streams_in_the_url_cost_the_connection() -> None:
    async with (
        binance(limits={"streams_per_connection": 2}) as sim,
        client(sim, "/stream?streams=a@trade/b@trade/c@trade") as ws,
    ):
        assert await closing(ws) == (1008, "Invalid request")
        assert [v.rule for v in sim.violations] == ["streams_per_connection"]
