"""Messages of books, as four exchanges send them, and a consumer that keeps a book from what is published."""

from __future__ import annotations

import json
from binascii import crc32
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

Levels = Iterable[tuple[str, str]]

T_MS = 1_767_225_600_000


def binance(seq: int, prev: int, bids: Levels = (), asks: Levels = (), at_ms: int = T_MS) -> dict[str, Any]:
    data = {"e": "depthUpdate", "E": at_ms, "s": "BTCUSDT", "U": prev + 1, "u": seq, "b": list(bids), "a": list(asks)}
    return {"stream": "btcusdt@depth@100ms", "data": data}


def binance_rest(seq: int, bids: Levels = (), asks: Levels = ()) -> bytes:
    return json.dumps({"lastUpdateId": seq, "bids": list(bids), "asks": list(asks)}).encode()


def bybit(seq: int, bids: Levels = (), asks: Levels = (), snapshot: bool = False, at_ms: int = T_MS) -> dict[str, Any]:
    data = {"s": "BTCUSDT", "b": list(bids), "a": list(asks), "u": seq, "seq": 7}
    kind = "snapshot" if snapshot else "delta"
    return {"topic": "orderbook.200.BTCUSDT", "type": kind, "ts": at_ms, "data": data, "cts": at_ms}


def okx(seq: int, prev: int, bids: Levels = (), asks: Levels = (), checksum: int = 0) -> dict[str, Any]:
    sides = {name: [[*level, "0", "1"] for level in levels] for name, levels in (("asks", asks), ("bids", bids))}
    row = {**sides, "ts": str(T_MS), "checksum": checksum, "prevSeqId": prev, "seqId": seq}
    action = "snapshot" if prev == -1 else "update"
    return {"arg": {"channel": "books", "instId": "BTC-USDT"}, "action": action, "data": [row]}


def kraken(checksum: int, bids: Levels = (), asks: Levels = (), snapshot: bool = False, at_ms: int = T_MS) -> str:
    def side(levels: Levels) -> str:
        return "[" + ",".join(f'{{"price":{price},"qty":{qty}}}' for price, qty in levels) + "]"

    kind = "snapshot" if snapshot else "update"
    at = f"2026-01-01T00:00:{(at_ms - T_MS) // 1000:02}.{(at_ms - T_MS) % 1000:03}Z"
    return (
        f'{{"channel":"book","type":"{kind}","data":[{{"symbol":"BTC/USD","bids":{side(bids)},"asks":{side(asks)},'
        f'"checksum":{checksum},"timestamp":"{at}"}}]}}'
    )


def kraken_checksum(bids: Levels, asks: Levels) -> int:
    """Of levels from the best on, not more than ten a side."""
    texts = (text.replace(".", "").lstrip("0") for level in (*asks, *bids) for text in level)
    return crc32("".join(texts).encode())


class Consumer:
    """Keeps one book by what the contract says of its events, and nothing else; asserts what the contract promises."""

    def __init__(self) -> None:
        self.sides: tuple[dict[Decimal, tuple[str, str]], dict[Decimal, tuple[str, str]]] = ({}, {})
        self.seq: int | None = None
        self.is_known = False
        self.n = 0
        self.is_rest = False
        self.depth: int | None = None

    def take(self, event: dict[str, Any]) -> None:
        started = event["type"] == "gap" and event["reason"] == "started"
        assert event["n"] == (1 if started else self.n + 1)
        self.n = event["n"]
        if event["type"] == "gap":
            self.is_known = self.is_known and event["reason"] == "dropped"
            return
        if event["snapshot"]:
            for side in self.sides:
                side.clear()
            self.is_known, self.depth = True, event.get("depth")
            assert event["prev_seq"] is None
        else:
            assert self.is_known, "a change of a book that is none"
            joins = event["prev_seq"] == self.seq
            assert joins or (self.is_rest and event["prev_seq"] < self.seq < event["seq"]), "a change out of sequence"
        self.is_rest = event["snapshot"]
        self.seq = event["seq"]
        for side, levels in zip(self.sides, (event["bids"], event["asks"]), strict=True):
            for price, size in levels:
                if Decimal(size):
                    side[Decimal(price)] = (price, size)
                else:
                    side.pop(Decimal(price), None)
        self._cut()

    def _cut(self) -> None:
        for side, is_bid in zip(self.sides, (True, False), strict=True):
            for price in sorted(side, reverse=is_bid)[self.depth :] if self.depth else ():
                del side[price]

    def levels(self) -> tuple[list[list[str]], list[list[str]]]:
        """(bids, asks), each from the best on."""
        bids, asks = self.sides
        return [list(bids[p]) for p in sorted(bids, reverse=True)], [list(asks[p]) for p in sorted(asks)]
