"""OKX over REST: instruments and their symbols, 24 h volumes, a book to begin with, missed trades.

Sources: OKX's documentation as of 2026-07 (docs-v5: get-instruments, get-tickers, get-order-book, get-trades-history).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from marketfeed.exchanges.exchange import BookSnapshot, Call, Fault, FaultKind, Hole, InstrumentList, TradeHistory
from marketfeed.exchanges.message import Levels, Numbering, OneOf, message
from marketfeed.symbols import Instrument, is_symbol

_TYPES = {"spot": ("SPOT",), "linear": ("SWAP", "FUTURES"), "inverse": ("SWAP", "FUTURES")}
_MARGINED = "_UM"
"""`BTC-USD_UM-SWAP` is margined in dollars, and so linear; `BTC-USD-SWAP` is inverse."""
_form = re.compile(r"([^-_]+)-([^-_]+)(_UM)?(-SWAP|-[0-9]{6})?").fullmatch
_MS_NS = 1_000_000

# ---- errors --------------------------------------------------------------------------------------------------------------

PACED = frozenset({"50011", "50061"})
"""Too many requests; too many of an account."""
_FAILED = frozenset({"50001", "50004", "50013", "50026"})
"""Temporarily unavailable, time-out, busy, system error."""
# docs-v5 error-codes, 2026-07, has the paced ones; 50001, 50004, 50013: unverified.


def fault(body: Any) -> Fault | None:
    """`code` is "0" where all is well; some errors come with HTTP 200, and then with an empty `data`."""
    code = body.get("code") if isinstance(body, Mapping) else None
    if code is None or str(code) == "0":
        return None
    told = str(code)
    kind = FaultKind.PACED if told in PACED else FaultKind.FAILED if told in _FAILED else FaultKind.REFUSED
    return Fault(kind, f"{told}: {body.get('msg', '')}")


# ---- symbols -------------------------------------------------------------------------------------------------------------


def symbol(native: str, market: str) -> str | None:
    """BTC-USDT-SWAP → BTC-USDT-PERP; null: not of this market, or of another form (an option)."""
    found = _form(native)
    if found is None:
        return None
    base, quote_currency, margined, contract = found.groups()
    if _market(quote_currency, margined, contract) != market:
        return None
    name = f"{base}-{quote_currency}{'-PERP' if contract == '-SWAP' else contract or ''}"
    return name if is_symbol(name) else None


def native(name: str, market: str) -> str:
    """BTC-USDT-PERP → BTC-USDT-SWAP."""
    base, quote_currency, *contract = name.split("-")
    margined = _MARGINED if market == "linear" and quote_currency == "USD" else ""
    return "-".join((base, quote_currency + margined, *("SWAP" if part == "PERP" else part for part in contract)))


def index(native_symbol: str) -> str:
    """BTC-USDT-SWAP → BTC-USDT: the index that a derivative follows (its `uly`)."""
    base, quote_currency, *_ = native_symbol.split("-")
    return f"{base}-{quote_currency.removesuffix(_MARGINED)}"


def _market(quote_currency: str, margined: str | None, contract: str | None) -> str:
    if contract is None:
        return "spot"
    return "inverse" if quote_currency == "USD" and not margined else "linear"


# ---- instruments ---------------------------------------------------------------------------------------------------------


def instruments(market: str) -> InstrumentList:
    """The list of one market: swaps and dated futures are two calls, linear and inverse ones come together."""
    types = _TYPES[market]
    return InstrumentList(
        tuple(Call(f"/api/v5/public/instruments?instType={kind}") for kind in types),
        lambda body: _instruments(body, market),
        volumes_calls=tuple(Call(f"/api/v5/market/tickers?instType={kind}") for kind in types),
        volumes=_spot_volumes if market == "spot" else _derivative_volumes,
    )


def _rows(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    if (refused := fault(body)) is not None:
        raise ValueError(f"refused: {refused.reason}")
    rows: list[Mapping[str, Any]] = body["data"]
    return rows


def _instruments(body: Any, market: str) -> list[Instrument]:
    """Those of this market; what has no symbol of ours, such as an event contract, is left out."""
    named = (
        (row, symbol(row["instId"], market)) for row in _rows(body) if row["ctType"] == ("" if market == "spot" else market)
    )
    return [_instrument(row, name) for row, name in named if name is not None]


def _instrument(row: Mapping[str, Any], name: str) -> Instrument:
    base, quote_currency = (row["baseCcy"], row["quoteCcy"]) if row["instType"] == "SPOT" else row["uly"].split("-")
    return Instrument(
        symbol=name,
        native=row["instId"],
        base=base,
        quote=quote_currency,
        status=row["state"],
        trading=row["state"] == "live",
        tick_size=row["tickSz"] or None,
        lot_size=row["lotSz"] or None,
        contract_size=_product(row["ctVal"], row["ctMult"]) if row["ctVal"] else None,
        contract_currency=row["ctValCcy"] or None,
        expiry_ns=int(row["expTime"]) * _MS_NS if row["expTime"] else None,
    )


def _product(value: str, multiplier: str) -> str:
    return format((Decimal(value) * Decimal(multiplier or "1")).normalize(), "f")


def _spot_volumes(body: Any) -> dict[str, Decimal]:
    return {row["instId"]: Decimal(row["volCcy24h"] or "0") for row in _rows(body)}


def _derivative_volumes(body: Any) -> dict[str, Decimal]:
    """`volCcy24h` is in the base currency: at the last price it is about what was paid."""
    return {row["instId"]: Decimal(row["volCcy24h"] or "0") * Decimal(row["last"] or "0") for row in _rows(body)}


# ---- books and trades ----------------------------------------------------------------------------------------------------

_HISTORY_ROWS = 100


def _history(native_symbol: str, hole: Hole) -> Call:
    """`after` asks for trades with lower ids, the highest first; `type=1`: it is a trade's id, not a time."""
    older = "" if hole.last is None else f"&after={hole.last + 1}"
    return Call(f"/api/v5/market/history-trades?instId={quote(native_symbol)}&type=1{older}&limit={_HISTORY_ROWS}")


SNAPSHOT = BookSnapshot(
    call=lambda native_symbol, depth: Call(f"/api/v5/market/books?instId={quote(native_symbol)}&sz=400"),
    message=message("book", at="data", ts="ts", snapshot=True, bids=Levels("bids"), asks=Levels("asks"), seq="seqId"),
    after_s=3.0,
)
"""Stands in where the socket's own snapshot does not come: OKX announced in 2026-02 that it may end."""

# Ids of fills rise by one for each instrument: `tradeId` − `count` is the one before (75 of 75 recorded pairs).
HISTORY = TradeHistory(
    call=_history,
    message=message("trades", at="data", numbering=Numbering.CONSECUTIVE, ts="ts", id="tradeId", price="px", size="sz",
                    side=OneOf("side", {"buy": "buy", "sell": "sell"})),
    rows=_HISTORY_ROWS,
    newest_first=True,
)  # fmt: skip
