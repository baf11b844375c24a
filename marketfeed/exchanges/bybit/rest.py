"""What Bybit is asked over REST: instruments, 24 h volumes, the latest trades.

No call has a weight: 600 are allowed in 5 s by address (rate-limit/rate-limit.mdx, 2026-07-24).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from marketfeed.exchanges.exchange import Call, Fault, FaultKind, Hole, InstrumentList
from marketfeed.symbols import Instrument

SPOT_ROWS = 60
ROWS = 1000
"""Trades of one answer at most, and there is no further page (market/recent-trade.mdx, 2026-07-24)."""
_LIST = "/v5/market/instruments-info"
_STATUSES = ("Trading", "PreLaunch", "Delivering")
"""Without a status only those that trade are listed; `Closed` are all that ever were (market/instrument.mdx, 2026-07-24)."""
_CURSOR = "&cursor="


_PACED = frozenset({10006, 10009, 10018, 10429})
"""Too many visits; address banned; too many of this address (error.mdx, 2026-07-24); of all (10429: unverified)."""
_FAILED = frozenset({10000, 10016})
"""Server time-out (10000: unverified); server error (error.mdx, 2026-07-24)."""


def fault(body: Any) -> Fault | None:
    """`retCode` is 0 where all is well; errors come with HTTP 200."""
    code = body.get("retCode") if isinstance(body, Mapping) else None
    if not isinstance(code, int) or code == 0:
        return None
    kind = FaultKind.PACED if code in _PACED else FaultKind.FAILED if code in _FAILED else FaultKind.REFUSED
    return Fault(kind, f"{code}: {body.get('retMsg', '')}")


def history(category: str, rows: int) -> Callable[[str, Hole], Call]:
    """The call for the latest trades of a symbol, whatever is missing."""
    return lambda native, hole: Call(f"/v5/market/recent-trade?category={category}&symbol={quote(native)}&limit={rows}")


def instruments(category: str) -> InstrumentList:
    """The list of a market: spot has one status and one page, the others come in pages of 1000."""
    statuses = _STATUSES[:1] if category == "spot" else _STATUSES
    return InstrumentList(
        tuple(Call(f"{_LIST}?category={category}&status={status}&limit=1000") for status in statuses),
        _spot if category == "spot" else _linear if category == "linear" else _inverse,
        _next_page,
        (Call(f"/v5/market/tickers?category={category}"),),
        _base_turnovers if category == "inverse" else _turnovers,
    )


def _next_page(call: Call, body: Any) -> Call | None:
    cursor = body["result"].get("nextPageCursor")
    return Call(f"{call.path.partition(_CURSOR)[0]}{_CURSOR}{quote(cursor, safe='')}") if cursor else None


def _spot(body: Any) -> list[Instrument]:
    return [_instrument(row, "", "basePrecision") for row in _listed(body, "spot")]


def _linear(body: Any) -> list[Instrument]:
    """Sizes are in the base asset."""
    return [_instrument(row, _form(row), "qtyStep") for row in _listed(body, "linear")]


def _inverse(body: Any) -> list[Instrument]:
    """A contract is worth one unit of the quote asset."""
    return [_instrument(row, _form(row), "qtyStep", "1") for row in _listed(body, "inverse")]


def _listed(body: Any, category: str) -> list[Any]:
    result = body["result"]
    told = result.get("category", category)
    if told != category:
        raise ValueError(f"lists {told}")
    rows: list[Any] = result["list"]
    return rows


def _instrument(row: Mapping[str, Any], form: str, lot: str, contract_size: str | None = None) -> Instrument:
    base, quote_asset, status = row["baseCoin"], row["quoteCoin"], row["status"]
    return Instrument(
        symbol=f"{base}-{quote_asset}{form}",
        native=row["symbol"],
        base=base,
        quote=quote_asset,
        status=status,
        trading=status == "Trading",
        tick_size=row["priceFilter"].get("tickSize"),
        lot_size=row["lotSizeFilter"].get(lot),
        contract_size=contract_size,
        contract_currency=None if contract_size is None else quote_asset,
        expiry_ns=int(row["deliveryTime"]) * 1_000_000 if form not in ("", "-PERP") else None,
    )


def _form(row: Mapping[str, Any]) -> str:
    """How our symbol ends: a future's with the day of its delivery. (A perpetual's `deliveryTime` is its delisting.)"""
    if row["contractType"].endswith("Perpetual"):
        return "-PERP"
    return f"-{datetime.fromtimestamp(int(row['deliveryTime']) / 1000, UTC):%y%m%d}"


def _turnovers(body: Any) -> dict[str, Decimal]:
    return {row["symbol"]: Decimal(row["turnover24h"]) for row in body["result"]["list"]}


def _base_turnovers(body: Any) -> dict[str, Decimal]:
    """Of inverse contracts the turnover is in the base asset, and the volume in contracts: units of the quote asset."""
    return {row["symbol"]: Decimal(row["volume24h"]) for row in body["result"]["list"]}
