from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from expected.parts import MS, Found, bbo, close, ms, pairs, told, trade

FUTURES = {"mark-price", "open-interest", "funding-rate", "liquidation-orders"}


def symbol(native: str, market: str) -> str:
    return native.removesuffix("-SWAP") + ("-PERP" if native.endswith("-SWAP") else "")


def found(message: Any, market: str) -> list[Found] | None:
    if "data" not in message:
        return None
    arg, rows = message["arg"], message["data"]
    channel, native = arg["channel"], arg.get("instId")
    names = {"trades", "trades-all", "bbo-tbt", "books", "tickers"} | (FUTURES if market != "spot" else set())
    if channel.startswith("candle"):
        return [candle(channel, native, d) for d in rows]
    return [event for d in rows for event in of_row(message, channel, native, d, market)] if channel in names else None


def candle(channel: str, native: str, d: Any) -> Found:
    (interval,) = re.fullmatch(r"candle(\d+[smHDWM])(?:utc)?", channel).groups()  # type: ignore[union-attr]
    if interval[-1] in "HDW":
        interval = interval.lower()
    own = {"interval": interval, "open_time": ms(d[0]), "close_time": close(int(d[0]) * MS, interval),
           "open": d[1], "high": d[2], "low": d[3], "close": d[4], "volume": d[5],
           "quote_volume": d[7] if len(d) > 7 else None, "closed": d[8] == "1" if len(d) > 8 else None}  # fmt: skip
    return f"candles.{interval}", native, None, own


def of_row(message: Any, channel: str, native: str, d: Any, market: str) -> Iterator[Found]:
    ts = ms(d.get("ts"))
    if channel in {"trades", "trades-all"}:
        more = {"count": int(d["count"])} if d.get("count") else {}
        yield "trades", native, ts, trade(d["tradeId"], d["px"], d["sz"], d["side"], **more)
    elif channel == "bbo-tbt":
        none = [[None, None]]
        yield "bbo", native, ts, bbo((d["bids"] or none)[0], (d["asks"] or none)[0], d.get("seqId"))
    elif channel == "books":
        snapshot, prev = message["action"] == "snapshot", d.get("prevSeqId")
        seq = d.get("seqId") and int(d["seqId"])
        if not snapshot and not d["bids"] and not d["asks"] and prev is not None and int(prev) == seq:
            return
        yield "book", native, ts, {"snapshot": snapshot, "bids": pairs(d["bids"]), "asks": pairs(d["asks"]), "seq": seq,
                                   "prev_seq": None if snapshot or prev is None else int(prev)}  # fmt: skip
    elif channel == "tickers":
        own = {"last": d["last"], "open": d["open24h"], "high": d["high24h"], "low": d["low24h"], "volume": d["vol24h"],
               "quote_volume": d["volCcy24h"] if market == "spot" else None}  # fmt: skip
        yield "ticker", native, ts, own
    elif channel == "mark-price":
        yield "derivative", native, ts, {"mark_price": d["markPx"]}
    elif channel == "open-interest":
        yield "derivative", native, ts, {"open_interest": d["oi"]}
    elif channel == "funding-rate":
        yield "derivative", native, ts, told({"funding_rate": d["fundingRate"], "next_funding_time": ms(d["fundingTime"])})
    else:
        for o in d["details"]:
            own = {"price": o["bkPx"], "average_price": None, "size": o["sz"], "side": o["side"], "id": None}
            yield "liquidations", d["instId"], ms(o["ts"]), own
