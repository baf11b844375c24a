"""Kraken over REST, with `assetVersion=1`: pairs are named as on WebSocket v2.

Sources: docs.kraken.com, get-tradable-asset-pairs, get-recent-trades, get-ticker-information (2026-11).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from marketfeed_simulator.exchange import HttpReply, Source
from marketfeed_simulator.kraken_pairs import ONLINE
from marketfeed_simulator.kraken_payloads import DAY_STEPS, vwap
from marketfeed_simulator.listing import Listing
from marketfeed_simulator.symbol import Symbol

_OLD_NAMES: Final = {"BTC": "XBT", "DOGE": "XDG"}
"""Names of WebSocket v1, which the list still tells."""
_MOST_TRADES: Final = 1000
_MS_NS: Final = 1_000_000


class _InvalidError(Exception):
    """The message is what the client is told."""


def call(path: str, query: Mapping[str, str], source: Source, now_ms: int) -> HttpReply | None:
    """A call; null where the path is unknown."""
    try:
        match path:
            case "/0/public/AssetPairs":
                return _reply({each.native: _pair(each) for each in _listings(query, source)})
            case "/0/public/Ticker":
                names = (each.native for each in _listings(query, source))
                places = {name: at for name in names if (at := source.place(name)) is not None}
                return _reply({name: _ticker(source.symbol(at), source.last_step(at)) for name, at in places.items()})
            case "/0/public/Trades":
                return _reply(_trades(query, source))
            case "/0/public/Time":
                return _reply({"unixtime": now_ms // 1000})
    except _InvalidError as invalid:
        return HttpReply(200, json.dumps({"error": [str(invalid)]}))
    return None


def _reply(result: Mapping[str, Any]) -> HttpReply:
    return HttpReply(200, json.dumps({"error": [], "result": result}, separators=(",", ":")))


def _listings(query: Mapping[str, str], source: Source) -> list[Listing]:
    """All, or the pairs that are named."""
    wanted = query["pair"].split(",") if query.get("pair") else None
    found = [each for each in source.listings if wanted is None or each.native in wanted]
    if wanted is not None and len(found) < len(wanted):
        raise _InvalidError("EQuery:Unknown asset pair")
    return found


def _pair(listing: Listing) -> dict[str, Any]:
    base, quote = (_OLD_NAMES.get(name, name) for name in (listing.base, listing.quote))
    return {
        "altname": base + quote,
        "wsname": f"{base}/{quote}",
        "base": listing.base,
        "quote": listing.quote,
        "pair_decimals": listing.tick_decimals,
        "lot_decimals": listing.lot_decimals,
        "cost_decimals": 5,
        "ordermin": listing.lot_size,
        "costmin": "0.5",
        "tick_size": listing.tick_size,
        "status": listing.status or ONLINE,
    }


def _ticker(symbol: Symbol, step: int) -> dict[str, Any]:
    """Volume, average price, trades, low and high are of today, then of the last 24 h."""
    day, best, trade = symbol.candle(step - DAY_STEPS + 1, step), symbol.best(step), symbol.trade(step)
    return {
        "a": [best.ask_price, "1", best.ask_size],
        "b": [best.bid_price, "1", best.bid_size],
        "c": [trade.price, trade.size],
        "v": [day.volume] * 2,
        "p": [vwap(symbol, day)] * 2,
        "t": [DAY_STEPS] * 2,
        "l": [day.low] * 2,
        "h": [day.high] * 2,
        "o": day.open,
    }


def _trades(query: Mapping[str, str], source: Source) -> dict[str, Any]:
    """Those after `since` (ns, exclusive), oldest first; without it the latest. `last` is the `since` of the next page."""
    name = query.get("pair", "")
    at = source.place(name)
    if at is None:
        raise _InvalidError("EQuery:Unknown asset pair")
    count = min(max(1, _integer(query, "count", _MOST_TRADES)), _MOST_TRADES)
    last = source.last_step(at)
    if query.get("since"):
        first = max(0, source.step_since(at, _integer(query, "since", 0) // _MS_NS + 1))
    else:
        first = max(0, last - count + 1)
    symbol = source.symbol(at)
    steps = range(first, min(last, first + count - 1) + 1)
    times_ms = [source.time_ms(at, step) for step in steps]
    until_ns = times_ms[-1] * _MS_NS if times_ms else _integer(query, "since", 0)
    rows = [_trade(symbol, step, time_ms) for step, time_ms in zip(steps, times_ms, strict=True)]
    return {name: rows, "last": str(until_ns)}


def _trade(symbol: Symbol, step: int, time_ms: int) -> list[Any]:
    price, size, maker = symbol.trade(step)
    return [price, size, time_ms / 1000, "s" if maker else "b", "l" if step % 3 else "m", "", symbol.trade_id(step)]


def _integer(query: Mapping[str, str], name: str, default: int) -> int:
    try:
        return int(query.get(name) or default)
    except ValueError:
        raise _InvalidError(f"EGeneral:Invalid arguments:{name}") from None
