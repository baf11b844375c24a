"""Binance's instrument lists (`exchangeInfo`) and 24 h volumes (`ticker/24hr`)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from marketfeed.symbols import Instrument

_dated = re.compile(r".+_([0-9]{6})").fullmatch


def spot_instruments(body: Any) -> list[Instrument]:
    if any("contractType" in row for row in body["symbols"]):
        raise ValueError("lists contracts")
    return [_instrument(row, "", "status") for row in body["symbols"]]


def linear_instruments(body: Any) -> list[Instrument]:
    """Perpetuals, those on shares and metals (`TRADIFI_PERPETUAL`) too, and quarterly futures. Sizes are in the base asset."""
    if any("contractType" not in row for row in body["symbols"]):
        raise ValueError("lists spot symbols")
    return [_instrument(row, _form(row), "status") for row in body["symbols"]]


def inverse_instruments(body: Any) -> list[Instrument]:
    """The same of COIN-M, where a contract is worth `contractSize` of the quote asset."""
    return [_instrument(row, _form(row), "contractStatus") for row in body["symbols"]]


def _form(row: Mapping[str, Any]) -> str:
    """How our symbol ends. `contractType` would tell it too, but is empty before trading begins and at the end."""
    found = _dated(_text(row, "symbol"))
    return f"-{found[1]}" if found else "-PERP"


def _instrument(row: Mapping[str, Any], form: str, status_key: str) -> Instrument:
    base, quote, status = _text(row, "baseAsset"), _text(row, "quoteAsset"), _text(row, status_key)
    size = row.get("contractSize")
    return Instrument(
        symbol=f"{base}-{quote}{form}",
        native=_text(row, "symbol"),
        base=base,
        quote=quote,
        status=status,
        trading=status == "TRADING",
        tick_size=_size(row, "PRICE_FILTER", "tickSize"),
        lot_size=_size(row, "LOT_SIZE", "stepSize"),
        contract_size=None if size is None else str(size),
        contract_currency=None if size is None else quote,
        expiry_ns=int(row["deliveryDate"]) * 1_000_000 if form and form != "-PERP" else None,
    )


def _text(row: Mapping[str, Any], key: str) -> str:
    value = row[key]
    if not isinstance(value, str):
        raise TypeError(f"{key} is no text")
    return value


def _size(row: Mapping[str, Any], filter_type: str, key: str) -> str | None:
    return next((f[key] for f in row.get("filters", ()) if f.get("filterType") == filter_type and key in f), None)


def quote_volumes(body: Any) -> dict[str, Decimal]:
    return {row["symbol"]: Decimal(row["quoteVolume"]) for row in body}


def inverse_volumes(body: Any) -> dict[str, Decimal]:
    """COIN-M tells the volume in contracts and in the base asset: the latter times the average price is that in the quote."""
    return {row["symbol"]: Decimal(row["baseVolume"]) * Decimal(row["weightedAvgPrice"]) for row in body}
