"""An exchange that there is not: all that the product asks of one, in one file. Its server is at the end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.server import ServerConnection, serve

from marketfeed.exchanges.exchange import (
    Call,
    Closing,
    Control,
    ControlKind,
    Endpoints,
    Heartbeat,
    InstrumentList,
    Limit,
    Limits,
    Market,
    Topic,
    Window,
)
from marketfeed.exchanges.message import Levels, Numbering, OneOf, Wire, message
from marketfeed.symbols import Instrument

_OWN = "invented, 2026-11"
_INTERVALS = {"60": "1m", "3600": "1h"}
_TRADE = message("trades", "trade.{symbol}", at="data", numbering=Numbering.CONSECUTIVE,
                 ts="t", id="i", price="p", size="q", side=OneOf("s", {"B": "buy", "S": "sell"}))  # fmt: skip
_BBO = message("bbo", "best.{symbol}", at="data", numbering=Numbering.RISING,
               ts="t", bid_price="b/0", bid_size="b/1", ask_price="a/0", ask_size="a/1", seq="u")  # fmt: skip
_BOOK = message("book", "book.{symbol}", at="data", numbering=Numbering.CHAINED, ts="t",
                snapshot=OneOf("../kind", {"full": True, "change": False}),
                bids=Levels("b"), asks=Levels("a"), seq="u", prev_seq="v?")  # fmt: skip
_CANDLE = message("candles", "bar.{interval}.{symbol}", at="data", ts="t", open_time="t", open="o", high="h", low="l",
                  close="c", volume="v")  # fmt: skip
_NAMES = {"trades": "trade", "bbo": "best", "book": "book"}


def _topics(channel: str, native: str, depth: int | None) -> tuple[Topic, ...]:
    kind, _, interval = channel.partition(".")
    seconds = next((theirs for theirs, ours in _INTERVALS.items() if ours == interval), "")
    name = f"bar.{seconds}.{native}" if kind == "candles" else f"{_NAMES[channel]}.{native}"
    return (Topic(name, native, path="/feed"),)


def _request(op: str, topics: Sequence[Topic], request: int) -> str:
    return json.dumps({"op": op, "id": request, "topics": [topic.name for topic in topics]})


def _control(body: Any) -> Control | None:
    if not isinstance(body, dict) or "id" not in body:
        return None
    if body.get("ok"):
        return Control(ControlKind.ACKNOWLEDGED, body["id"])
    return Control(ControlKind.REJECTED, body["id"], str(body.get("why")), topics=tuple(body.get("topics", ())))


def _instruments(body: Any) -> list[Instrument]:
    return [
        Instrument(f"{base}-{quote}", f"{base}~{quote}", base, quote, "open", True, tick) for base, quote, tick in body["pairs"]
    ]


SPOT = Market(
    exchange="acme",
    name="spot",
    wire=Wire(("topic",), (_TRADE, _BBO, _BOOK, _CANDLE), _INTERVALS),
    limits=Limits(
        streams_per_connection=Limit(4, 8, _OWN),
        messages_per_second=Limit(5, 10, _OWN),
        connects_per_5_minutes=Limit(100, 100, _OWN),
        connections_per_shard=Limit(2, 10, _OWN),
        request_topics=Limit(3, 3, _OWN),
        request_bytes=Limit(1000, 1000, _OWN),
        rest=Window(10, 1.0, _OWN),
    ),
    endpoints=Endpoints(ws="wss://feed.acme.example", rest="https://rest.acme.example"),
    heartbeat=Heartbeat(interval_s=20.0, timeout_s=20.0),
    channels=("trades", "bbo", "book", "candles.1m", "candles.1h"),
    rates={"trades": 1.0, "bbo": 5.0, "book": 5.0, "candles": 0.1},
    topics=_topics,
    subscribe=lambda topics, request: _request("sub", topics, request),
    unsubscribe=lambda topics, request: _request("unsub", topics, request),
    control=_control,
    closing=lambda code, reason: Closing(reason=reason),
    native=lambda symbol: symbol.replace("-", "~"),
    symbol=lambda native: native.replace("~", "-") if native.count("~") == 1 else None,
    instruments=InstrumentList((Call("/pairs"),), _instruments),
)

PAIRS = {"pairs": [["BTC", "EUR", "0.1"], ["ETH", "EUR", "0.01"]]}
"""What `/pairs` answers."""
AT_MS = 1_700_000_000_000


def trade(number: int, native: str = "BTC~EUR") -> dict[str, Any]:
    return {
        "topic": f"trade.{native}",
        "data": [{"t": AT_MS + number, "i": number, "p": "10.50", "q": "0.1", "s": "BS"[number % 2]}],
    }


def best(number: int, native: str = "BTC~EUR") -> dict[str, Any]:
    return {"topic": f"best.{native}", "data": {"t": AT_MS, "u": number, "b": ["10.4", "1"], "a": ["10.6", "2.0"]}}


def book(number: int, native: str = "BTC~EUR") -> dict[str, Any]:
    """The first one is all of it, each further one a change."""
    data = {"t": AT_MS, "u": number, "b": [["10.4", str(number)]], "a": [["10.6", "2"]]}
    if number == 1:
        return {"topic": f"book.{native}", "kind": "full", "data": data}
    return {"topic": f"book.{native}", "kind": "change", "data": {**data, "v": number - 1}}


_MAKE = {"trade": trade, "best": best, "book": book}


class Server:
    """Tells each topic that it is asked for, numbered from 1, every few milliseconds; refuses names that it does not know."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[dict[str, Any]] = []

    async def handle(self, socket: ServerConnection) -> None:
        telling: set[asyncio.Task[None]] = set()
        try:
            async for text in socket:
                request = json.loads(text)
                self.asked.append(request)
                unknown = [name for name in request["topics"] if name.partition(".")[0] not in _MAKE or "NO~" in name]
                refusal = {"ok": False, "why": "no such topic", "topics": unknown} if unknown else {"ok": True}
                await socket.send(json.dumps({"id": request["id"], **refusal}))
                for name in request["topics"] if request["op"] == "sub" else ():
                    if name not in unknown:
                        telling.add(asyncio.ensure_future(self._tell(socket, name)))
        finally:
            for task in telling:
                task.cancel()
            await asyncio.gather(*telling, return_exceptions=True)

    async def _tell(self, socket: ServerConnection, name: str) -> None:
        kind, _, native = name.partition(".")
        number = 0
        while True:
            number += 1
            await socket.send(json.dumps(_MAKE[kind](number, native)))
            await asyncio.sleep(0.005)


@asynccontextmanager
async def serving() -> AsyncIterator[Server]:
    """The exchange on loopback."""
    server = Server()
    async with serve(server.handle, "127.0.0.1", 0) as listening:
        server.url = f"ws://127.0.0.1:{next(iter(listening.sockets)).getsockname()[1]}"
        yield server
