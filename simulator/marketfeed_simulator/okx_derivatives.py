"""What OKX's channels say of contracts alone: mark and index price, open interest, funding, liquidations.

Sources: docs-v5 mark-price-channel, index-tickers-channel, open-interest-channel, funding-rate-channel,
liquidation-orders-channel (2026-07), and frames recorded in 2026-09 and 2026-10.
"""

from __future__ import annotations

from decimal import Decimal

from marketfeed_simulator import contract
from marketfeed_simulator.okx_payloads import DAY_STEPS, dumps, message
from marketfeed_simulator.okx_symbols import index_of, type_of
from marketfeed_simulator.symbol import Symbol


def mark_price(symbol: Symbol, step: int, now_ms: int) -> str:
    price = contract.state(symbol, step).mark_price
    return message("mark-price", symbol.native, dumps({**_named(symbol), "markPx": price, "ts": str(now_ms)}))


def index_tickers(symbol: Symbol, step: int, now_ms: int) -> str:
    """Of the index that a symbol follows."""
    name, day = index_of(symbol.native), symbol.candle(step - DAY_STEPS + 1, step)
    data = {
        "instId": name,
        "idxPx": contract.state(symbol, step).index_price,
        "open24h": day.open,
        "high24h": day.high,
        "low24h": day.low,
        "sodUtc0": day.open,
        "sodUtc8": day.open,
        "ts": str(now_ms),
    }
    return message("index-tickers", name, dumps(data))


def open_interest(symbol: Symbol, step: int, now_ms: int) -> str:
    """In contracts, in the base currency, in dollars."""
    state = contract.state(symbol, step)
    contracts, size, price = Decimal(state.open_interest), Decimal(symbol.listing.contract), Decimal(state.mark_price)
    dollars = contracts * size if symbol.listing.inverse else contracts * size * price
    coins = f"{dollars / price:.8f}"
    data = {**_named(symbol), "oi": f"{contracts:f}", "oiCcy": coins, "oiUsd": f"{dollars:f}", "ts": str(now_ms)}
    return message("open-interest", symbol.native, dumps(data))


def funding_rate(symbol: Symbol, step: int, now_ms: int) -> str:
    """`fundingRate` is to be settled at `fundingTime`; the one after it has no rate yet."""
    settled_ms = contract.next_funding_ms(now_ms)
    rate = contract.state(symbol, step).funding_rate
    data = {
        "formulaType": "withRate",
        "fundingRate": rate,
        "fundingTime": str(settled_ms),
        **_named(symbol),
        "maxFundingRate": "0.00375",
        "method": "current_period",
        "minFundingRate": "-0.00375",
        "nextFundingRate": "",
        "nextFundingTime": str(settled_ms + contract.FUNDING_MS),
        "premium": "0",
        "prevFundingTime": str(settled_ms - contract.FUNDING_MS),
        "settFundingRate": rate,
        "settState": "settled",
        "ts": str(now_ms),
    }
    return message("funding-rate", symbol.native, dumps(data))


def liquidation(symbol: Symbol, step: int, now_ms: str) -> str | None:
    """`side` is that of the order, `posSide` that of the position."""
    found = contract.liquidation(symbol, step)
    if found is None:
        return None
    kind, index = type_of(symbol.native), index_of(symbol.native)
    return (
        f'{{"arg":{{"channel":"liquidation-orders","instType":"{kind}"}},"data":[{{"details":[{{"bkLoss":"0",'
        f'"bkPx":"{found.price}","ccy":"","posSide":"{"long" if found.sells else "short"}",'
        f'"side":"{"sell" if found.sells else "buy"}","sz":"{found.size}","ts":"{now_ms}"}}],"instFamily":"{index}",'
        f'"instId":"{symbol.native}","instType":"{kind}","uly":"{index}"}}]}}'
    )


def _named(symbol: Symbol) -> dict[str, str]:
    return {"instId": symbol.native, "instType": type_of(symbol.native)}
