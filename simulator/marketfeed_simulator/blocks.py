"""Messages by the thousand: what one connection gets of ten rounds, framed and ready to be written at once.

Ten steps from a multiple of ten on have ids that differ in their last digit only. So a block is the same bytes every time
but for the time and the digits before: these are put between pieces made beforehand, for every place in the period.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

from marketfeed_simulator.exchange import Exchange
from marketfeed_simulator.feeds import Feed
from marketfeed_simulator.framing import text_header
from marketfeed_simulator.market import Market
from marketfeed_simulator.session import Session
from marketfeed_simulator.symbol import BLOCK, UPDATES, Ids, Symbol

GROUP = 100
"""Streams of one block."""
_NOW, _TRADE, _UPDATE, _AGGREGATE = "\x01\x02\x03\x04"
_holes = re.compile(f"([{_NOW}{_TRADE}{_UPDATE}{_AGGREGATE}])")
_DIVISORS = {_TRADE: BLOCK, _UPDATE: BLOCK * UPDATES, _AGGREGATE: BLOCK}


class _Layout(NamedTuple):
    pool: list[bytes]
    """What fills the holes (the time, then ids by symbol), then the pieces."""
    pick: Callable[[list[bytes]], Sequence[bytes]]
    """From the pool, in the order of the wire."""
    widths: list[int]
    """Of what fills the holes: the frames' lengths hold for these."""


class Blocks:
    """The blocks of one connection, for the live feeds that it is subscribed to now."""

    def __init__(self, exchange: Exchange, market: Market, session: Session, feeds: dict[str, Feed]) -> None:
        self._exchange, self._market, self._session = exchange, market, session
        by_symbol = sorted(feeds.items(), key=lambda item: item[1].symbol or 0)
        self._groups = [by_symbol[at : at + GROUP] for at in range(0, len(by_symbol), GROUP)]
        self._layouts: list[dict[int, _Layout]] = [{} for _ in self._groups]

    def __len__(self) -> int:
        return len(self._groups)

    def messages(self, group: int) -> int:
        """In a block of this group."""
        return BLOCK * len(self._groups[group])

    def block(self, group: int, first: int, now_ms: int) -> bytes:
        """One group's frames of the ten steps from `first`, a multiple of ten."""
        holes = [b"%d" % now_ms]
        for at in self._places(group):
            symbol = self._market.symbol(at)
            numbers = symbol.trade_id(first), symbol.update_id(first), symbol.aggregate_id(first)
            holes += [b"%d" % (n // d) for n, d in zip(numbers, _DIVISORS.values(), strict=True)]
        layouts = self._layouts[group]
        place = first % self._market.period
        layout = layouts.get(place)
        widths = [len(hole) for hole in holes]
        if layout is None or layout.widths != widths:
            layout = layouts[place] = self._lay_out(group, first, widths)
        layout.pool[: len(holes)] = holes
        return b"".join(layout.pick(layout.pool))

    def _places(self, group: int) -> list[int]:
        """Symbols of a group, in its order."""
        return list(dict.fromkeys(feed.symbol for _, feed in self._groups[group] if feed.symbol is not None))

    def _lay_out(self, group: int, first: int, widths: list[int]) -> _Layout:
        pool: list[bytes] = [b""] * len(widths)
        order: list[int] = []
        piece = bytearray()
        places = {at: 1 + 3 * n for n, at in enumerate(self._places(group))}
        for step in range(first, first + BLOCK):
            for topic, feed in self._groups[group]:
                assert feed.symbol is not None
                holes = {_NOW: 0} | {hole: places[feed.symbol] + n for n, hole in enumerate(_DIVISORS)}
                parts = _holes.split(self._text(topic, feed.kind, self._market.symbol(feed.symbol), step))
                length = sum(widths[holes[part]] if part in holes else len(part.encode()) for part in parts)
                piece += text_header(length)
                for part in parts:
                    if part in holes:
                        order += [len(pool), holes[part]]
                        pool.append(bytes(piece))
                        piece.clear()
                    else:
                        piece += part.encode()
        order.append(len(pool))
        pool.append(bytes(piece))
        pick: Any = itemgetter(*order) if len(order) > 1 else lambda pool: pool[-1:]
        return _Layout(pool, pick, widths)

    def _text(self, topic: str, kind: str, symbol: Symbol, step: int) -> str:
        """A message with holes in it."""
        trade, update, aggregate = symbol.ids(step)
        ids = Ids(_TRADE + trade[-1], _UPDATE + update[-2:], _AGGREGATE + aggregate[-1])
        payload = self._exchange.live(kind, symbol, step, ids, _NOW)
        assert payload is not None, "only kinds that tell of every step are made by the block"
        return self._exchange.envelope(self._session, topic, payload)
