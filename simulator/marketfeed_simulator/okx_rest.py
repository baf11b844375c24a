"""OKX over REST: instruments, books, trades, tickers; each call has a budget of its own.

Sources: docs-v5 get-instruments, get-order-book, get-trades-history, get-tickers (2026-07).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import islice
from typing import Any, Final

from marketfeed.exchanges.exchange import Window
from marketfeed_simulator import okx_fills
from marketfeed_simulator.exchange import HttpReply, Source
from marketfeed_simulator.listing import Listing
from marketfeed_simulator.okx_payloads import rows, ticker
from marketfeed_simulator.okx_symbols import TYPES, index_of, type_of

_TWO_S: Final = 2.0
BUDGETS: Final = {
    **{f"instruments {kind}": Window(20, _TWO_S) for kind in ("SPOT", "SWAP", "FUTURES")},
    "books": Window(40, _TWO_S),
    "history-trades": Window(20, _TWO_S),
    "tickers": Window(20, _TWO_S),
}
"""By address; of instruments by their type, too."""
_BOOK: Final = 400
_PAGE: Final = 100


class _InvalidError(Exception):
    """Their HTTP statuses stand beside the codes (docs-v5 error-codes, 2026-07)."""

    def __init__(self, code: str, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.code, self.reason, self.status = code, reason, status


def call(path: str, query: Mapping[str, str], source: Source, market: str, now_ms: int) -> HttpReply | None:
    """A call; null where the path is unknown."""
    try:
        match path:
            case "/api/v5/public/instruments":
                kind = _type(query, market)
                found = [_instrument(each) for each in source.listings if type_of(each.native) == kind]
                return _reply(found, f"instruments {kind}")
            case "/api/v5/market/books":
                return _reply([_book(query, source, now_ms)], "books")
            case "/api/v5/market/history-trades":
                return _reply(_trades(query, source), "history-trades")
            case "/api/v5/market/tickers":
                kind = _type(query, market)
                names = (each.native for each in source.listings if type_of(each.native) == kind)
                places = (at for name in names if (at := source.place(name)) is not None)
                return _reply([ticker(source.symbol(at), source.last_step(at), now_ms) for at in places], "tickers")
            case "/api/v5/public/time":
                return _reply([{"ts": str(now_ms)}])
    except _InvalidError as invalid:
        return HttpReply(invalid.status, json.dumps({"code": invalid.code, "data": [], "msg": invalid.reason}))
    return None


def refused(status: int) -> str:
    """Body of a call or handshake that is refused."""
    if status == 429:
        return '{"msg":"Too Many Requests","code":"50011"}'
    return '{"msg":"Service temporarily unavailable. Please try again later","code":"50001"}'


def _reply(data: list[Any], budget: str = "") -> HttpReply:
    return HttpReply(200, json.dumps({"code": "0", "data": data, "msg": ""}, separators=(",", ":")), 1, budget)


def _type(query: Mapping[str, str], market: str) -> str:
    kind = query.get("instType", "")
    if not kind:
        raise _InvalidError("50014", "Parameter instType can not be empty.")
    if kind not in TYPES[market]:
        raise _InvalidError("51000", "Parameter instType error")
    return kind


def _place(query: Mapping[str, str], source: Source) -> int:
    at = source.place(_name(query))
    if at is None:
        raise _InvalidError("51001", "Instrument ID doesn't exist.", 200)
    return at


def _name(query: Mapping[str, str]) -> str:
    if not query.get("instId"):
        raise _InvalidError("50014", "Parameter instId can not be empty.")
    return query["instId"]


def _integer(query: Mapping[str, str], name: str, default: int) -> int:
    try:
        return int(query.get(name) or default)
    except ValueError:
        raise _InvalidError("51000", f"Parameter {name} error") from None


# ---- instruments and books -----------------------------------------------------------------------------------------------


def _instrument(listing: Listing) -> dict[str, str]:
    """Base and quote currency stand in the rows of spot alone."""
    spot = not listing.term
    settled = listing.base if listing.inverse else listing.quote
    return {
        "instId": listing.native,
        "instType": type_of(listing.native),
        "uly": "" if spot else index_of(listing.native),
        "instFamily": "" if spot else index_of(listing.native),
        "baseCcy": listing.base if spot else "",
        "quoteCcy": listing.quote if spot else "",
        "settleCcy": "" if spot else settled,
        "ctType": "" if spot else "inverse" if listing.inverse else "linear",
        "ctVal": listing.contract,
        "ctMult": "" if spot else "1",
        "ctValCcy": "" if spot else listing.quote if listing.inverse else listing.base,
        "expTime": str(listing.expiry_ms or ""),
        "tickSz": listing.tick_size,
        "lotSz": listing.lot_size,
        "minSz": listing.lot_size,
        "state": listing.status or "live",
    }


def _book(query: Mapping[str, str], source: Source, now_ms: int) -> dict[str, Any]:
    levels = source.book(_name(query), min(_integer(query, "sz", 1), _BOOK))
    if levels is None:
        raise _InvalidError("51001", "Instrument ID doesn't exist.", 200)
    return {"asks": rows(levels.asks), "bids": rows(levels.bids), "ts": str(now_ms), "seqId": levels.update_id}


# ---- trades --------------------------------------------------------------------------------------------------------------


def _trades(query: Mapping[str, str], source: Source) -> list[dict[str, str]]:
    """Fills, newest first: those before `after`, which is an id (`type` 1, the default) or a time (2)."""
    at = _place(query, source)
    symbol, step = source.symbol(at), source.last_step(at)
    before = None
    if "after" in query and query.get("type", "1") == "2":
        step = min(step, source.step_since(at, _integer(query, "after", 0)) - 1)
    elif "after" in query:
        before = _integer(query, "after", 0)
        step = min(step, okx_fills.step_of(symbol, before))
    found = (
        (fill, source.time_ms(at, each))
        for each in range(step, -1, -1)
        for fill in reversed(okx_fills.fills(symbol, each))
        if before is None or fill.trade_id < before
    )
    return [
        {
            "instId": symbol.native,
            "side": "sell" if fill.buyer_is_maker else "buy",
            "sz": fill.size,
            "source": "0",
            "px": fill.price,
            "tradeId": str(fill.trade_id),
            "ts": str(time_ms),
        }
        for fill, time_ms in islice(found, min(_integer(query, "limit", _PAGE), _PAGE))
    ]
