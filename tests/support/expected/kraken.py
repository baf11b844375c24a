from __future__ import annotations

from typing import Any

from expected.parts import Found, bbo, close, iso, of_minutes, pairs, trade


def symbol(native: str, market: str) -> str:
    return "-".join({"XBT": "BTC", "XDG": "DOGE"}.get(asset, asset.upper()) for asset in native.split("/"))


def found(message: Any, market: str) -> list[Found] | None:
    """Of a ticker's records the quotes come first, then the rest."""
    channel = message.get("channel")
    if channel == "ticker":
        return [quote(d) for d in message["data"]] + [ticker(d) for d in message["data"]]
    if channel == "trade":
        return [("trades", d["symbol"], iso(d["timestamp"]), trade(d["trade_id"], d["price"], d["qty"], d["side"]))
                for d in message["data"]]  # fmt: skip
    if channel == "book":
        return [book(message["type"], d) for d in message["data"]]
    return [candle(d) for d in message["data"]] if channel == "ohlc" else None


def quote(d: Any) -> Found:
    return "bbo", d["symbol"], iso(d.get("timestamp")), bbo((d["bid"], d["bid_qty"]), (d["ask"], d["ask_qty"]), None)


def ticker(d: Any) -> Found:
    own = {"last": d["last"], "open": None, "high": d["high"], "low": d["low"], "volume": d["volume"], "quote_volume": None}
    return "ticker", d["symbol"], iso(d.get("timestamp")), own


def book(kind: str, d: Any) -> Found:
    own = {"snapshot": kind == "snapshot", "bids": pairs(d["bids"], "price", "qty"), "asks": pairs(d["asks"], "price", "qty"),
           "seq": None, "prev_seq": None}  # fmt: skip
    return "book", d["symbol"], iso(d.get("timestamp")), own


def candle(d: Any) -> Found:
    interval = of_minutes(d["interval"])
    opened = iso(d["interval_begin"])
    assert opened is not None
    own = {"interval": interval, "open_time": opened, "close_time": close(opened, interval), "open": d["open"],
           "high": d["high"], "low": d["low"], "close": d["close"], "volume": d["volume"], "quote_volume": None,
           "closed": None}  # fmt: skip
    return f"candles.{interval}", d["symbol"], iso(d.get("timestamp")), own
