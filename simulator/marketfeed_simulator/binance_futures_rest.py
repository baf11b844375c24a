"""Binance USD-M (`/fapi/v1`) and COIN-M (`/dapi/v1`) over REST.

Sources: developers.binance.com, the pages of market data of both, and weights measured on USD-M on 2026-10-07.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from marketfeed_simulator import contract
from marketfeed_simulator.binance_payloads import LEVELS
from marketfeed_simulator.binance_rest import INVALID_SYMBOL, filters, tickers, trades
from marketfeed_simulator.exchange import HttpReply, Source
from marketfeed_simulator.listing import Listing

_DEPTH_WEIGHTS: Final = {5: 2, 10: 2, 20: 2, 50: 2, 100: 5, 500: 10, 1000: 20}
_NO_EXPIRY_MS: Final = 4_133_404_800_000
"""Delivery date of a perpetual contract."""


def call(name: str, query: Mapping[str, str], source: Source, now_ms: int) -> HttpReply | None:
    """A call by what follows the root of its path; null where it is unknown."""
    match name:
        case "ping":
            return HttpReply(200, "{}")
        case "time":
            return HttpReply(200, f'{{"serverTime":{now_ms}}}')
        case "exchangeInfo":
            rows = [_row(listing) for listing in source.listings]
            return HttpReply(200, json.dumps({"timezone": "UTC", "serverTime": now_ms, "rateLimits": [], "symbols": rows}))
        case "depth":
            return _depth(query, source, now_ms)
        case "trades":
            return trades(query, source, 5, aggregate=False, recent=True, base=True)
        case "historicalTrades":
            return trades(query, source, 20, aggregate=False, base=True)
        case "aggTrades":
            return trades(query, source, 20, aggregate=True, base=True)
        case "ticker/24hr":
            return tickers(query, source, now_ms, 1, 40)
        case "openInterest":
            return _open_interest(query, source, now_ms)
        case "premiumIndex":
            return _premium_index(query, source, now_ms)
    return None


def _kind(listing: Listing) -> str:
    return "PERPETUAL" if listing.expiry_ms is None else "CURRENT_QUARTER"


def _row(listing: Listing) -> dict[str, Any]:
    row = {
        "symbol": listing.native,
        "pair": listing.base + listing.quote,
        "contractType": _kind(listing),
        "deliveryDate": listing.expiry_ms or _NO_EXPIRY_MS,
        "baseAsset": listing.base,
        "quoteAsset": listing.quote,
        "marginAsset": listing.base if listing.inverse else listing.quote,
        "pricePrecision": listing.tick_decimals,
        "quantityPrecision": listing.lot_decimals,
        "filters": filters(listing),
    }
    if listing.inverse:
        return row | {"contractStatus": listing.status or "TRADING", "contractSize": int(listing.contract)}
    return row | {"status": listing.status or "TRADING"}


def _depth(query: Mapping[str, str], source: Source, now_ms: int) -> HttpReply:
    limit = query.get("limit", "500")
    if not limit.isdecimal() or int(limit) not in _DEPTH_WEIGHTS:
        return HttpReply(400, json.dumps({"code": -4021, "msg": f"{limit} is not valid depth limit"}))
    book = source.book(query.get("symbol", ""), int(limit))
    if book is None:
        return HttpReply(400, INVALID_SYMBOL)
    body = (
        f'{{"lastUpdateId":{book.update_id},"E":{now_ms},"T":{now_ms},"bids":{LEVELS(book.bids)},"asks":{LEVELS(book.asks)}}}'
    )
    return HttpReply(200, body, _DEPTH_WEIGHTS[int(limit)] if "limit" in query else 1)


def _open_interest(query: Mapping[str, str], source: Source, now_ms: int) -> HttpReply:
    at = source.place(query.get("symbol", ""))
    if at is None:
        return HttpReply(400, INVALID_SYMBOL)
    symbol = source.symbol(at)
    listing = symbol.listing
    told = {
        "symbol": symbol.native,
        "openInterest": contract.state(symbol, source.last_step(at)).open_interest,
        "time": now_ms,
    }
    if listing.inverse:
        told |= {"pair": listing.base + listing.quote, "contractType": _kind(listing)}
    return HttpReply(200, json.dumps(told))


def _premium_index(query: Mapping[str, str], source: Source, now_ms: int) -> HttpReply:
    native = query.get("symbol")
    wanted = [listing.native for listing in source.listings] if native is None else [native]
    places = [at for name in wanted if (at := source.place(name)) is not None]
    if native is not None and not places:
        return HttpReply(400, INVALID_SYMBOL)
    rows = [_premium(source, at, now_ms) for at in places]
    many = native is None or source.symbol(places[0]).listing.inverse  # COIN-M answers with a list for one symbol, too
    return HttpReply(200, json.dumps(rows if many else rows[0]), 10 if native is None else 1)


def _premium(source: Source, at: int, now_ms: int) -> dict[str, Any]:
    symbol = source.symbol(at)
    state = contract.state(symbol, source.last_step(at))
    perpetual = symbol.listing.expiry_ms is None
    return {
        "symbol": symbol.native,
        "markPrice": state.mark_price,
        "indexPrice": state.index_price,
        "lastFundingRate": state.funding_rate if perpetual else "0.00000000",
        "nextFundingTime": contract.next_funding_ms(now_ms) if perpetual else 0,
        "time": now_ms,
    }
