from __future__ import annotations

import datetime as dt
import re
from typing import Any

from expected.parts import Found, bbo, ms, of_minutes, pairs, split, told, trade

LETTERS = {"H": 3, "M": 6, "U": 9, "Z": 12}


def symbol(native: str, market: str) -> str:
    if market == "spot":
        return split(native, "USDT|USDC|USDE|BTC|ETH|EUR")
    pair, _, day = native.partition("-")
    if quarterly := re.fullmatch(r"(.+USD)([HMUZ])(\d\d)", pair):
        last = dt.date(2000 + int(quarterly[3]) + (quarterly[2] == "Z"), LETTERS[quarterly[2]] % 12 + 1, 1)
        friday = max(d for n in range(1, 8) if (d := last - dt.timedelta(n)).weekday() == 4)
        return f"{split(quarterly[1], 'USD')}-{friday:%y%m%d}"
    form = f"{dt.datetime.strptime(day + ' +0000', '%d%b%y %z'):%y%m%d}" if day else "PERP"
    if market == "linear" and not pair.endswith("USDT"):
        return f"{pair.removesuffix('PERP')}-USDC-{form}"
    return f"{split(pair, 'USDT|USD')}-{form}"


def found(message: Any, market: str) -> list[Found] | None:
    topic, d, ts = message.get("topic", ""), message.get("data"), ms(message.get("ts"))
    channel, native = topic.split(".")[0], topic.split(".")[-1]
    engine_ts = ms(message.get("cts")) or ts
    if channel == "publicTrade":
        return [("trades", native, ms(t["T"]), trade(t["i"], t["p"], t["v"], t["S"].lower())) for t in d]
    if topic.startswith("orderbook.1."):
        none = [[None, None]]
        return [("bbo", native, engine_ts, bbo((d["b"] or none)[0], (d["a"] or none)[0], d["u"]))]
    if channel == "orderbook":
        snapshot = message["type"] == "snapshot" or d["u"] == "1"
        book = {"snapshot": snapshot, "bids": pairs(d["b"]), "asks": pairs(d["a"]), "seq": int(d["u"]),
                "prev_seq": None if snapshot else int(d["u"]) - 1}  # fmt: skip
        return [("book", native, engine_ts, book)]
    if channel == "kline":
        return [candle(native, k) for k in d]
    if channel == "tickers":
        day = {"last": "lastPrice", "open": "prevPrice24h", "high": "highPrice24h", "low": "lowPrice24h", "volume": "volume24h",
               "quote_volume": "turnover24h"}  # fmt: skip
        own = {name: d.get(key) for name, key in day.items()}
        events: list[Found] = [("ticker", native, ts, own)] if any(own.values()) else []
        derived = derivative(d)
        return events + ([("derivative", native, ts, derived)] if derived and market != "spot" else [])
    if channel == "allLiquidation":
        side = {"Buy": "sell", "Sell": "buy"}
        return [("liquidations", native, ms(t["T"]),
                 {"price": t["p"], "average_price": None, "size": t["v"], "side": side[t["S"]], "id": None})
                for t in d]  # fmt: skip
    return None


def candle(native: str, k: Any) -> Found:
    interval = {"D": "1d", "W": "1w", "M": "1M"}.get(k["interval"]) or of_minutes(k["interval"])
    own = {"interval": interval, "open_time": ms(k["start"]), "close_time": ms(k["end"]), "open": k["open"], "high": k["high"],
           "low": k["low"], "close": k["close"], "volume": k["volume"], "quote_volume": k["turnover"],
           "closed": k["confirm"]}  # fmt: skip
    return f"candles.{interval}", native, ms(k["timestamp"]), own


def derivative(d: Any) -> dict[str, Any]:
    funding = ms(d.get("nextFundingTime"))
    rate = d.get("fundingRate") if funding or "nextFundingTime" not in d else None
    return told({"mark_price": d.get("markPrice"), "index_price": d.get("indexPrice"), "funding_rate": rate,
                 "next_funding_time": funding, "open_interest": d.get("openInterest")})  # fmt: skip
