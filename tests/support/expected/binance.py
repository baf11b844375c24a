from __future__ import annotations

from typing import Any

from expected.parts import Found, bbo, ms, pairs, split, told, trade


def symbol(native: str, market: str) -> str:
    if market == "spot":
        return split(native, "USDT|USDC|BUSD|TUSD|FDUSD|BTC|ETH|BNB|EUR|TRY")
    pair, _, form = native.partition("_")
    return f"{split(pair, 'USDT|USDC|BUSD|USD')}-{form or 'PERP'}"


def found(message: Any, market: str) -> list[Found] | None:
    d = message.get("data", message)
    if isinstance(d, list):
        parts = [found({"data": one}, market) for one in d]
        return None if None in parts else [event for part in parts for event in part or ()]
    kind, native = d.get("e"), d.get("s")
    ts = ms(d.get("T") or d.get("E"))
    if kind in {"trade", "aggTrade"}:
        if not float(d["p"]):
            return []
        i = d["t" if kind == "trade" else "a"]
        return [("trades", native, ts, trade(i, d["p"], d["q"], "sell" if d["m"] else "buy"))]
    if kind == "bookTicker" or {"u", "b", "B", "a", "A"} <= d.keys():
        return [("bbo", native, ts, bbo((d["b"], d["B"]), (d["a"], d["A"]), d["u"]))]
    if kind == "depthUpdate":
        prev = int(d["U"]) - 1 if market == "spot" else int(d["pu"])
        book = {"snapshot": False, "bids": pairs(d["b"]), "asks": pairs(d["a"]), "seq": int(d["u"]), "prev_seq": prev}
        return [("book", native, ts, book)]
    if kind == "kline":
        k = d["k"]
        candle = {"interval": k["i"], "open_time": ms(k["t"]), "close_time": ms(k["T"]), "open": k["o"], "high": k["h"],
                  "low": k["l"], "close": k["c"], "volume": k["v"], "quote_volume": k["q"], "closed": k["x"]}  # fmt: skip
        return [(f"candles.{k['i']}", k.get("s", native), ms(d["E"]), candle)]
    if kind == "24hrTicker":
        keys = {"last": "c", "open": "o", "high": "h", "low": "l", "volume": "v", "quote_volume": "q"}
        return [("ticker", native, ms(d["E"]), {name: d[key] for name, key in keys.items()})]
    if kind == "markPriceUpdate":
        rate = d["r"] if d["T"] != "0" else None
        own = {"mark_price": d["p"], "index_price": d.get("i"), "funding_rate": rate, "next_funding_time": ms(d["T"])}
        return [("derivative", native, ms(d["E"]), told(own))]
    if kind == "forceOrder":
        o = d["o"]
        own = {"price": o["p"], "average_price": o["ap"], "size": o["z"], "side": o["S"].lower(), "id": None}
        return [("liquidations", o["s"], ms(o["T"]), own)]
    return None
