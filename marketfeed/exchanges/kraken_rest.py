"""Kraken over REST: instruments and their symbols, 24 h volumes, missed trades.

Sources: docs.kraken.com as of 2026-11 (get-tradable-asset-pairs, get-ticker-information, get-recent-trades).
`assetVersion=1` makes the answers name pairs as WebSocket v2 does: BTC/USD, not XXBTZUSD.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from marketfeed.exchanges.exchange import Call, Fault, FaultKind, Hole, InstrumentList, TradeHistory
from marketfeed.exchanges.message import Numbering, OneOf, message
from marketfeed.symbols import Instrument, is_symbol

_RENAMED = {"XBT": "BTC", "XDG": "DOGE"}
"""Names of WebSocket v1 and of REST → those of v2."""

# ---- symbols -------------------------------------------------------------------------------------------------------------


def symbol(native_symbol: str) -> str | None:
    """BTC/USD → BTC-USD, and XBT/USD, too."""
    base, slash, quote_currency = native_symbol.partition("/")
    name = f"{_RENAMED.get(base, base)}-{_RENAMED.get(quote_currency, quote_currency)}"
    return name if slash and is_symbol(name) and name.count("-") == 1 else None


def native(name: str) -> str:
    """BTC-USD → BTC/USD: v2 has the common names."""
    return name.replace("-", "/")


# ---- errors --------------------------------------------------------------------------------------------------------------

_PACED = ("EGeneral:Too many requests", "EGeneral:Temporary lockout", "EAPI:Rate limit exceeded", "EService:Throttled")
_FAILED = ("EService:", "EGeneral:Internal error")
"""Unavailable, busy, in maintenance: of all that is left of these."""
# The forms `E<category>:<words>` are documented (guides/general/errors, 2026-11); these words: unverified.


def fault(body: Any) -> Fault | None:
    """Errors come with HTTP 200; those that begin with W are warnings, and the answer is one all the same."""
    told = body.get("error") if isinstance(body, Mapping) else None
    errors = [str(each) for each in told if not str(each).startswith("W")] if isinstance(told, list) else []
    if not errors:
        return None
    return Fault(_kind(errors), ", ".join(errors))


def _kind(errors: Sequence[str]) -> FaultKind:
    if any(error.startswith(_PACED) for error in errors):
        return FaultKind.PACED
    return FaultKind.FAILED if any(error.startswith(_FAILED) for error in errors) else FaultKind.REFUSED


# ---- instruments ---------------------------------------------------------------------------------------------------------


def _result(body: Mapping[str, Any]) -> Mapping[str, Any]:
    if (refused := fault(body)) is not None:
        raise ValueError(f"refused: {refused.reason}")
    result: Mapping[str, Any] = body["result"]
    return result


def _instruments(body: Any) -> list[Instrument]:
    """`AssetPairs`, or a snapshot of the WebSocket's channel `instrument`.

    Pairs without a name on the WebSocket (dark pools), or without a symbol of ours, are left out.
    """
    if "channel" in body:
        found = (_of_channel(row) for row in body["data"]["pairs"])
    else:
        found = (_of_pair(row) for row in _result(body).values())
    return [instrument for instrument in found if instrument is not None]


def _of_pair(row: Mapping[str, Any]) -> Instrument | None:
    """A row of `AssetPairs`; older ones have neither status nor tick size."""
    tick_size = row.get("tick_size") or _step(row["pair_decimals"])
    return _instrument(row.get("wsname", ""), row.get("status", "online"), tick_size, _step(row["lot_decimals"]))


def _of_channel(row: Mapping[str, Any]) -> Instrument | None:
    """A row of `instrument`: its steps are JSON numbers such as 1e-08."""
    return _instrument(row["symbol"], row["status"], _written_out(row["tick_size"]), _step(row["qty_precision"]))


def _instrument(pair: str, status: str, tick_size: str, lot_size: str) -> Instrument | None:
    name = symbol(pair)
    if name is None:
        return None
    base, quote_currency = name.split("-")
    return Instrument(name, native(name), base, quote_currency, status, status == "online", tick_size, lot_size)


def _step(decimals: int) -> str:
    return format(Decimal(1).scaleb(-decimals), "f")


def _written_out(number: float) -> str:
    """A number as the shortest text that is it: what the exchange wrote, as it has few digits."""
    return format(Decimal(repr(number)), "f")


def _volumes(body: Any) -> dict[str, Decimal]:
    """`v` and `p` are volume and volume-weighted average price, of today and of the last 24 h."""
    return {pair: Decimal(row["v"][1]) * Decimal(row["p"][1]) for pair, row in _result(body).items()}


INSTRUMENTS = InstrumentList(
    (Call("/0/public/AssetPairs?assetVersion=1"),),
    _instruments,
    volumes_calls=(Call("/0/public/Ticker?assetVersion=1"),),
    volumes=_volumes,
)

# ---- trades --------------------------------------------------------------------------------------------------------------

_HISTORY_ROWS = 1000
_ROUNDED_NS = 1000
"""Rows tell 7 digits or fewer of a second."""


def _history(native_symbol: str, hole: Hole) -> Call:
    """`since`, in ns, is exclusive, and pages go by time. Times of rows are rounded: the next page begins a bit before."""
    since = f"&since={max(0, hole.since_ns - _ROUNDED_NS)}" if hole.since_ns else ""
    return Call(f"/0/public/Trades?pair={quote(native_symbol, safe='')}&assetVersion=1{since}&count={_HISTORY_ROWS}")


HISTORY = TradeHistory(
    call=_history,
    message=message("trades", at="result/*", numbering=Numbering.CONSECUTIVE,
                    id="6", price="0", size="1", ts="2", side=OneOf("3", {"b": "buy", "s": "sell"})),
    rows=_HISTORY_ROWS,
)  # fmt: skip
