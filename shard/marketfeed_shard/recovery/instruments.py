"""What the exchange lists, asked for now and then: which symbols changed, and which are not traded. Without I/O."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import astuple, dataclass
from typing import Any, Protocol

from marketfeed.backoff import Backoff
from marketfeed.exchanges.exchange import Market
from marketfeed.listing import InstrumentsError
from marketfeed.report import CatalogueState
from marketfeed.selection import Listing
from marketfeed.symbols import Instrument
from marketfeed_shard.recovery.calls import Calls, Failure, Purpose
from marketfeed_shard.recovery.listing import Gathering
from marketfeed_shard.recovery.ports import Answer

EVERY_S = 300.0
"""Between two lists."""
FIRST_S = 5.0
"""The first one waits a random part of this: what starts together does not ask together."""
STALE_S = 3.0 * EVERY_S
"""A list that is older is out of date."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What an `instrument` event tells; all of it null: the exchange lists the symbol no more."""

    status: str | None = None
    tick_size: str | None = None
    lot_size: str | None = None
    contract_size: str | None = None
    contract_currency: str | None = None
    expiry: int | None = None

    @classmethod
    def of(cls, found: Instrument) -> Facts:
        """Those of a listed instrument."""
        return cls(found.status, found.tick_size, found.lot_size, found.contract_size, found.contract_currency, found.expiry_ns)

    def as_list(self) -> list[Any]:
        """As the state directory keeps it."""
        return list(astuple(self))


class Events(Protocol):
    """Receives what a list tells."""

    def changed(self, symbol: str, facts: Facts, received_ns: int) -> None:
        """What is listed of a symbol differs from the list before."""
        ...

    def reopened(self, symbols: Collection[str], now_s: float) -> None:
        """These were not traded, and are again."""
        ...

    def remember(self, known: Mapping[str, Facts]) -> None:
        """What is known now, by symbol: for the next process."""
        ...


class Instruments:
    """The lists of one shard."""

    def __init__(
        self,
        market: Market,
        calls: Calls,
        events: Events,
        random: Callable[[], float],
        known: Mapping[str, Facts],
        now_s: float,
    ) -> None:
        """`known`: what an earlier process remembered."""
        self._market = market
        self._calls = calls
        self._events = events
        self._backoff = Backoff(random, base_s=5.0, most_s=EVERY_S)
        self._symbols: frozenset[str] = frozenset()
        self._known = dict(known)
        self._gathering: Gathering | None = None
        self._next_s = now_s + FIRST_S * random()
        self._listed_s: float | None = None
        self.error = ""
        """Why the latest list could not be had; empty: it could."""
        self.halted: dict[str, str] = {}
        """Carried symbols that are not traded → why, in the exchange's word."""

    def carry(self, symbols: Iterable[str]) -> None:
        """The symbols to look at, from now on."""
        self._symbols = frozenset(symbols)
        self._known = {symbol: facts for symbol, facts in self._known.items() if symbol in self._symbols}
        self.halted = {symbol: status for symbol, status in self.halted.items() if symbol in self._symbols}

    def tick(self, now_s: float) -> float:
        """Ask if that is due. Returns when to call again, at the latest."""
        if self._gathering is not None or not self._symbols:
            return float("inf")
        if now_s >= self._next_s:
            self._gathering = Gathering(self._market)
            self._ask(self._gathering)
            return float("inf")
        return self._next_s

    def close(self) -> None:
        """Nothing more is asked."""
        if self._gathering is not None:
            self._gathering.close()

    def age_s(self, now_s: float) -> float | None:
        """Of the latest list; null: there was none."""
        return None if self._listed_s is None else now_s - self._listed_s

    def state(self, now_s: float) -> CatalogueState:
        """Whether what is known of the symbols holds."""
        age_s = self.age_s(now_s)
        if age_s is None:
            return CatalogueState.UNKNOWN
        return CatalogueState.CURRENT if age_s < STALE_S else CatalogueState.STALE

    # ---- inside ------------------------------------------------------------------------------------------------------

    def _ask(self, gathering: Gathering) -> None:
        self._calls.ask(Purpose.INSTRUMENTS, gathering.call, self._answered)

    def _answered(self, outcome: Answer | Failure, now_s: float) -> None:
        gathering = self._gathering
        if gathering is None:
            return
        if isinstance(outcome, Failure):
            gathering.close()
            self._failed(outcome.reason, now_s)
            return
        try:
            listing = gathering.answered(outcome.body)
        except InstrumentsError as error:
            self._failed(str(error), now_s)
            return
        if listing is None:
            self._ask(gathering)
        else:
            self._listed(listing, outcome.received_ns, now_s)

    def _failed(self, reason: str, now_s: float) -> None:
        self._gathering = None
        self.error = reason
        self._next_s = self._backoff.failed(now_s, at_least_s=1.0)

    def _listed(self, listing: Listing, received_ns: int, now_s: float) -> None:
        self._gathering = None
        self.error = ""
        self._listed_s = now_s
        self._next_s = now_s + EVERY_S
        self._backoff.succeeded(now_s)
        found = {symbol: listing.instruments.get(symbol) for symbol in sorted(self._symbols)}
        facts = {symbol: Facts() if listed is None else Facts.of(listed) for symbol, listed in found.items()}
        before = self.halted
        self.halted = {
            symbol: "not listed" if listed is None else listed.status
            for symbol, listed in found.items()
            if listed is None or not listed.trading
        }
        self._events.reopened(before.keys() - self.halted.keys(), now_s)
        for symbol, now in facts.items():
            if self._known.get(symbol, now) != now:
                self._events.changed(symbol, now, received_ns)
        if facts != self._known:
            self._known = facts
            self._events.remember(facts)
