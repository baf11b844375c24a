"""What the market did, whether anybody was told or not: what a test holds a consumer's data against."""

from __future__ import annotations

from typing import Any

from marketfeed_simulator.exchange import Exchange
from marketfeed_simulator.market import Market
from marketfeed_simulator.symbol import UPDATES


class Truth:
    """Of one market. A symbol is named as the exchange does it, or normalised. Raises `LookupError` for an unknown one."""

    def __init__(self, exchange: Exchange, market: Market) -> None:
        self._exchange, self._market = exchange, market

    def last_step(self, symbol: str) -> int:
        """The last step that a symbol has made; the first one of a market is 0."""
        return self._market.last_step(self._market.place(symbol))

    def trades(self, symbol: str, first: int = 0, last: int | None = None) -> list[dict[str, Any]]:
        """The trades of these steps, both included; without `last` up to now. `id` is that of the documented trades stream."""
        at = self._market.place(symbol)
        found, now = self._market.symbol(at), self._market.last_step(at)
        rows = []
        for step in range(first, (now if last is None else min(last, now)) + 1):
            price, size, maker = found.trade(step)
            rows.append(
                {
                    "step": step,
                    "id": self._exchange.trade_id(found, step),
                    "time_ms": self._market.times.at(step, at),
                    "price": price,
                    "size": size,
                    "side": "sell" if maker else "buy",
                }
            )
        return rows

    def book(self, symbol: str, step: int | None = None, update: int | None = None, levels: int = 5000) -> dict[str, Any]:
        """The book after a step, or after an update id (Binance `u`, Bybit `seq`, OKX `seqId`); without either as it is now."""
        at = self._market.place(symbol)
        found = self._market.symbol(at)
        if update is not None:
            step = (update - found.update_id(0)) // UPDATES
        if step is None:
            step = self._market.last_step(at)
        book = found.book(step, levels)
        return {"step": step, "update": book.update_id, "bids": book.bids, "asks": book.asks}
