"""Bybit v5 over REST: instruments in pages, latest trades, tickers.

Sources: market/instrument.mdx, market/recent-trade.mdx, market/tickers.mdx (2026-07-24).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from marketfeed_simulator.bybit_payloads import DAY_STEPS, ticker
from marketfeed_simulator.exchange import Exchange, HttpReply, Source
from marketfeed_simulator.listing import Listing
from marketfeed_simulator.symbol import Symbol

_PAGE: Final = 1000
_DEFAULT_PAGE: Final = 500
_MOST_TRADES: Final = {"spot": 60, "linear": 1000, "inverse": 1000}
_DEFAULT_TRADES: Final = {"spot": 60, "linear": 500, "inverse": 500}
_TRADING: Final = "Trading"


def call(path: str, query: Mapping[str, str], source: Source, exchange: Exchange, now_ms: int) -> HttpReply | None:
    """A call; null where the path is unknown."""
    name = path.removeprefix("/v5/market/")
    if name == "time":
        return _reply({"timeSecond": str(now_ms // 1000), "timeNano": str(now_ms * 10**6)}, now_ms)
    if name not in {"instruments-info", "recent-trade", "tickers"}:
        return None
    if query.get("category") != exchange.market:
        return _error("params error: Category is invalid", now_ms)
    try:
        if name == "instruments-info":
            return _instruments(query, source, exchange.market, now_ms)
        if name == "recent-trade":
            return _trades(query, source, exchange, now_ms)
    except ValueError:
        return _error("params error: limit or cursor is invalid", now_ms)
    return _tickers(query, source, exchange.market, now_ms)


def _reply(result: Mapping[str, Any], now_ms: int) -> HttpReply:
    body = {"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": now_ms}
    return HttpReply(200, json.dumps(body, separators=(",", ":")))


def _error(reason: str, now_ms: int) -> HttpReply:
    return HttpReply(200, json.dumps({"retCode": 10001, "retMsg": reason, "result": {}, "retExtInfo": {}, "time": now_ms}))


# ---- instruments ---------------------------------------------------------------------------------------------------------


def _instruments(query: Mapping[str, str], source: Source, market: str, now_ms: int) -> HttpReply:
    """Without a `status` those that are traded, spot all at once, the others a page of them."""
    status = query.get("status", _TRADING)
    rows = [_row(listing, market) for listing in source.listings if (listing.status or _TRADING) == status]
    if "symbol" in query:
        rows = [row for row in rows if row["symbol"] == query["symbol"]]
    if market == "spot":
        return _reply({"category": market, "list": rows}, now_ms)
    first, size = int(query.get("cursor") or "0"), min(int(query.get("limit", _DEFAULT_PAGE)), _PAGE)
    following = str(first + size) if first + size < len(rows) else ""
    return _reply({"category": market, "list": rows[first : first + size], "nextPageCursor": following}, now_ms)


def _row(listing: Listing, market: str) -> dict[str, Any]:
    row: dict[str, Any] = {
        "symbol": listing.native,
        "status": listing.status or _TRADING,
        "baseCoin": listing.base,
        "quoteCoin": listing.quote,
        "priceFilter": {"tickSize": listing.tick_size},
    }
    if market == "spot":
        return row | {"lotSizeFilter": {"basePrecision": listing.lot_size, "quotePrecision": "0.0000001"}}
    dated = "Perpetual" if listing.expiry_ms is None else "Futures"
    return row | {
        "contractType": f"{market.capitalize()}{dated}",
        "settleCoin": listing.base if listing.inverse else listing.quote,
        "deliveryTime": str(listing.expiry_ms or 0),
        "lotSizeFilter": {"qtyStep": listing.lot_size, "minOrderQty": listing.lot_size},
        "fundingInterval": 480,
        "isPreListing": False,
    }


# ---- trades and tickers --------------------------------------------------------------------------------------------------


def _trades(query: Mapping[str, str], source: Source, exchange: Exchange, now_ms: int) -> HttpReply:
    """The latest ones, newest first; there is no way to older ones."""
    at = source.place(query.get("symbol", ""))
    if at is None:
        return _error("params error: symbol invalid", now_ms)
    limit = min(int(query.get("limit", _DEFAULT_TRADES[exchange.market])), _MOST_TRADES[exchange.market])
    last, symbol = source.last_step(at), source.symbol(at)
    steps = range(last, max(-1, last - limit), -1)
    rows = [_trade(symbol, step, exchange.trade_id(symbol, step), source.time_ms(at, step)) for step in steps]
    return _reply({"category": exchange.market, "list": rows}, now_ms)


def _trade(symbol: Symbol, step: int, number: str, time_ms: int) -> dict[str, Any]:
    price, size, maker = symbol.trade(step)
    return {
        "execId": number,
        "symbol": symbol.native,
        "price": price,
        "size": size,
        "side": "Sell" if maker else "Buy",
        "time": str(time_ms),
        "isBlockTrade": False,
        "isRPITrade": False,
        "seq": str(symbol.update_id(step)),
    }


def _tickers(query: Mapping[str, str], source: Source, market: str, now_ms: int) -> HttpReply:
    natives = [query["symbol"]] if "symbol" in query else [listing.native for listing in source.listings]
    places = [at for name in natives if (at := source.place(name)) is not None]
    if "symbol" in query and not places:
        return _error("params error: symbol invalid", now_ms)
    rows = [_ticker(source.symbol(at), source.last_step(at), market, now_ms) for at in places]
    return _reply({"category": market, "list": rows}, now_ms)


def _ticker(symbol: Symbol, step: int, market: str, now_ms: int) -> dict[str, str]:
    if market != "spot":
        return ticker(symbol, step, now_ms)
    day, best = symbol.candle(step - DAY_STEPS + 1, step), symbol.best(step)
    return {
        "symbol": symbol.native,
        "bid1Price": best.bid_price,
        "bid1Size": best.bid_size,
        "ask1Price": best.ask_price,
        "ask1Size": best.ask_size,
        "lastPrice": day.close,
        "prevPrice24h": day.open,
        "highPrice24h": day.high,
        "lowPrice24h": day.low,
        "turnover24h": day.quote_volume,
        "volume24h": day.volume,
    }
