"""What the expectations of several exchanges have in common."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

Found = tuple[str, str, "int | None", dict[str, Any]]
"""(channel, the exchange's symbol, ts, own fields)."""

MS = 1_000_000
UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}


def ms(text: str | None) -> int | None:
    return int(text) * MS if text and text != "0" else None


def iso(text: str | None) -> int | None:
    if not text:
        return None
    whole, _, fraction = text.rstrip("Z").partition(".")
    seconds = dt.datetime.fromisoformat(whole + "+00:00").timestamp()
    return int(seconds) * 10**9 + int(fraction.ljust(9, "0") or 0)


def close(open_ns: int, interval: str) -> int:
    """The last millisecond of a candle; months and their multiples have the length that they have."""
    count, unit = int(interval[:-1]), interval[-1]
    if unit != "M":
        return open_ns + count * UNIT_S[unit] * 10**9 - MS
    begins = dt.datetime.fromtimestamp(open_ns // 10**9, dt.UTC)
    months = begins.year * 12 + begins.month - 1 + count
    ends = begins.replace(year=months // 12, month=months % 12 + 1)
    return int(ends.timestamp()) * 10**9 - MS


def of_minutes(minutes: str) -> str:
    """The interval of so many minutes."""
    count = int(minutes)
    for unit in "wdhm":
        whole, rest = divmod(count * 60, UNIT_S[unit])
        if not rest:
            return f"{whole}{unit}"
    raise ValueError(minutes)


def pairs(levels: list[Any], price: Any = 0, size: Any = 1) -> list[list[str]]:
    return [[level[price], level[size]] for level in levels]


def trade(i: Any, price: str, size: str, side: str, **more: Any) -> dict[str, Any]:
    return {"id": i, "price": price, "size": size, "side": side, **more}


def bbo(bid: Any, ask: Any, seq: str | None) -> dict[str, Any]:
    return {"bid_price": bid[0], "bid_size": bid[1], "ask_price": ask[0], "ask_size": ask[1], "seq": seq and int(seq)}


def told(own: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in own.items() if value}


def split(native: str, quotes: str) -> str:
    """BTCUSDT → BTC-USDT, where the quote is one of these: `USDT|BTC`."""
    found = re.fullmatch(f"(.+?)({quotes})", native)
    assert found is not None, native
    return f"{found[1]}-{found[2]}"
