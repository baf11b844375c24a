"""What the server does for any exchange: snapshots, budgets, silence, REST faults, the list of symbols, the truth."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from clients import client, closing, fetch, received, request
from simulated import binance, simulated
from waiting import until
from websockets.exceptions import InvalidStatus

from marketfeed.exchanges.exchange import Window
from marketfeed_simulator import housekeeping
from marketfeed_simulator.bybit import Bybit
from marketfeed_simulator.exchange import Closings
from marketfeed_simulator.ledger import MemoryLedger
from marketfeed_simulator.listing import listings
from marketfeed_simulator.market import Market
from marketfeed_simulator.server import Simulator

PATH = "/v5/public/linear"
BOOK, TRADES = "orderbook.50.BTCUSDT", "publicTrade.BTCUSDT"


def bybit(symbols: int = 2, **options: Any) -> Simulator:
    return simulated("bybit", "linear", symbols, **options)


def subscribe(*topics: str) -> str:
    return json.dumps({"op": "subscribe", "args": topics, "req_id": "1"})


async def subscribed(ws: Any, *topics: str) -> None:
    await ws.send(subscribe(*topics))
    while "success" not in (reply := json.loads((await received(ws, 1))[0])):
        pass  # data that was under way
    assert reply["success"]


def data(text: str) -> Any:
    return json.loads(text)["data"]


async def test_new_subscriber_alone_gets_the_snapshot_of_what_was_told_last() -> None:
    async with bybit() as sim, client(sim, PATH) as first, client(sim, PATH) as second:
        await subscribed(first, BOOK)
        (snapshot,) = await received(first, 1)
        await subscribed(second, BOOK)
        assert data((await received(second, 1))[0]) == data(snapshot)
        sim.skip(3)
        assert sim.tell() == 1
        assert await received(first, 1) == await received(second, 1)
        ledger = sim.ledger
        assert isinstance(ledger, MemoryLedger)
        assert [sent.connection for sent in ledger] == [1, 2, 1, 2]


async def test_topic_that_is_asked_for_again_begins_again() -> None:
    async with bybit() as sim, client(sim, PATH) as ws:
        await subscribed(ws, BOOK)
        (snapshot,) = await received(ws, 1)
        await subscribed(ws, BOOK)
        assert data((await received(ws, 1))[0]) == data(snapshot)


async def test_exchange_that_counts_connections_refuses_one_more() -> None:
    async with bybit(limits={"alive": 1}) as sim:
        async with client(sim, PATH):
            with pytest.raises(InvalidStatus, match="403"):
                await client(sim, PATH)
            assert [violation.rule for violation in sim.violations] == ["alive"]
        await until(lambda: not sim.connections, "the connection is gone")
        async with client(sim, PATH):
            pass


async def test_who_is_silent_and_gets_nothing_is_cut_without_a_word() -> None:
    async with bybit(limits={"idle_s": 0.1}) as sim, client(sim, PATH) as ws:
        assert await closing(ws) == (1006, "")
        assert [violation.rule for violation in sim.violations] == ["idle"]


async def test_who_pings_is_not_cut() -> None:
    async with bybit(limits={"idle_s": 0.4}) as sim, client(sim, PATH) as ws:
        for _ in range(8):
            await asyncio.sleep(0.1)
            await ws.send('{"op":"ping"}')
            assert json.loads((await received(ws, 1))[0])["ret_msg"] == "pong"
        assert not sim.violations


async def test_heartbeat_comes_when_nothing_else_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Bybit, "heartbeat", lambda self, session: '{"channel":"heartbeat"}')
    async with bybit(limits={"heartbeat_s": 0.05}) as sim, client(sim, PATH) as ws, client(sim, PATH) as other:
        await subscribed(ws, TRADES)
        assert await received(ws, 2) == ['{"channel":"heartbeat"}'] * 2
        await other.send('{"op":"ping"}')
        assert "pong" in (await received(other, 1))[0]
        assert sim.sent == 0


async def test_welcome_is_said_and_requests_are_counted_over_time(monkeypatch: pytest.MonkeyPatch) -> None:
    hear = Bybit.receive
    monkeypatch.setattr(Bybit, "welcome", lambda self, session, now_ms: ["welcome", str(session.number)])

    def receive(self: Bybit, session: Any, text: str, hearing: Any) -> Any:
        hearing.within(1)
        return hear(self, session, text, hearing)

    monkeypatch.setattr(Bybit, "receive", receive)
    async with bybit(limits={"requests": Window(2, 3600.0)}) as sim, client(sim, PATH) as ws:
        assert await received(ws, 2) == ["welcome", "1"]
        for _ in range(3):
            await ws.send('{"op":"ping"}')
        await received(ws, 3)
        assert [(v.connection, v.rule) for v in sim.violations] == [(1, "requests")]


async def test_too_many_deep_books_are_written_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Bybit, "is_deep", lambda self, topic: topic.startswith("orderbook"))
    async with bybit(limits={"deep_books": 1}) as sim, client(sim, PATH) as ws:
        await subscribed(ws, BOOK, TRADES)
        assert not sim.violations
        await subscribed(ws, "orderbook.50.ETHUSDT")
        assert [v.rule for v in sim.violations] == ["deep_books"]


async def test_snapshots_are_withheld_on_command() -> None:
    async with bybit() as sim, client(sim, PATH) as ws:
        assert (await fetch(f"{sim.rest_url}/sim/withhold_snapshots"))[0] == 200
        await subscribed(ws, BOOK)
        sim.skip(1)
        sim.tell()
        assert json.loads((await received(ws, 1))[0])["type"] == "delta"
        sim.faults.clear()
        await subscribed(ws, BOOK)
        assert json.loads((await received(ws, 1))[0])["type"] == "snapshot"


async def test_who_reads_too_slowly_is_told_so_where_the_exchange_has_a_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(housekeeping, "BACKLOG_BYTES", -1)
    for closings, end in ((Closings(*[(1006, "")] * 4, slow=(4005, "full")), (4005, "full")), (None, (1006, ""))):
        made = bybit()
        exchange = made.exchange if closings is None else replace(made.exchange, closings=closings)
        async with Simulator(exchange, Market([exchange.listed(each) for each in listings(1, "linear")])) as sim:
            assert await closing(await client(sim, PATH)) == end
            assert [violation.rule for violation in sim.violations] == ["slow_reader"]


# ---- faults --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("form", "changed"), [("digit", 1), ("checksum", 1)])
async def test_book_with_one_wrong_digit_is_still_a_book(form: Any, changed: int) -> None:
    async with bybit() as sim, client(sim, PATH) as ws:
        await subscribed(ws, BOOK)
        await received(ws, 1)
        sim.faults.corrupt(stream="orderbook*", form=form)
        sim.skip(1)
        sim.tell()
        (text,) = await received(ws, 1)
        truth = sim.truth
        assert truth is not None
        book = truth.book("BTCUSDT", update=json.loads(text)["data"]["seq"])
        real = {tuple(level) for side in ("bids", "asks") for level in book[side]}
        told = [tuple(level) for side in ("b", "a") for level in json.loads(text)["data"][side]]
        assert len([level for level in told if level not in real and level[1] != "0"]) <= changed
        assert set(told[1:]) - real <= {level for level in told if level[1] == "0"}
        assert told[0] not in real


async def test_pace_is_refused_for_some_requests_and_not_for_others() -> None:
    granted = []
    async with binance() as sim:
        sim.faults.reject_pace(0.5, 40)
        granted = [sim.faults.grants() for _ in range(60)]
    assert 5 < granted[:40].count(False) < 35
    assert all(granted[40:])


async def test_binance_closes_a_connection_for_its_pace() -> None:
    async with binance() as sim, client(sim) as ws:
        sim.faults.reject_pace(1.0, 1)
        await ws.send('{"method":"SUBSCRIBE","params":["btcusdt@trade"],"id":1}')
        assert await closing(ws) == (1008, "Too many requests")


async def test_rest_is_slow_refused_or_broken_while_sockets_go_on() -> None:
    async with binance() as sim:
        sim.faults.rest_refuse(503, calls=1)
        sim.faults.rest_error(calls=1)
        url = f"{sim.rest_url}/api/v3/depth?symbol=BTCUSDT"
        assert (await fetch(url))[0] == 503
        with pytest.raises(json.JSONDecodeError):
            await fetch(url)
        assert (await fetch(url))[0] == 200
        sim.faults.rest_slow(30.0)
        slow = asyncio.create_task(fetch(url))
        async with client(sim) as ws:
            assert (await request(ws, "LIST_SUBSCRIPTIONS"))["result"] == []
        assert not slow.done()
        slow.cancel()
        sim.faults.clear()
        assert (await fetch(url))[0] == 200


async def test_maintenance_ends_all_connections_and_lets_nobody_in_for_a_while() -> None:
    async with binance() as sim, client(sim) as ws:
        await request(ws, "LIST_SUBSCRIPTIONS")
        assert sim.maintenance(60.0) == 1
        assert (await closing(ws))[0] == 1001
        with pytest.raises(InvalidStatus, match="503"):
            await client(sim)


async def test_bans_have_the_status_of_their_exchange() -> None:
    async with bybit() as sim:
        sim.faults.ban(60.0)
        status, body, headers = await fetch(f"{sim.rest_url}/v5/market/time")
        assert (status, body["retMsg"], headers["Retry-After"]) == (403, "access too frequent", "60")


# ---- the market ----------------------------------------------------------------------------------------------------------


async def test_symbols_come_and_go_while_it_runs() -> None:
    names = ["btcusdt@trade", "newusdt@trade"]
    async with binance(1) as sim, client(sim) as ws:
        await request(ws, "SUBSCRIBE", names)
        assert await sim.emit(3) == 3
        assert (await fetch(f"{sim.rest_url}/sim/list?symbol=NEW-USDT"))[1] == {"result": "NEWUSDT"}
        assert await sim.emit(4) == 4
        assert [json.loads(text)["stream"] for text in await received(ws, 7)] == [names[0]] * 3 + [names[1], names[0]] * 2
        listed = (await fetch(f"{sim.rest_url}/api/v3/exchangeInfo"))[1]["symbols"]
        assert [(row["symbol"], row["status"]) for row in listed] == [("BTCUSDT", "TRADING"), ("NEWUSDT", "TRADING")]
        await fetch(f"{sim.rest_url}/sim/status?symbol=NEW-USDT&status=BREAK")
        await fetch(f"{sim.rest_url}/sim/delist?symbol=BTC-USDT")
        listed = (await fetch(f"{sim.rest_url}/api/v3/exchangeInfo"))[1]["symbols"]
        assert [(row["symbol"], row["status"]) for row in listed] == [("NEWUSDT", "BREAK")]
        assert await sim.emit(4) == 0
        assert (await fetch(f"{sim.rest_url}/api/v3/depth?symbol=BTCUSDT"))[0] == 400
        await fetch(f"{sim.rest_url}/sim/status?symbol=NEW-USDT")
        assert await sim.emit(2) == 2
        assert {json.loads(text)["stream"] for text in await received(ws, 2)} == {names[1]}


async def test_truth_has_also_what_nobody_was_told() -> None:
    async with binance(2) as sim, client(sim) as ws:
        await request(ws, "SUBSCRIBE", ["btcusdt@trade"])
        await sim.emit(3)
        sim.skip(5)
        await sim.emit(2)
        told = [json.loads(text)["data"] for text in await received(ws, 5)]
        rows = (await fetch(f"{sim.rest_url}/sim/trades?symbol=BTC-USDT"))[1]["result"]
        assert [row["step"] for row in rows] == list(range(10))
        by_id = {row["id"]: row for row in rows}
        for trade in told:
            row = by_id[str(trade["t"])]
            assert (row["price"], row["size"], row["time_ms"]) == (trade["p"], trade["q"], trade["T"])
            assert row["side"] == ("sell" if trade["m"] else "buy")
        assert len((await fetch(f"{sim.rest_url}/sim/trades?symbol=BTCUSDT&first=2&last=4"))[1]["result"]) == 3
        _, snapshot, _ = await fetch(f"{sim.rest_url}/api/v3/depth?symbol=BTCUSDT&limit=5")
        path = f"/sim/book?symbol=BTCUSDT&levels=5&update={snapshot['lastUpdateId']}"
        book = (await fetch(sim.rest_url + path))[1]["result"]
        assert (book["bids"], book["asks"], book["step"]) == (snapshot["bids"], snapshot["asks"], 9)
        assert (await fetch(f"{sim.rest_url}/sim/last_step?symbol=BTCUSDT"))[1] == {"result": 9}
        status, body, _ = await fetch(f"{sim.rest_url}/sim/trades?symbol=NOSUCH")
        assert (status, body) == (400, {"error": "there is no symbol 'NOSUCH'"})
