"""Which symbols a market can have, by their form alone. Markets are told apart by name.

Spot has no contracts. An inverse market settles in the base currency and is quoted in USD; a linear one settles in the currency
in which it is quoted, or in dollars where an exchange margins that way.
"""

from __future__ import annotations

from marketfeed.exchanges.exchange import Market

_IN_USD = "BTC-USD-PERP"


def misfit(symbol: str, market: Market) -> tuple[str, str] | None:
    """(what a symbol is that the market has not, the way out), or None where it fits."""
    base, quote, *contract = symbol.split("-")
    if market.name == "spot":
        return ("a derivative", f"write {base}-{quote}, or choose a market that has it") if contract else None
    if market.name not in {"linear", "inverse"}:
        return None
    if not contract:
        return "spot", f"write {symbol}-PERP or {symbol}-yymmdd, or choose market: spot"
    if market.name == "inverse" and quote != "USD":
        return "not quoted in USD", "choose market: linear, or write BASE-USD-PERP or BASE-USD-yymmdd"
    if market.name == "linear" and quote == "USD" and not linear_in_usd(market):
        return "quoted in USD", "choose market: inverse, or another quote, such as USDT"
    return None


def linear_in_usd(market: Market) -> bool:
    """Whether a linear market has contracts quoted in USD, as OKX has some that are margined in dollars."""
    return market.name == "linear" and market.symbol(market.native(_IN_USD)) == _IN_USD
