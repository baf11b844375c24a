"""What recorded messages must become, written by hand from the raw JSON: nothing of the engines or declarations is used.

Numbers are kept as text by the JSON parser, so decimals compare to the character.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterator
from typing import Any

MS = 1_000_000
DAY_S = 86_400
UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": DAY_S, "w": 7 * DAY_S}


def expected(exchange: str, market: str, frame: bytes) -> list[dict[str, Any]] | None:
    """The own fields, channel, native symbol and `ts` of each event; None where a message is not data of ours."""
    message = json.loads(frame, parse_float=str, parse_int=str)
    found = {"binance": _binance, "bybit": _bybit, "okx": _okx, "kraken": _kraken}[exchange](message, market)
    if found is None:
        return None
    events = []
    for channel, native, ts, own in found:
        contracts = market != "spot" and (exchange == "okx" or market == "inverse") and channel != "derivative"
        count = {"count": own.pop("count")} if "count" in own else {}
        unit = {"size_unit": "contracts"} if contracts else {}
        events.append({"channel": channel, "native": native, "ts": ts, **own, **unit, **count})
    return events


def _ms(text: str | None) -> int | None:
    return int(text) * MS if text and text != "0" else None


def _iso(text: str | None) -> int | None:
    if not text:
        return None
    whole, _, fraction = text.rstrip("Z").partition(".")
    seconds = dt.datetime.fromisoformat(whole + "+00:00").timestamp()
    return int(seconds) * 10**9 + int(fraction.ljust(9, "0") or 0)


def _close(open_ns: int, interval: str) -> int:
    return open_ns + int(interval[:-1]) * UNIT_S[interval[-1]] * 10**9 - MS


def _pairs(levels: list[Any], price: Any = 0, size: Any = 1) -> list[list[str]]:
    return [[level[price], level[size]] for level in levels]


def _trade(i: Any, price: str, size: str, side: str, **more: Any) -> dict[str, Any]:
    return {"id": i, "price": price, "size": size, "side": side, **more}


def _bbo(bid: Any, ask: Any, seq: str | None) -> dict[str, Any]:
    return {"bid_price": bid[0], "bid_size": bid[1], "ask_price": ask[0], "ask_size": ask[1], "seq": seq and int(seq)}


def _binance(message: Any, market: str) -> list[Any] | None:
    d = message.get("data", message)
    kind, native = d.get("e"), d.get("s")
    ts = _ms(d.get("T") or d.get("E"))
    if kind in {"trade", "aggTrade"}:
        if not float(d["p"]):
            return []
        i = d["t" if kind == "trade" else "a"]
        return [("trades", native, ts, _trade(i, d["p"], d["q"], "sell" if d["m"] else "buy"))]
    if kind == "bookTicker" or {"u", "b", "B", "a", "A"} <= d.keys():
        return [("bbo", native, ts, _bbo((d["b"], d["B"]), (d["a"], d["A"]), d["u"]))]
    if kind == "depthUpdate":
        prev = int(d["U"]) - 1 if market == "spot" else int(d["pu"])
        book = {"snapshot": False, "bids": _pairs(d["b"]), "asks": _pairs(d["a"]), "seq": int(d["u"]), "prev_seq": prev}
        return [("book", native, ts, book)]
    if kind == "kline":
        k = d["k"]
        candle = {"interval": k["i"], "open_time": _ms(k["t"]), "close_time": _ms(k["T"]), "open": k["o"], "high": k["h"],
                  "low": k["l"], "close": k["c"], "volume": k["v"], "quote_volume": k["q"], "closed": k["x"]}  # fmt: skip
        return [(f"candles.{k['i']}", k.get("s", native), _ms(d["E"]), candle)]
    if kind == "24hrTicker":
        keys = {"last": "c", "open": "o", "high": "h", "low": "l", "volume": "v", "quote_volume": "q"}
        return [("ticker", native, _ms(d["E"]), {name: d[key] for name, key in keys.items()})]
    if kind == "markPriceUpdate":
        own = {"mark_price": d["p"], "index_price": d.get("i"), "funding_rate": d["r"], "next_funding_time": _ms(d["T"])}
        return [("derivative", native, _ms(d["E"]), _told(own))]
    if kind == "forceOrder":
        o = d["o"]
        own = {"price": o["p"], "average_price": o["ap"], "size": o["z"], "side": o["S"].lower(), "id": None}
        return [("liquidations", o["s"], _ms(o["T"]), own)]
    return None


def _told(own: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in own.items() if value}


def _bybit(message: Any, market: str) -> list[Any] | None:
    topic, d, ts = message.get("topic", ""), message.get("data"), _ms(message.get("ts"))
    channel, native = topic.split(".")[0], topic.split(".")[-1]
    engine_ts = _ms(message.get("cts")) or ts
    if channel == "publicTrade":
        return [("trades", native, _ms(t["T"]), _trade(t["i"], t["p"], t["v"], t["S"].lower())) for t in d]
    if channel == "orderbook" and topic.startswith("orderbook.1."):
        return [("bbo", native, engine_ts, _bbo(d["b"][0], d["a"][0], d["u"]))]
    if re.match(r"orderbook\.(50|200)\.", topic):
        snapshot = message["type"] == "snapshot" or d["u"] == "1"
        book = {"snapshot": snapshot, "bids": _pairs(d["b"]), "asks": _pairs(d["a"]), "seq": int(d["u"]),
                "prev_seq": None if snapshot else int(d["u"]) - 1}  # fmt: skip
        return [("book", native, engine_ts, book)]
    if channel == "kline":
        units = {"D": "1d", "W": "1w"}
        interval = units.get(d[0]["interval"]) or f"{d[0]['interval']}m"
        return [(f"candles.{interval}", native, _ms(k["timestamp"]),
                 {"interval": interval, "open_time": _ms(k["start"]), "close_time": _ms(k["end"]), "open": k["open"],
                  "high": k["high"], "low": k["low"], "close": k["close"], "volume": k["volume"],
                  "quote_volume": k["turnover"], "closed": k["confirm"]}) for k in d]  # fmt: skip
    if channel == "tickers":
        day = {"last": "lastPrice", "open": "prevPrice24h", "high": "highPrice24h", "low": "lowPrice24h", "volume": "volume24h",
               "quote_volume": "turnover24h"}  # fmt: skip
        own = {name: d.get(key) for name, key in day.items()}
        derivative = _told({"mark_price": d.get("markPrice"), "index_price": d.get("indexPrice"),
                            "funding_rate": d.get("fundingRate"), "next_funding_time": _ms(d.get("nextFundingTime")),
                            "open_interest": d.get("openInterest")})  # fmt: skip
        events: list[Any] = [("ticker", native, ts, own)] if any(own.values()) else []
        return events + ([("derivative", native, ts, derivative)] if derivative and market != "spot" else [])
    if channel == "allLiquidation":
        side = {"Buy": "sell", "Sell": "buy"}
        return [("liquidations", native, _ms(t["T"]),
                 {"price": t["p"], "average_price": None, "size": t["v"], "side": side[t["S"]], "id": None})
                for t in d]  # fmt: skip
    return None


def _okx(message: Any, market: str) -> list[Any] | None:
    if "data" not in message:
        return None
    arg, rows = message["arg"], message["data"]
    channel, native = arg["channel"], arg.get("instId")
    return list(_okx_rows(message, channel, native, rows, market)) if _okx_known(channel, market) else None


def _okx_known(channel: str, market: str) -> bool:
    futures = {"mark-price", "open-interest", "funding-rate", "liquidation-orders"}
    names = {"trades", "trades-all", "bbo-tbt", "books", "tickers"} | (futures if market != "spot" else set())
    return channel in names or bool(re.fullmatch(r"candle(\d+[mDHWM]|6Hutc|12Hutc|1Dutc)", channel))


def _okx_rows(message: Any, channel: str, native: str, rows: Any, market: str) -> Iterator[Any]:
    for d in rows:
        if channel.startswith("candle"):
            interval = channel.removeprefix("candle").removesuffix("utc").replace("H", "h").replace("D", "d").replace("W", "w")
            candle = {"interval": interval, "open_time": _ms(d[0]), "close_time": _close(int(d[0]) * MS, interval),
                      "open": d[1], "high": d[2], "low": d[3], "close": d[4], "volume": d[5],
                      "quote_volume": d[7] if len(d) > 7 else None, "closed": d[8] == "1" if len(d) > 8 else None}  # fmt: skip
            yield f"candles.{interval}", native, None, candle
            continue
        ts = _ms(d.get("ts"))
        if channel in {"trades", "trades-all"}:
            more = {"count": int(d["count"])} if d.get("count") else {}
            yield "trades", native, ts, _trade(d["tradeId"], d["px"], d["sz"], d["side"], **more)
        elif channel == "bbo-tbt":
            yield "bbo", native, ts, _bbo(d["bids"][0], d["asks"][0], d.get("seqId"))
        elif channel == "books":
            snapshot, prev = message["action"] == "snapshot", d.get("prevSeqId")
            seq = d.get("seqId") and int(d["seqId"])
            if not snapshot and not d["bids"] and not d["asks"] and prev is not None and int(prev) == seq:
                continue
            yield "book", native, ts, {"snapshot": snapshot, "bids": _pairs(d["bids"]), "asks": _pairs(d["asks"]), "seq": seq,
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
            own = {"funding_rate": d["fundingRate"], "next_funding_time": _ms(d["fundingTime"])}
            yield "derivative", native, ts, _told(own)
        else:
            for o in d["details"]:
                own = {"price": o["bkPx"], "average_price": None, "size": o["sz"], "side": o["side"], "id": None}
                yield "liquidations", d["instId"], _ms(o["ts"]), own


def _kraken(message: Any, market: str) -> list[Any] | None:
    channel = message.get("channel")
    if channel not in {"trade", "ticker", "book", "ohlc"}:
        return None
    events: list[Any] = []
    tickers: list[Any] = []
    for d in message["data"]:
        native, ts = d["symbol"], _iso(d.get("timestamp"))
        if channel == "trade":
            events.append(("trades", native, ts, _trade(d["trade_id"], d["price"], d["qty"], d["side"])))
        elif channel == "ticker":
            events.append(("bbo", native, ts, _bbo((d["bid"], d["bid_qty"]), (d["ask"], d["ask_qty"]), None)))
            own = {
                "last": d["last"],
                "open": None,
                "high": d["high"],
                "low": d["low"],
                "volume": d["volume"],
                "quote_volume": None,
            }
            tickers.append(("ticker", native, ts, own))
        elif channel == "book":
            book = {"snapshot": message["type"] == "snapshot", "bids": _pairs(d["bids"], "price", "qty"),
                    "asks": _pairs(d["asks"], "price", "qty"), "seq": None, "prev_seq": None}  # fmt: skip
            events.append(("book", native, ts, book))
        else:
            interval = {"60": "1h", "240": "4h", "1440": "1d", "10080": "1w"}.get(d["interval"]) or f"{d['interval']}m"
            opened = _iso(d["interval_begin"]) or 0
            candle = {"interval": interval, "open_time": opened, "close_time": _close(opened, interval), "open": d["open"],
                      "high": d["high"], "low": d["low"], "close": d["close"], "volume": d["volume"], "quote_volume": None,
                      "closed": None}  # fmt: skip
            events.append((f"candles.{interval}", native, ts, candle))
    return events + tickers
