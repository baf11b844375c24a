"""OKX and Kraken behind sockets: what they say unasked, how they end connections, and the faults that are theirs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest
from clients import client, closing, fetch, received
from simulated import simulated
from websockets.exceptions import InvalidStatus

from marketfeed.exchanges.exchange import Window
from marketfeed_simulator.kraken_payloads import checksum
from marketfeed_simulator.okx_control import BUSINESS, PUBLIC
from marketfeed_simulator.server import Simulator
from marketfeed_simulator.symbol import Levels

V2 = "/v2"
BOOK = json.dumps({"op": "subscribe", "args": [{"channel": "books", "instId": "BTC-USDT"}], "id": "1"})


def okx(symbols: Sequence[str] = ("BTC-USDT", "ETH-USDT"), **options: Any) -> Simulator:
    return simulated("okx", "spot", symbols, **options)


def kraken(symbols: Sequence[str] = ("BTC-USD", "ETH-USD"), **options: Any) -> Simulator:
    return simulated("kraken", "spot", symbols, **options)


def books(*symbols: str) -> str:
    return json.dumps({"method": "subscribe", "params": {"channel": "book", "symbol": symbols}, "req_id": 1})


async def bodies(ws: Any, count: int) -> list[Any]:
    return [json.loads(text) for text in await received(ws, count)]


# ---- OKX -----------------------------------------------------------------------------------------------------------------


async def test_okx_cuts_who_is_silent_and_gets_nothing_and_spares_who_pings() -> None:
    async with okx(limits={"idle_s": 0.4}) as sim, client(sim, PUBLIC) as silent, client(sim, PUBLIC) as alive:
        while silent.close_code is None:
            await alive.send("ping")
            assert await received(alive, 1) == ["pong"]
            await asyncio.sleep(0.05)
        assert await closing(silent) == (4004, "No data received in 30s")
        assert [(violation.connection, violation.rule) for violation in sim.violations] == [(1, "idle")]


async def test_okx_announces_an_upgrade_before_it_ends_connections() -> None:
    async with okx() as sim, client(sim, PUBLIC) as public, client(sim, BUSINESS):
        assert (await fetch(f"{sim.rest_url}/sim/announce_shutdown"))[1] == {"result": 1}
        (notice,) = await bodies(public, 1)
        assert (notice["event"], notice["code"]) == ("notice", "64008")
        sim.expire()
        assert (await closing(public))[0] == 1006


async def test_okx_counts_requests_by_the_hour() -> None:
    async with okx(limits={"requests": Window(1, 3600.0)}) as sim, client(sim, PUBLIC) as ws:
        await ws.send(BOOK)
        assert [body.get("event") for body in await bodies(ws, 2)] == ["subscribe", None]
        await ws.send(BOOK)
        (refused,) = await bodies(ws, 1)
        assert (refused["code"], refused["msg"], refused["id"]) == ("60014", "Requests too frequent", "1")
        assert [violation.rule for violation in sim.violations] == ["requests"]


async def test_okx_lets_in_three_connections_a_second() -> None:
    async with okx(limits={"connects": (Window(3, 60.0),)}) as sim:
        for _ in range(3):
            await client(sim, PUBLIC)
        with pytest.raises(InvalidStatus, match="429"):
            await client(sim, BUSINESS)
        assert [violation.rule for violation in sim.violations] == ["connects"]


async def test_book_of_okx_begins_in_the_middle_where_snapshots_are_withheld() -> None:
    async with okx() as sim, client(sim, PUBLIC) as ws:
        sim.faults.withhold_snapshots()
        await ws.send(BOOK)
        assert (await bodies(ws, 1))[0]["event"] == "subscribe"
        sim.skip(2)
        sim.tell()
        (update,) = await bodies(ws, 1)
        assert update["action"] == "update"
        _, body, _ = await fetch(f"{sim.rest_url}/api/v5/market/books?instId=BTC-USDT&sz=400")
        assert body["data"][0]["seqId"] == update["data"][0]["seqId"]


# ---- Kraken --------------------------------------------------------------------------------------------------------------


async def test_kraken_says_its_status_and_then_heartbeats_where_it_has_nothing_to_say() -> None:
    async with kraken(limits={"heartbeat_s": 0.1, "idle_s": 0.5}) as sim, client(sim, V2) as ws:
        assert (await bodies(ws, 1))[0]["channel"] == "status"
        await ws.send(books("BTC/USD"))
        assert [body.get("method") or body["channel"] for body in await bodies(ws, 2)] == ["subscribe", "book"]
        assert await received(ws, 12) == ['{"channel":"heartbeat"}'] * 12  # it is not idle
        assert not sim.violations


async def test_kraken_cuts_who_subscribes_to_nothing() -> None:
    async with kraken(limits={"idle_s": 0.2}) as sim, client(sim, V2) as ws:
        assert await closing(ws) == (1006, "")
        assert [violation.rule for violation in sim.violations] == ["idle"]


async def test_kraken_bans_an_address_that_tries_too_often() -> None:
    async with kraken(limits={"connects": (Window(1, 600.0),)}) as sim:
        await client(sim, V2)
        with pytest.raises(InvalidStatus, match="429") as refused:
            await client(sim, V2)
        assert refused.value.response.headers["Retry-After"] == "600"
        assert (await fetch(f"{sim.rest_url}/0/public/Time"))[0] == 429


async def test_kraken_refuses_a_part_of_a_burst_by_command_and_each_is_to_be_had_later() -> None:
    names = [f"S{n}-USD" for n in range(20)]
    natives = [name.replace("-", "/") for name in names]
    async with kraken(names) as sim, client(sim, V2) as ws:
        await received(ws, 1)
        sim.faults.reject_pace(0.5, len(names))
        await ws.send(json.dumps({"method": "subscribe", "params": {"channel": "trade", "symbol": natives}, "req_id": 1}))
        replies = await bodies(ws, len(names))
        refused = [reply["symbol"] for reply in replies if not reply["success"]]
        assert {reply["error"] for reply in replies if not reply["success"]} == {"Exceeded msg rate"}
        assert 0 < len(refused) < len(names)
        await ws.send(json.dumps({"method": "subscribe", "params": {"channel": "trade", "symbol": refused}, "req_id": 2}))
        assert all(reply["success"] for reply in await bodies(ws, len(refused)))


async def test_checksum_of_kraken_is_wrong_by_command_once() -> None:
    async with kraken() as sim, client(sim, V2) as ws:
        await ws.send(books("BTC/USD"))
        await received(ws, 3)
        sim.faults.corrupt(stream="book/10:*", form="checksum")
        for is_wrong in (True, False):
            sim.skip(1)
            sim.tell()
            (told,) = await bodies(ws, 1)
            assert sim.truth is not None
            book = sim.truth.book("BTC/USD", levels=10)
            assert (told["data"][0]["checksum"] != checksum(Levels(0, book["bids"], book["asks"]))) is is_wrong


@pytest.mark.parametrize("form", ["type", "decimal"])
async def test_numbers_without_quotes_are_spoilt_too(form: Any) -> None:
    async with kraken() as sim, client(sim, V2) as ws:
        await ws.send(books("BTC/USD"))
        await received(ws, 3)
        sim.faults.corrupt(stream="book/10:*", form=form)
        sim.skip(1)
        sim.tell()
        (text,) = await received(ws, 1)
        assert {"type": ":{}", "decimal": ':"1.2.3"'}[form] in text
