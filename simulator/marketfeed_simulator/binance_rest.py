"""Binance spot over REST: symbols, books, trades, 24 h volumes, with their weights and errors.

Source: "General REST API information" (rest-api.md, 2026-07-21).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from marketfeed_simulator.binance_payloads import LEVELS, WINDOW_STEPS
from marketfeed_simulator.exchange import HttpReply, Source
from marketfeed_simulator.listing import Listing

MOST_TRADES: Final = 1000
INVALID_SYMBOL: Final = '{"code":-1121,"msg":"Invalid symbol."}'
_DEPTH_WEIGHTS: Final = ((100, 5), (500, 25), (1000, 50), (5000, 250))


def spot(path: str, query: Mapping[str, str], source: Source, now_ms: int) -> HttpReply | None:
    """A call; null where the path is unknown."""
    match path.removeprefix("/api/v3/"):
        case "ping":
            return HttpReply(200, "{}")
        case "time":
            return HttpReply(200, f'{{"serverTime":{now_ms}}}')
        case "exchangeInfo":
            return HttpReply(200, _exchange_info(source), weight=20)
        case "depth":
            return _depth(query, source)
        case "trades":
            return trades(query, source, 25, aggregate=False, recent=True)
        case "historicalTrades":
            return trades(query, source, 25, aggregate=False)
        case "aggTrades":
            return trades(query, source, 4, aggregate=True)
        case "ticker/24hr":
            return tickers(query, source, now_ms, 2, 80)
    return None


def trades(
    query: Mapping[str, str], source: Source, weight: int, *, aggregate: bool, recent: bool = False, base: bool = False
) -> HttpReply:
    """Trades in order, from `fromId` on or from `startTime` on, else the latest ones. `base`: the market is inverse."""
    at = source.place(query.get("symbol", ""))
    if at is None:
        return HttpReply(400, INVALID_SYMBOL, weight)
    try:
        limit = min(int(query.get("limit", "500")), MOST_TRADES)
        start = None if recent else query.get("fromId")
        since = query.get("startTime") if aggregate and start is None else None
        first_id = None if start is None else int(start)
        since_ms = None if since is None else int(since)
    except ValueError:
        return HttpReply(400, '{"code":-1100,"msg":"Illegal characters found in a parameter."}', weight)
    symbol, last = source.symbol(at), source.last_step(at)
    if first_id is not None:
        first = max(0, first_id - (symbol.aggregate_id(0) if aggregate else symbol.trade_id(0)))
    elif since_ms is not None:
        first = source.step_since(at, since_ms)
    else:
        first = last - limit + 1
    steps = range(first, min(last, first + limit - 1) + 1)
    row = _aggregate_row if aggregate else _trade_row
    rows = [row(source, at, step) for step in steps]
    if base:
        for item in rows:
            item.pop("M", None)
    return HttpReply(200, json.dumps(rows, separators=(",", ":")), weight)


def _trade_row(source: Source, at: int, step: int) -> dict[str, Any]:
    symbol = source.symbol(at)
    price, size, maker = symbol.trade(step)
    paid = symbol.candle(step, step).quote_volume
    return {
        "id": symbol.trade_id(step),
        "price": price,
        "qty": size,
        "baseQty" if symbol.listing.inverse else "quoteQty": paid,
        "time": source.time_ms(at, step),
        "isBuyerMaker": maker,
        "isBestMatch": True,
    }


def _aggregate_row(source: Source, at: int, step: int) -> dict[str, Any]:
    symbol = source.symbol(at)
    price, size, maker = symbol.trade(step)
    number = symbol.trade_id(step)
    return {
        "a": symbol.aggregate_id(step),
        "p": price,
        "q": size,
        "f": number,
        "l": number,
        "T": source.time_ms(at, step),
        "m": maker,
        "M": True,
    }


def tickers(query: Mapping[str, str], source: Source, now_ms: int, one: int, all_: int) -> HttpReply:
    """24 h tickers of one symbol or of all, with the weights of these two."""
    native = query.get("symbol")
    if native is None:
        natives = [listing.native for listing in source.listings]
        rows = [_ticker(source, at, now_ms) for name in natives if (at := source.place(name)) is not None]
        return HttpReply(200, json.dumps(rows, separators=(",", ":")), all_)
    at = source.place(native)
    if at is None:
        return HttpReply(400, INVALID_SYMBOL, one)
    return HttpReply(200, json.dumps(_ticker(source, at, now_ms), separators=(",", ":")), one)


def _ticker(source: Source, at: int, now_ms: int) -> dict[str, Any]:
    symbol, step = source.symbol(at), source.last_step(at)
    day = symbol.candle(step - WINDOW_STEPS + 1, step)
    inverse = symbol.listing.inverse
    return {
        "symbol": symbol.native,
        "weightedAvgPrice": f"{(float(day.open) + float(day.close)) / 2:.8f}",
        "lastPrice": day.close,
        "openPrice": day.open,
        "highPrice": day.high,
        "lowPrice": day.low,
        "volume": day.volume,
        "baseVolume" if inverse else "quoteVolume": day.quote_volume,
        "closeTime": now_ms,
        "count": WINDOW_STEPS,
    }


def _exchange_info(source: Source) -> str:
    symbols = [_spot_row(listing) for listing in source.listings]
    return json.dumps({"timezone": "UTC", "rateLimits": [], "exchangeFilters": [], "symbols": symbols})


def _spot_row(listing: Listing) -> dict[str, Any]:
    return {
        "symbol": listing.native,
        "status": listing.status or "TRADING",
        "baseAsset": listing.base,
        "baseAssetPrecision": 8,
        "quoteAsset": listing.quote,
        "quoteAssetPrecision": 8,
        "isSpotTradingAllowed": True,
        "filters": filters(listing),
    }


def filters(listing: Listing) -> list[dict[str, str]]:
    """The steps of prices and sizes."""
    return [
        {"filterType": "PRICE_FILTER", "tickSize": listing.tick_size},
        {"filterType": "LOT_SIZE", "stepSize": listing.lot_size},
    ]


def _depth(query: Mapping[str, str], source: Source) -> HttpReply:
    limit = query.get("limit", "100")
    if not limit.isdecimal() or int(limit) < 1:
        return HttpReply(400, '{"code":-1100,"msg":"Illegal characters found in parameter \'limit\'."}')
    levels = min(int(limit), 5000)  # more than that is not refused
    book = source.book(query.get("symbol", ""), levels)
    if book is None:
        return HttpReply(400, INVALID_SYMBOL)
    body = f'{{"lastUpdateId":{book.update_id},"bids":{LEVELS(book.bids)},"asks":{LEVELS(book.asks)}}}'
    return HttpReply(200, body, next(weight for most, weight in _DEPTH_WEIGHTS if levels <= most))
