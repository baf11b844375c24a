"""The list of symbols, changed while the market runs."""

from __future__ import annotations

from collections.abc import Callable

from marketfeed_simulator.exchange import Exchange
from marketfeed_simulator.listing import named
from marketfeed_simulator.market import Market


class Board:
    """What an exchange lists. Symbols are normalised (`BTC-USDT-PERP`), those that are there also as the exchange has them."""

    def __init__(self, exchange: Exchange, market: Market, changed: Callable[[], None]) -> None:
        """`changed`: called after the list has changed."""
        self._exchange, self._market, self._changed = exchange, market, changed

    def list(self, symbol: str) -> str:
        """A new symbol, or one that is back; its native name. Raises `ValueError` where it has not the market's form."""
        (listing,) = named([symbol], self._exchange.market)
        listing = self._exchange.listed(listing)
        self._market.add(listing)
        self._changed()
        return listing.native

    def delist(self, symbol: str) -> None:
        """It is gone from the list, and its streams are silent."""
        self._market.remove(self._market.place(symbol))
        self._changed()

    def status(self, symbol: str, status: str = "") -> None:
        """The exchange's own word for it (`BREAK`, `PreLaunch`, `suspend`), its streams being silent; empty: traded again."""
        self._market.set_status(self._market.place(symbol), status)
        self._changed()
